//! Events that people report about themselves: the allowed times, the resulting XP, and the audit log.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, Packs, World};
use uuid::Uuid;

const LOG: &str = "query($id: ID!) { auditLog(userId: $id) { nodes {
    actorKind actor actorUser { id } role act user { id } objectId activity eventCount requestId } } }";
const RECORD: &str = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) {
    results { duplicate userErrors { message } } } }";

/// A pack of a diary: pages give XP with a daily cap, and walks give nothing.
fn diary() -> Packs {
    Packs::of(&json!({
        "pack": "diary", "name": "Diary", "description": "What people report about themselves.", "version": 1,
        "categories": [], "achievements": [],
        "activities": [
            {"key": "page_written", "description": "A page.", "xp": {"amount": 10}, "dailyCap": 25, "selfReportable": true},
            {"key": "walk_taken", "description": "A walk.", "selfReportable": true},
        ],
    }))
}

async fn world(backend: Backend, packs: &Packs) -> Option<World> {
    World::with(backend, |config| config.catalogs = vec![packs.setting()]).await
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn page(person: Uuid, at: DateTime<Utc>) -> Value {
    json!({"userId": person, "activity": "page_written", "occurredAt": text(at)})
}

/// The XP of one accepted report.
async fn gained(client: &Client, event: Value) -> i64 {
    let answer = client.record(event).await;
    assert_eq!(answer["userErrors"], json!([]));
    answer["xpGained"].as_i64().unwrap()
}

/// The message of one report that is refused for its time.
async fn refusal(client: &Client, event: Value) -> String {
    let answer = client.record(event).await;
    let error = &answer["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("INVALID_INPUT"), &json!(["input", "occurredAt"])),
        "{answer}"
    );
    assert_eq!((&answer["eventId"], &error["reason"]), (&Value::Null, &json!("EVENT_TOO_OLD")));
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_report_is_within_a_day_and_after_the_account_was_created() {
    let packs = diary();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(w) = world(backend, &packs).await else { continue };
        let ada = w.student("UTC").await;
        w.tick(TimeDelta::days(9));
        let ben = w.student("UTC").await;
        let created = w.clock.now();
        w.tick(TimeDelta::days(1));
        let now = w.clock.now();
        let (as_ada, as_ben) = (w.person(ada, Role::Student), w.person(ben, Role::Student));
        let (day, millisecond) = (TimeDelta::hours(24), TimeDelta::milliseconds(1));
        let old = refusal(&as_ada, page(ada, now - day - millisecond)).await;
        assert!(old.contains("up to 24 hours after they happened (limits.self_report_hours)"), "{old}");
        refusal(&as_ada, page(ada, now - TimeDelta::days(5_000))).await;
        assert_eq!(gained(&as_ada, page(ada, now - day)).await, 10);
        // Ben's account is a day old: that moment is the first that both rules allow.
        assert_eq!(gained(&as_ben, page(ben, created)).await, 10);
        w.tick(TimeDelta::hours(-12));
        let early = refusal(&w.person(ben, Role::Student), page(ben, created - millisecond)).await;
        assert!(early.contains("before your account was created"), "{early}");
        // A service can still report any past time.
        assert_eq!(gained(&w.service(), page(ada, now - TimeDelta::days(300))).await, 10);
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_days_in_one_request_are_a_streak_of_two() {
    let packs = diary();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(w) = world(backend, &packs).await else { continue };
        let ada = w.student("UTC").await;
        w.tick(TimeDelta::days(2_000));
        let days: Vec<Value> =
            (0..1_000).map(|ago| page(ada, w.clock.now() - TimeDelta::days(ago))).collect();
        let answer = w.person(ada, Role::Student).record_all(&days).await;
        let results = answer["results"].as_array().unwrap();
        for (ago, result) in results.iter().enumerate() {
            let fields: Vec<&Value> =
                result["userErrors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
            let refused = [json!(["input", "events", ago.to_string(), "occurredAt"])];
            assert_eq!(fields, if ago < 2 { vec![] } else { refused.iter().collect() });
        }
        assert_eq!(w.database.number("SELECT streak_longest FROM totals").await, 2);
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE source <> 'plaudit'").await, 2);
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_sent_again_after_a_day_is_a_duplicate() {
    let packs = diary();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(w) = world(backend, &packs).await else { continue };
        let ada = w.student("UTC").await;
        let named = |id: &str, at| {
            let mut event = page(ada, at);
            event["id"] = json!(id);
            event
        };
        let then = w.clock.now();
        let first = w.person(ada, Role::Student).record(named("p1", then)).await;
        w.tick(TimeDelta::hours(30));
        let as_ada = w.person(ada, Role::Student);
        let again = as_ada.record(named("p1", then)).await;
        assert_eq!((&again["duplicate"], &again["eventId"]), (&json!(true), &first["eventId"]));
        assert_eq!((&again["xpGained"], &again["userErrors"]), (&json!(10), &json!([])));
        // Another event with a known id is a conflict, and an unknown one is too old, also in one request.
        let rows = [
            named("p1", then + TimeDelta::hours(1)),
            named("p2", then),
            named("p1", then),
            named("p3", w.clock.now()),
        ];
        let results = as_ada.record_all(&rows).await["results"].clone();
        let told: Vec<Value> = results
            .as_array()
            .unwrap()
            .iter()
            .map(|row| json!([row["duplicate"], row["userErrors"][0]["reason"]]))
            .collect();
        assert_eq!(
            json!(told),
            json!([[false, "ID_REUSED"], [false, "EVENT_TOO_OLD"], [true, null], [false, null]])
        );
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_cap_of_own_reports_is_that_of_the_day_of_recording() {
    let packs = diary();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(w) = world(backend, &packs).await else { continue };
        let ada = w.student("America/Los_Angeles").await;
        w.tick(TimeDelta::days(3));
        let (now, hours) = (w.clock.now(), TimeDelta::hours);
        let as_ada = w.person(ada, Role::Student);
        // Noon in UTC is 4:00 in Los Angeles: half of these are on the day before.
        for (ago, gain) in [(12, 10), (0, 10), (20, 5), (1, 0), (23, 0)] {
            assert_eq!(gained(&as_ada, page(ada, now - hours(ago))).await, gain, "{ago} hours ago");
        }
        // An event from a service counts for the day on which it happened.
        assert_eq!(gained(&w.service(), page(ada, now - hours(12))).await, 10);
        assert_eq!(gained(&w.service(), page(ada, now)).await, 0);
        // The next day has its own cap, shared by the reports about today.
        w.tick(hours(20));
        let as_ada = w.person(ada, Role::Student);
        for (ago, gain) in [(20, 10), (19, 10), (0, 5), (18, 0)] {
            assert_eq!(gained(&as_ada, page(ada, w.clock.now() - hours(ago))).await, gain, "{ago} hours ago");
        }
        // `check` compares the XP of events with the result of any other order.
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_shows_a_request_of_own_reports_once_for_each_activity() {
    let packs = diary();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(w) = world(backend, &packs).await else { continue };
        let ada = w.student("UTC").await;
        let as_ada = w.person(ada, Role::Student);
        let mut rows: Vec<Value> = (0..30)
            .map(|nth| {
                let activity = if nth % 3 == 0 { "walk_taken" } else { "page_written" };
                json!({"id": format!("r{nth}"), "userId": ada, "activity": activity})
            })
            .collect();
        rows.push(json!({"id": "old", "userId": ada, "activity": "walk_taken", "occurredAt": "2020-01-01T00:00:00Z"}));
        let answer = as_ada.ask(RECORD, json!({"input": {"events": rows}})).await;
        let request = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        // A repeat adds nothing.
        as_ada.ask(RECORD, json!({"input": {"events": rows}})).await;
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let log = admin.ask(LOG, json!({"id": ada})).await;
        let mut nodes = log.data()["auditLog"]["nodes"].as_array().unwrap().clone();
        // The first audit entry is Ada's creation.
        let created = nodes.pop().unwrap();
        assert_eq!(
            [
                &created["actorKind"],
                &created["actor"],
                &created["actorUser"],
                &created["act"],
                &created["eventCount"]
            ],
            [&json!("SERVICE"), &json!("school"), &Value::Null, &json!("upsert_user"), &Value::Null]
        );
        nodes.sort_by_key(|node| node["activity"].to_string());
        let row = |activity: &str, events: i64| {
            json!({
                "actorKind": "PERSON", "actor": ada, "actorUser": {"id": ada}, "role": "STUDENT", "act": "report_events",
                "user": {"id": ada}, "objectId": null, "activity": activity, "eventCount": events, "requestId": request,
            })
        };
        assert_eq!(json!(nodes), json!([row("page_written", 20), row("walk_taken", 10)]));
        w.finish().await;
    }
}
