//! Pages of awards: each row once, in one order, in both directions and with every page size.

use serde_json::{Value, json};
use tests::{Backend, Client, World, on_both};
use uuid::Uuid;

use super::{assert_argument_refused, deed, pack};

const PAGE: &str =
    "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $category: String) {
    earned(userId: $id, first: $first, after: $after, last: $last, before: $before, category: $category) {
        totalCount edges { cursor node { achievement { key } earnedAt } } nodes { achievement { key } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// One page: its achievements, and its page info.
struct Page {
    keys: Vec<String>,
    info: Value,
}

async fn page(client: &Client, id: Uuid, arguments: &Value) -> Page {
    let mut variables = arguments.clone();
    variables["id"] = json!(id);
    let answer = client.ask(PAGE, variables).await;
    let earned = &answer.data()["earned"];
    assert_eq!(earned["totalCount"], if arguments["category"].is_null() { 60 } else { 30 });
    let edges = earned["edges"].as_array().unwrap();
    let key = |node: &Value| node["achievement"]["key"].as_str().unwrap().to_owned();
    let keys: Vec<String> = edges.iter().map(|edge| key(&edge["node"])).collect();
    let nodes: Vec<String> = earned["nodes"].as_array().unwrap().iter().map(key).collect();
    assert_eq!(keys, nodes, "edges and nodes say the same");
    let info = earned["pageInfo"].clone();
    let ends =
        [edges.first(), edges.last()].map(|edge| edge.map_or(Value::Null, |edge| edge["cursor"].clone()));
    assert_eq!([&info["startCursor"], &info["endCursor"]], [&ends[0], &ends[1]]);
    Page { keys, info }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_awards_of_one_moment_are_paged_once_each() {
    let achievements: Vec<Value> = (0..60)
        .map(|number| deed(&format!("Deed {number}"), if number % 2 == 0 { "even" } else { "odd" }, 1))
        .collect();
    let packs = pack(&achievements);
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::with(backend, |config| config.catalogs = vec![packs.setting()]);
        let Some(w) = world.await else { continue };
        let (ada, service) = (w.student("UTC").await, w.service());
        let answer = service.record(json!({"userId": ada, "activity": "done"})).await;
        assert_eq!(answer["awards"].as_array().unwrap().len(), 60);
        let moments = w.database.number("SELECT count(DISTINCT earned_at) FROM awards").await;
        assert_eq!(moments, 1, "only the id tells them apart");

        let all = page(&service, ada, &json!({"first": 100})).await;
        assert_eq!((&all.info["hasNextPage"], &all.info["hasPreviousPage"]), (&json!(false), &json!(false)));
        let mut sorted = all.keys.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 60);
        for step in [1, 7, 20, 59, 60, 61] {
            assert_eq!(forwards(&service, ada, step).await, all.keys, "forwards by {step}");
            assert_eq!(backwards(&service, ada, step).await, all.keys, "backwards by {step}");
        }
        let even = page(&service, ada, &json!({"first": 100, "category": "even"})).await;
        let expected: Vec<_> = all.keys.iter().filter(|key| is_even(key)).cloned().collect();
        assert_eq!((even.keys.len(), even.keys), (30, expected));
        let none = page(&service, ada, &json!({"first": 0})).await;
        assert_eq!((none.keys.len(), &none.info["hasNextPage"]), (0, &json!(true)));
        w.finish().await;
    }
}

fn is_even(key: &str) -> bool {
    key.rsplit('-').next().unwrap().parse::<i64>().unwrap() % 2 == 0
}

async fn forwards(client: &Client, id: Uuid, step: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = page(client, id, &json!({"first": step, "after": after})).await;
        assert_eq!(page.info["hasPreviousPage"], json!(!found.is_empty()));
        found.extend(page.keys);
        assert!(found.len() <= 60, "a page begins where the last ended: {found:?}");
        after = page.info["endCursor"].clone();
        if page.info["hasNextPage"] == false {
            return found;
        }
        assert_eq!(found.len() % step, 0, "a page before the last is full");
    }
}

async fn backwards(client: &Client, id: Uuid, step: usize) -> Vec<String> {
    let (mut found, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = page(client, id, &json!({"last": step, "before": before})).await;
        assert_eq!(page.info["hasNextPage"], json!(!found.is_empty()));
        found.splice(0..0, page.keys);
        assert!(found.len() <= 60, "a page ends where the last began: {found:?}");
        before = page.info["startCursor"].clone();
        if page.info["hasPreviousPage"] == false {
            return found;
        }
    }
}

