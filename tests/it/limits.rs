//! The cost per minute, the length of an answer, and the number of exports: each refusal names its setting, and the limit
//! of one caller does not affect others.

mod answers;
mod exports;

use plaudit::auth::Role;
use plaudit::config::Limits;
use serde_json::{Value, json};
use tests::{Answer, Backend, Client, Frame, Socket, World};
use uuid::Uuid;

/// A world on SQLite with these limits. The budgets are in memory, so the kind of database does not matter.
async fn world(change: impl FnOnce(&mut Limits)) -> World {
    World::with(Backend::Sqlite, |config| change(&mut config.limits)).await.expect("SQLite is always there")
}

/// A document that costs 24 times (3 + 1 + 100) units for every caller.
fn expensive() -> String {
    let fields: String = (0..24)
        .map(|number| format!("a{number}: earned(userId: $id, first: 100) {{ nodes {{ id }} }} "))
        .collect();
    format!("query($id: ID) {{ {fields} }}")
}

/// Checks that an answer is refused by the budget: 429, `retryAfter` in these seconds, and the setting.
#[track_caller]
fn assert_limited(answer: &Answer, seconds: std::ops::RangeInclusive<u64>, setting: &str) {
    assert_eq!((answer.status.as_u16(), answer.code()), (429, "RATE_LIMITED"), "{}", answer.body);
    assert_eq!(answer.body.get("data"), None, "{}", answer.body);
    let error = &answer.body["errors"][0];
    let wait = error["extensions"]["retryAfter"].as_u64().expect("a wait in seconds");
    assert!(seconds.contains(&wait), "{wait} s is not in {seconds:?}");
    assert_eq!(answer.headers["retry-after"].to_str().unwrap(), wait.to_string());
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("({setting})")), "{message}");
}

