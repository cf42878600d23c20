//! Many concurrent requests for one object: the result happens once, and no client sees the conflicts.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, Packs, World, on_both};
use uuid::Uuid;

const SIXTY_FOUR: usize = 64;

/// The awards for 64 right answers of one person in addition to 640 XP, by key and bonus. The last three are earned by XP,
/// so the race includes the cascade.
const EARNED: [(&str, i64); 6] = [
    ("aurora/first-steps", 50),
    ("aurora/getting-warmed-up", 100),
    ("aurora/perfect-score", 150),
    ("code-lab/century", 10),
    ("code-lab/rising-star", 10),
    ("tests/level-up", 0),
];
const XP: i64 = 640 + 320;

on_both! {
    async fn sixty_four_events_cross_each_threshold_once(w: World) {
        let ada = w.student("UTC").await;
        let clients = connections(&w, &[w.url()]);
        let answers = race(&clients, |nth| answered(&format!("q{nth}"), ada)).await;
        expect_each_threshold_crossed_once(&w, &answers).await;
        w.finish().await;
    }

    async fn the_same_event_sixty_four_times_counts_once(w: World) {
        let ada = w.student("UTC").await;
        let clients = connections(&w, &[w.url()]);
        let mut answers = race(&clients, |_| answered("q", ada)).await;
        let duplicates = answers.iter().filter(|answer| answer["duplicate"] == true).count();
        assert_eq!(duplicates, SIXTY_FOUR - 1);
        // Except for `duplicate`, every client gets the event's results.
        for answer in &mut answers {
            answer["duplicate"] = json!(false);
        }
        let first = answers.first().unwrap().clone();
        assert_eq!(first["xpGained"], 60);
        assert_eq!(answers, vec![first; SIXTY_FOUR]);
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE external_id = 'q'").await, 1);
        assert_eq!(w.database.number("SELECT count(*) FROM awards").await, 1);
        assert_eq!(w.database.number("SELECT xp FROM totals").await, 60);
        w.finish().await;
    }

    async fn sixty_four_first_sign_ins_create_one_person(w: World) {
        let ada = Uuid::new_v4();
        let client = w.person(ada, Role::Student);
        let asked = (0..SIXTY_FOUR).map(|_| client.ask("{ me { id displayName role } }", json!({})));
        let name = format!("Student {}", &ada.simple().to_string()[..4]);
        for answer in join_all(asked).await {
            let me = json!({"me": {"id": ada, "displayName": name, "role": "STUDENT"}});
            assert_eq!(*answer.data(), me);
        }
        assert_eq!(w.database.number("SELECT count(*) FROM people").await, 1);
        assert_eq!(w.database.number("SELECT count(*) FROM events").await, 1, "user_joined");
        w.finish().await;
    }

    async fn batches_in_opposite_orders_do_not_block_each_other(w: World) {
        opposite_orders(&w, &[w.url()]).await;
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_cross_each_threshold_once() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let second = w.second_server().await;
    let urls = [w.url(), format!("http://{}", second.address)];
    let ada = w.student("UTC").await;
    let answers = race(&connections(&w, &urls), |nth| answered(&format!("q{nth}"), ada)).await;
    expect_each_threshold_crossed_once(&w, &answers).await;
    second.stop().await;
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_take_batches_in_opposite_orders() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let second = w.second_server().await;
    opposite_orders(&w, &[w.url(), format!("http://{}", second.address)]).await;
    second.stop().await;
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_meet_one_newcomer_and_their_referrer() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let second = w.second_server().await;
    let (ada, ben) = (w.student("UTC").await, Uuid::new_v4());
    w.upsert(ben, json!({"referredBy": ada})).await;
    // Ben's tenth answer creates an event of Ada: batches that know only one of them lock both.
    let urls = [w.url(), format!("http://{}", second.address)];
    let answers = race(&connections(&w, &urls), |nth| {
        answered(&format!("q{nth}"), if nth % 2 == 0 { ada } else { ben })
    })
    .await;
    assert!(answers.iter().all(|answer| answer["userErrors"] == json!([])), "{answers:#?}");
    let referrals =
        "SELECT count(*) FROM events WHERE activity = 'referral_completed' AND source = 'plaudit'";
    assert_eq!(w.database.number(referrals).await, 1);
    second.stop().await;
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overflowing_event_is_refused_without_affecting_others() {
    let packs = Packs::of(&json!({
        "pack": "plenty", "name": "Plenty", "description": "Any amount of XP.", "version": 1,
        "categories": [], "achievements": [],
        "activities": [{
            "key": "windfall", "description": "XP out of nowhere.", "xp": {"attribute": "amount"},
            "attributes": {"amount": {
                "type": "int", "min": 1, "max": 1_000_000, "required": true, "description": "How much."}},
        }],
    }));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(w) = World::with(backend, |config| config.catalogs = vec![packs.setting()]).await else {
            continue;
        };
        let mut people = Vec::new();
        for _ in 0..SIXTY_FOUR {
            people.push(w.student("UTC").await);
        }
        let windfall = |id: String, nth: usize, amount: i64| json!({"id": id, "userId": people[nth], "activity": "windfall", "attributes": {"amount": amount}});
        let mut most: Vec<Value> = (0..2_147).map(|n| windfall(format!("m{n}"), 0, 1_000_000)).collect();
        most.push(windfall("most".to_owned(), 0, 483_640));
        for some in most.chunks(1_000) {
            w.service().record_all(some).await;
        }
        assert_eq!(w.database.number("SELECT max(xp) FROM totals").await, 2_147_483_640);

        // The first person has room for 7 more XP; all others have plenty.
        let clients = connections(&w, &[w.url()]);
        let answers = race(&clients, |nth| windfall(format!("w{nth}"), nth, 8)).await;
        for (nth, answer) in answers.iter().enumerate() {
            let (errors, gained) = (&answer["userErrors"], &answer["xpGained"]);
            if nth == 0 {
                assert_eq!(errors[0]["code"], "INVALID_INPUT");
                assert_eq!(errors[0]["field"], json!(["input", "attributes"]));
            } else {
                assert_eq!((errors, gained), (&json!([]), &json!(8)), "caller {nth}");
            }
        }
        // In one request the overflowing row does not affect the rows before and after it.
        let rows = [(0, 5), (1, 8), (0, 3), (0, 2), (0, 1), (2, 8)];
        let rows =
            rows.iter().enumerate().map(|(at, (nth, amount))| windfall(format!("r{at}"), *nth, *amount));
        let answer = w.service().record_all(&rows.collect::<Vec<_>>()).await;
        let refused =
            answer["results"].as_array().unwrap().iter().map(|result| result["userErrors"] != json!([]));
        assert_eq!(refused.collect::<Vec<_>>(), [false, false, true, false, true, false]);
        assert_eq!(w.database.number("SELECT max(xp) FROM totals").await, 2_147_483_647);
        assert_eq!(
            w.database.number("SELECT count(*) FROM events WHERE source <> 'plaudit'").await,
            2_148 + 63 + 4
        );

        // A thousand rows that do not fit take one attempt more than a single one, also with one id.
        let client = w.service();
        let rows = |rows: usize, id: Option<&str>| -> Vec<Value> {
            let ids = (0..rows).map(|nth| id.map_or_else(|| format!("o{rows}-{nth}"), str::to_owned));
            ids.zip(1..).map(|(id, amount)| windfall(id, 0, amount)).collect()
        };
        let mut costs = Vec::new();
        for (number, id) in [(1, None), (1_000, None), (1_000, Some("again"))] {
            let before = w.server.app.db.statements();
            let answer = client.record_all(&rows(number, id)).await;
            costs.push(w.server.app.db.statements() - before);
            let results = answer["results"].as_array().unwrap();
            let refused =
                results.iter().filter(|row| row["userErrors"][0]["field"][3] == "attributes").count();
            assert_eq!((results.len(), refused), (number, number));
        }
        // An INSERT has at most 64 rows on SQLite, and 14 KiB on PostgreSQL.
        let more = if w.database.backend == Backend::Sqlite { 15..=15 } else { 15..=25 };
        assert!(more.contains(&(costs[1] - costs[0])) && costs[2] == costs[0], "{costs:?}");
        w.finish().await;
    }
}

/// Each achievement was earned once, by one request, and announced once.
async fn expect_each_threshold_crossed_once(w: &World, answers: &[Value]) {
    let mut told: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for award in answers.iter().flat_map(|answer| answer["awards"].as_array().unwrap()) {
        let key = award["achievement"]["key"].as_str().unwrap();
        told.entry(key).or_default().push(award["xpBonus"].as_i64().unwrap());
    }
    let once = EARNED.into_iter().map(|(key, bonus)| (key, vec![bonus])).collect::<BTreeMap<_, _>>();
    assert_eq!(told, once);
    let gained: i64 = answers.iter().map(|answer| answer["xpGained"].as_i64().unwrap()).sum();
    assert_eq!(gained, XP);
    assert_eq!(w.database.number("SELECT xp FROM totals").await, XP);
    assert_eq!(w.database.number("SELECT count(*) FROM awards").await, 6);
    assert_eq!(w.database.number("SELECT count(*) FROM xp_entries WHERE kind = 'BONUS'").await, 5);
    assert_eq!(w.database.number("SELECT count(*) FROM xp_entries WHERE kind = 'BASE'").await, 64);
}

/// Sixteen senders, half of them in the order of the people and half in the opposite order, with event ids that are
/// ordered against the people.
async fn opposite_orders(w: &World, urls: &[String]) {
    let mut people = Vec::new();
    for _ in 0..24 {
        people.push(w.student("UTC").await);
    }
    let token = w.service().token().map(str::to_owned);
    let sent = (0..16).map(|sender: usize| {
        let client = Client::new(urls[sender % urls.len()].clone(), token.clone());
        let mut events: Vec<Value> = (0..people.len())
            .map(|nth| answered(&format!("{}-{sender}", people.len() - nth), people[nth]))
            .collect();
        // Every sender sends these, so that the events themselves also conflict.
        events.extend((0..people.len()).map(|nth| answered(&format!("shared-{nth}"), people[nth])));
        if sender / 2 % 2 == 1 {
            events.reverse();
        }
        async move {
            let mut answers = Vec::new();
            for half in events.chunks(events.len() / 2) {
                answers.push(client.record_all(half).await);
            }
            answers
        }
    });
    let mut fresh = 0;
    for answer in join_all(sent).await.into_iter().flatten() {
        for result in answer["results"].as_array().unwrap() {
            assert_eq!(result["userErrors"], json!([]));
            fresh += usize::from(result["duplicate"] == false);
        }
    }
    assert_eq!(fresh, 16 * people.len() + people.len());
    let answers = "SELECT count(*) FROM events WHERE activity = 'question_answered'";
    assert_eq!(w.database.number(answers).await, 17 * 24);
    let first_steps = "SELECT count(*) FROM awards a JOIN achievements d ON d.id = a.achievement_id \
                       WHERE d.key = 'aurora/first-steps'";
    assert_eq!(w.database.number(first_steps).await, 24);
}

/// Clients, each with its own connection, spread over these servers.
fn connections(w: &World, urls: &[String]) -> Vec<Client> {
    let token = w.service().token().map(str::to_owned);
    urls.iter().cycle().take(SIXTY_FOUR).map(|url| Client::new(url.clone(), token.clone())).collect()
}

/// All clients send their events at once.
async fn race(clients: &[Client], event: impl Fn(usize) -> Value) -> Vec<Value> {
    join_all(clients.iter().enumerate().map(|(nth, client)| client.record(event(nth)))).await
}

fn answered(id: &str, person: Uuid) -> Value {
    json!({"id": id, "userId": person, "activity": "question_answered", "attributes": {"correct": true}})
}