on_both! {
    async fn newer_achievements_come_first(w: World) {
        let ada = w.student("UTC").await;
        // Recorded late, but counted when it happened: the order is by day.
        for (day, points) in [(12, 500), (14, 60), (10, 110)] {
            let event = json!({"userId": ada, "activity": "test_taken",
                "occurredAt": format!("2026-01-{day}T10:00:00Z"), "attributes": {"points": points}});
            assert_eq!(w.service().record(event).await["userErrors"], json!([]));
        }
        let query = "query($id: ID!) { earned(userId: $id) { nodes { earnedAt } } }";
        let answer = w.service().ask(query, json!({"id": ada})).await;
        let moments: Vec<&str> = answer.data()["earned"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["earnedAt"].as_str().unwrap())
            .collect();
        let mut newest_first = moments.clone();
        newest_first.sort_by(|a, b| b.cmp(a));
        assert_eq!(moments, newest_first);
        assert_eq!(
            (moments.first(), moments.last()),
            (Some(&"2026-01-12T10:00:00.000Z"), Some(&"2026-01-10T10:00:00.000Z"))
        );
        w.finish().await;
    }

    async fn a_page_of_more_than_a_hundred_is_refused(w: World) {
        let ada = w.student("UTC").await;
        for (query, argument) in [
            ("query($id: ID!, $n: Int) { earned(userId: $id, first: $n) { totalCount } }", "first"),
            ("query($id: ID!, $n: Int) { earned(userId: $id, last: $n) { totalCount } }", "last"),
            ("query($id: ID!, $n: Int) { inProgress(userId: $id, first: $n) { totalCount } }", "first"),
            ("query($id: ID!, $n: Int) { user(id: $id) { earned(first: $n) { totalCount } } }", "first"),
            ("query($id: ID!, $n: Int) { user(id: $id) { inProgress(first: $n) { totalCount } } }", "first"),
            (
                "query($id: ID!, $n: Int) { user(id: $id) { id } leaderboard { standings(first: $n) { totalCount } } }",
                "first",
            ),
        ] {
            for rows in [101, 2_147_483_647, -1, -2_147_483_648] {
                let answer = w.service().ask(query, json!({"id": ada, "n": rows})).await;
                assert_argument_refused(
                    &answer,
                    argument,
                    "must be 0 to 100. Request fewer rows and use a cursor",
                );
            }
            for rows in [0, 100] {
                w.service().ask(query, json!({"id": ada, "n": rows})).await.data();
            }
        }
        w.finish().await;
    }

    async fn only_unchanged_cursors_are_accepted(w: World) {
        let ada = w.student("UTC").await;
        w.service()
            .record(json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}}))
            .await;
        let cursors = w
            .service()
            .ask(
                "query($id: ID!) { earned(userId: $id) { edges { cursor } } feedCursor
                               leaderboard { standings { edges { cursor } } } }",
                json!({"id": ada}),
            )
            .await;
        let award = &cursors.data()["earned"]["edges"][0]["cursor"];
        let standing = &cursors.data()["leaderboard"]["standings"]["edges"][0]["cursor"];
        let feed = &cursors.data()["feedCursor"];
        let answered = "send one that this list returned";
        for bad in [json!(""), json!("1"), json!("!"), json!("\u{0}"), standing.clone(), feed.clone()] {
            let answer = w.service().ask(PAGE, json!({"id": ada, "after": bad})).await;
            assert_argument_refused(&answer, "after", answered);
            let answer = w.service().ask(PAGE, json!({"id": ada, "last": 3, "before": bad})).await;
            assert_argument_refused(&answer, "before", answered);
        }
        let board = "query($after: String, $around: ID) {
            leaderboard { standings(after: $after, around: $around) { totalCount } } }";
        for bad in [award, feed, &json!("x")] {
            assert_argument_refused(&w.service().ask(board, json!({"after": bad})).await, "after", answered);
        }
        let both = w.service().ask(board, json!({"after": standing, "around": ada})).await;
        assert_argument_refused(&both, "around", "send one of them");
        let mixed = w.service().ask(PAGE, json!({"id": ada, "after": award, "last": 3})).await;
        assert_argument_refused(&mixed, "after", "send one pair");
        let mut socket = w.service().socket().await;
        let follow = "subscription($after: String) { achievementEarned(after: $after) { cursor } }";
        let ahead = json!("ZmVlZCA5OTk5");
        for (number, bad) in [award.clone(), json!("x"), ahead].into_iter().enumerate() {
            socket.subscribe(&number.to_string(), follow, json!({"after": bad})).await;
            let tests::Frame::Message(told) = socket.frame().await else { panic!("the socket goes on") };
            let extensions = &told["payload"][0]["extensions"];
            assert_eq!(
                (&told["type"], &extensions["code"], &extensions["field"]),
                (&json!("error"), &json!("INVALID_INPUT"), &json!(["after"]))
            );
        }
        w.finish().await;
    }
}