async fn ask_expensive(client: &Client, id: Uuid) -> Answer {
    client.ask(&expensive(), json!({"id": id})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_has_spent_their_budget_waits_while_others_go_on() {
    let w = world(|limits| limits.cost_per_minute = 1_000).await;
    let (ada, grace) = (w.student("UTC").await, w.student("UTC").await);
    let client = w.person(ada, Role::Student);
    ask_expensive(&client, ada).await.data();
    assert_limited(&ask_expensive(&client, ada).await, 16..=60, "limits.cost_per_minute");
    // The older media type has the same status, because clients use it to decide when to retry.
    let plain = tests::http()
        .post(format!("{}/graphql", w.url()))
        .bearer_auth(client.token().unwrap())
        .header("accept", "application/json")
        .json(&json!({"query": expensive(), "variables": {"id": ada}}));
    let plain = plain.send().await.unwrap();
    assert_eq!(plain.status().as_u16(), 429);
    assert!(plain.headers().contains_key("retry-after"));
    // An admin has four times the budget: the second request does not fit, but fits soon.
    let admin = w.person(Uuid::new_v4(), Role::Admin);
    ask_expensive(&admin, ada).await.data();
    let refused = ask_expensive(&admin, ada).await;
    let both = "limits.cost_per_minute times limits.cost_per_minute_admin";
    assert_limited(&refused, 1..=15, both);
    ask_expensive(&w.person(grace, Role::Student), grace).await.data();
    ask_expensive(&w.service(), ada).await.data();
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_turns_the_budget_off() {
    let w = world(|limits| limits.cost_per_minute = 0).await;
    let ada = w.student("UTC").await;
    for _ in 0..10 {
        ask_expensive(&w.person(ada, Role::Student), ada).await.data();
    }
    for _ in 0..10 {
        assert_eq!(w.nobody().post("application/json", "{").await.status, 400);
    }
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_records_without_a_budget_and_reads_within_one() {
    let w = world(|limits| (limits.cost_per_minute, limits.cost_per_minute_service) = (10, 1)).await;
    // This spends the whole budget of the service.
    let ada = w.student("UTC").await;
    let setting = "limits.cost_per_minute times limits.cost_per_minute_service";
    assert_limited(&w.service().ask("{ feedCursor }", json!({})).await, 1..=60, setting);
    let of_school = "SELECT count(*) FROM events WHERE source = 'school'";
    // A selection that needs more reads than recording does is charged, and records nothing.
    for selected in
        ["user { displayName }", "awards { user { id } }", "awards { achievement { earnedCount } }"]
    {
        let expensive = format!(
            "mutation($input: RecordEventInput!) {{ recordEvent(input: $input) {{ eventId {selected} }} }}"
        );
        let input = json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}});
        assert_limited(&w.service().ask(&expensive, json!({"input": input})).await, 1..=60, setting);
    }
    assert_eq!(w.database.number(of_school).await, 0);
    for batch in 0..5 {
        let events = (0..200).map(|number| {
            json!({"id": format!("{batch}-{number}"), "userId": ada, "activity": "question_answered",
                   "attributes": {"correct": true}})
        });
        let recorded = w.service().record_all(&events.collect::<Vec<_>>()).await;
        assert_eq!(recorded["results"].as_array().unwrap().len(), 200);
    }
    assert_eq!(w.database.number(of_school).await, 1_000);
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_gets_the_same_refusal_and_stays_open() {
    let w = world(|limits| limits.cost_per_minute = 1_000).await;
    let ada = w.student("UTC").await;
    let mut socket = w.person(ada, Role::Student).socket().await;
    socket.subscribe("1", &expensive(), json!({"id": ada})).await;
    assert_eq!(socket.next("1").await.get("errors"), None);
    assert_eq!(socket.frame().await, Frame::Message(json!({"type": "complete", "id": "1"})));
    socket.subscribe("2", &expensive(), json!({"id": ada})).await;
    let Frame::Message(refused) = socket.frame().await else { panic!("the socket goes on") };
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    let error = &refused["payload"][0];
    assert_eq!(error["extensions"]["code"], "RATE_LIMITED");
    let wait = error["extensions"]["retryAfter"].as_u64().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(error["message"].as_str().unwrap().contains("(limits.cost_per_minute)"), "{error}");
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.frame().await, Frame::Message(json!({"type": "pong"})));
    // Both transports share one budget.
    let http = ask_expensive(&w.person(ada, Role::Student), ada).await;
    assert_limited(&http, 1..=60, "limits.cost_per_minute");
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_award_that_a_subscription_sends_is_charged() {
    let w = world(|limits| limits.cost_per_minute = 20).await;
    let ada = w.student("UTC").await;
    let client = w.person(ada, Role::Student);
    let mut socket = client.socket().await;
    // 5 + 1 + 1 + 1 + (1 + 2) units to subscribe, and as many for each award.
    let query = "subscription { achievementEarned { cursor isReplay award { id xpBonus } } }";
    socket.subscribe("1", query, json!({})).await;
    w.followed_by(1).await;
    let answered = json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}});
    let recorded = w.service().record(answered).await;
    assert_ne!(recorded["awards"], json!([]), "{recorded}");
    socket.next("1").await;
    assert_limited(&client.ask("{ __typename }", json!({})).await, 1..=60, "limits.cost_per_minute");
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_requests_cost_every_caller_something() {
    // One such request costs 20 units.
    let w = world(|limits| limits.cost_per_minute = 20).await;
    let json = "application/json";
    let wrong: [(u16, &str, String); 6] = [
        (400, json, "{".to_owned()),
        (400, json, json!({"query": "{"}).to_string()),
        (400, json, json!({"query": "{ nothing }"}).to_string()),
        (400, json, json!({"query": format!("{{ {} }}", "__typename ".repeat(3_000))}).to_string()),
        (400, json, json!({"query": "subscription { achievementEarned { cursor } }"}).to_string()),
        (415, "text/plain", json!({"query": "{ __typename }"}).to_string()),
    ];
    for (status, content_type, body) in wrong {
        let client = if status == 415 { w.nobody() } else { w.person(Uuid::new_v4(), Role::Student) };
        let shown: String = body.chars().take(60).collect();
        assert_eq!(client.post(content_type, body).await.status.as_u16(), status, "{shown}");
        let next = client.ask("{ __typename }", json!({})).await;
        assert_limited(&next, 1..=60, "limits.cost_per_minute");
    }
    let ada = w.person(Uuid::new_v4(), Role::Student);
    let mutation = "mutation%20%7B%20recordEvent(input:%20%7BuserId:%20%22%22,%20activity:%20%22%22%7D)%20%7B%20eventId%20%7D%20%7D";
    let request = tests::http().get(format!("{}/graphql?query={mutation}", w.url()));
    assert_eq!(request.bearer_auth(ada.token().unwrap()).send().await.unwrap().status().as_u16(), 405);
    assert_limited(&ada.ask("{ __typename }", json!({})).await, 1..=60, "limits.cost_per_minute");
    // Signed-in people have their own budgets, although the address has spent its budget.
    let fine = w.person(Uuid::new_v4(), Role::Student).ask("{ __typename }", json!({})).await;
    assert_eq!(fine.data(), &json!({"__typename": "Query"}));
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_tokens_spend_the_budget_of_their_address_and_stay_unauthenticated() {
    let w = world(|limits| limits.cost_per_minute = 20).await;
    let token = w.token("school", Role::Service);
    let forged = Client::new(w.url(), Some(format!("{token}x")));
    for _ in 0..3 {
        let answer = forged.ask("{ feedCursor }", json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"));
    }
    assert_limited(&w.nobody().ask("{ __typename }", json!({})).await, 1..=60, "limits.cost_per_minute");
    let mut socket = Socket::open(&w.url()).await;
    socket
        .send(json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}x")}}))
        .await;
    let Frame::Closed(closed) = socket.frame().await else { panic!("the socket closes") };
    assert_eq!(closed.code, 4401, "{}", closed.reason);
    assert_eq!(w.service().ask("{ __typename }", json!({})).await.data(), &json!({"__typename": "Query"}));
    w.finish().await;
}

/// The message of an answer's first error.
#[track_caller]
fn message(answer: &Value) -> &str {
    answer["errors"][0]["message"].as_str().expect("an error with a message")
}
