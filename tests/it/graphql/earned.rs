//! The filters and the order of a list of awards.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, World};
use uuid::Uuid;

use super::{assert_argument_refused, deed, pack};

const EARNED: &str = "query($id: ID!, $category: String, $pack: String, $rarity: Rarity, $since: DateTime, $order: AwardOrder,
    $first: Int, $after: String, $last: Int, $before: String) {
    earned(userId: $id, category: $category, pack: $pack, rarity: $rarity, since: $since, order: $order,
        first: $first, after: $after, last: $last, before: $before) {
        totalCount edges { cursor } nodes { achievement { key } } pageInfo { hasNextPage hasPreviousPage } }
    user(id: $id) { earned(category: $category, pack: $pack, rarity: $rarity, since: $since, order: $order, first: $first) {
        totalCount nodes { achievement { key } } } } }";

/// The names of the awards on a page; both fields must return the same.
async fn names(client: &Client, id: Uuid, arguments: Value) -> Vec<String> {
    let mut variables = arguments.clone();
    variables["id"] = json!(id);
    let answer = client.ask(EARNED, variables).await;
    let (root, field) = (&answer.data()["earned"], &answer.data()["user"]["earned"]);
    if arguments["after"].is_null() && arguments["last"].is_null() {
        assert_eq!(
            (&root["nodes"], &root["totalCount"]),
            (&field["nodes"], &field["totalCount"]),
            "{arguments}"
        );
    }
    let key =
        |node: &Value| node["achievement"]["key"].as_str().unwrap().split_once('/').unwrap().1.to_owned();
    root["nodes"].as_array().unwrap().iter().map(key).collect()
}

/// The cursors of all awards, newest first.
async fn cursors(client: &Client, id: Uuid) -> Vec<Value> {
    let answer = client.ask(EARNED, json!({"id": id})).await;
    let edges = answer.data()["earned"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["cursor"].clone()).collect()
}

/// Ada earns `one` on the first, `two` on the second, `three` on the third of January, and the badge on the fourth.
async fn school(backend: Backend) -> Option<(World, Uuid)> {
    let mut achievements = [deed("One", "odd", 1), deed("Two", "even", 2), deed("Three", "odd", 3)];
    achievements[1]["rarity"] = json!("epic");
    let packs = pack(&achievements);
    let w =
        World::with(backend, |config| config.catalogs = vec![packs.setting(), "course-portal".to_owned()])
            .await?;
    let ada = w.student("UTC").await;
    for day in 1..=3 {
        let event =
            json!({"userId": ada, "activity": "done", "occurredAt": format!("2026-01-0{day}T10:00:00Z")});
        assert_eq!(w.service().record(event).await["userErrors"], json!([]));
    }
    let admin = w.person(Uuid::new_v4(), Role::Admin);
    let badge =
        "mutation { createBadge(input: {name: \"Four\", category: \"even\"}) { achievement { id } } }";
    let badge = admin.ask(badge, json!({})).await.data()["createBadge"]["achievement"]["id"].clone();
    let award = "mutation($input: AwardBadgeInput!) { awardBadge(input: $input) { userErrors { message } } }";
    let input = json!({"studentId": ada, "badgeId": badge, "awardedAt": "2026-01-04T10:00:00Z"});
    assert_eq!(admin.ask(award, json!({"input": input})).await.data()["awardBadge"]["userErrors"], json!([]));
    Some((w, ada))
}

#[tokio::test(flavor = "multi_thread")]
async fn awards_are_filtered_by_pack_rarity_category_and_time() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some((w, ada)) = school(backend).await else { continue };
        for client in [w.service(), w.person(ada, Role::Student)] {
            for (arguments, expected) in [
                (json!({}), &["four", "three", "two", "one"][..]),
                (json!({"order": null}), &["four", "three", "two", "one"]),
                (json!({"order": "EARNED_AT_DESC"}), &["four", "three", "two", "one"]),
                (json!({"order": "EARNED_AT_ASC"}), &["one", "two", "three", "four"]),
                (json!({"pack": "deeds"}), &["three", "two", "one"]),
                (json!({"pack": "school"}), &["four"]),
                (json!({"pack": "course-portal"}), &[]),
                (json!({"rarity": "EPIC"}), &["two"]),
                (json!({"rarity": "COMMON"}), &["four", "three", "one"]),
                (json!({"rarity": "LEGENDARY"}), &[]),
                (json!({"category": "even", "rarity": "COMMON"}), &["four"]),
                (json!({"category": "odd", "pack": "deeds", "order": "EARNED_AT_ASC"}), &["one", "three"]),
                (json!({"since": "2026-01-02T10:00:00Z"}), &["four", "three", "two"]),
                (json!({"since": "2026-01-02T10:00:00.001Z", "pack": "deeds"}), &["three"]),
                (json!({"since": "2026-01-04T12:00:00+02:00"}), &["four"]),
                (json!({"since": "9999-12-31T23:59:59Z"}), &[]),
                (json!({"since": "0001-01-01T00:00:00Z"}), &["four", "three", "two", "one"]),
            ] {
                assert_eq!(names(&client, ada, arguments.clone()).await, expected, "{arguments}");
                let mut variables = arguments.clone();
                (variables["id"], variables["first"]) = (json!(ada), json!(0));
                let counted = client.ask(EARNED, variables).await;
                assert_eq!(counted.data()["earned"]["totalCount"], expected.len(), "{arguments}");
            }
        }
        for (arguments, field, remedy) in [
            (json!({"pack": "music"}), "pack", "send one of course-portal, deeds, school."),
            (json!({"since": "9999-12-31T23:59:59-01:00"}), "since", "before the year 10000"),
        ] {
            let mut variables = arguments;
            variables["id"] = json!(ada);
            let answer = w.service().ask(EARNED, variables).await;
            assert_argument_refused(&answer, field, remedy);
        }
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_a_position_for_both_orders_and_every_filter() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some((w, ada)) = school(backend).await else { continue };
        let client = w.service();
        let all = cursors(&client, ada).await;
        for (arguments, expected) in [
            (json!({"after": all[1]}), &["two", "one"][..]),
            (json!({"after": all[1], "order": "EARNED_AT_ASC"}), &["four"]),
            (json!({"after": all[2], "order": "EARNED_AT_ASC"}), &["three", "four"]),
            (json!({"after": all[2], "order": "EARNED_AT_ASC", "first": 1}), &["three"]),
            (json!({"before": all[2], "last": 1}), &["three"]),
            (json!({"before": all[2], "last": 5}), &["four", "three"]),
            (json!({"before": all[0], "last": 2, "order": "EARNED_AT_ASC"}), &["two", "three"]),
            (json!({"last": 1, "order": "EARNED_AT_ASC"}), &["four"]),
            (json!({"after": all[0], "category": "even"}), &["two"]),
            (
                json!({"after": all[3], "order": "EARNED_AT_ASC", "since": "2026-01-03T00:00:00Z"}),
                &["three", "four"],
            ),
        ] {
            assert_eq!(names(&client, ada, arguments.clone()).await, expected, "{arguments}");
        }
        w.finish().await;
    }
}
