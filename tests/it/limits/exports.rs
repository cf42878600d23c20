//! Exports: one at a time per caller, read without a lock, with the maximum length of an answer.

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use plaudit::auth::Role;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tests::{Backend, World, on_both};
use uuid::Uuid;

use super::{message, world};

const EXPORT: &str = "mutation($id: ID!) { exportPerson(input: {userId: $id}) {
    export userErrors { field code message reason } } }";

/// Records `count` events of this student.
async fn record(w: &World, student: Uuid, count: usize) {
    let event = json!({"userId": student, "activity": "question_answered", "attributes": {"correct": true}});
    w.service().record_all(&vec![event; count]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_too_long_is_refused_and_not_logged() {
    let w = world(|limits| limits.answer_bytes = 50_000).await;
    let (ada, grace) = (w.student("UTC").await, w.student("UTC").await);
    let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
    record(&w, ada, 200).await;
    record(&w, grace, 1).await;
    let refused = head.ask(EXPORT, json!({"id": ada})).await;
    assert_eq!(refused.code(), "TOO_COMPLEX", "{}", refused.body);
    assert!(message(&refused.body).contains("50000 bytes (limits.answer_bytes)"), "{}", refused.body);
    assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'export_person'").await, 0);
    assert!(head.ask(EXPORT, json!({"id": grace})).await.data()["exportPerson"]["export"].is_object());
    assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'export_person'").await, 1);
    w.finish().await;
}

on_both! {
    async fn a_second_export_of_the_same_caller_is_refused_while_the_first_runs(w: World) {
        let ada = w.student("UTC").await;
        let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
        head.ask("{ me { id } }", json!({})).await.data();
        // The first export waits for the audit log, which the test holds.
        let connection = w.database.connect().await;
        let held = connection.begin().await.unwrap();
        let hold = match w.database.backend {
            Backend::Sqlite => "UPDATE feed_counter SET position = position",
            Backend::Postgres => "LOCK TABLE audit_log IN EXCLUSIVE MODE",
        };
        held.execute_unprepared(hold).await.unwrap();
        let mut exports: FuturesUnordered<_> =
            (0..2).map(|_| async { head.ask(EXPORT, json!({"id": ada})).await }.boxed()).collect();
        let refused = exports.next().await.unwrap();
        let payload = &refused.data()["exportPerson"];
        assert_eq!(payload["export"], Value::Null);
        let error = &payload["userErrors"][0];
        assert_eq!((&error["code"], &error["reason"]), (&json!("CONFLICT"), &json!("EXPORT_RUNNING")));
        assert_eq!(error["field"], json!(["input", "userId"]));
        held.rollback().await.unwrap();
        connection.close().await.unwrap();
        let first = exports.next().await.unwrap();
        assert_eq!(first.data()["exportPerson"]["export"]["person"]["id"], json!(ada));
        let next = head.ask(EXPORT, json!({"id": ada})).await;
        assert_eq!(next.data()["exportPerson"]["userErrors"], json!([]));
        w.finish().await;
    }

    async fn an_export_of_many_pages_is_complete(w: World) {
        let ada = w.student("UTC").await;
        record(&w, ada, 1_000).await;
        record(&w, ada, 201).await;
        let exported = w.person(ada, Role::Student).ask(EXPORT, json!({"id": ada})).await;
        let export = &exported.data()["exportPerson"]["export"];
        let ids = |list: &str| {
            let rows = export[list].as_array().unwrap().iter();
            rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        let events = "SELECT count(*) FROM events";
        assert_eq!(i64::try_from(ids("events").len()).unwrap(), w.database.number(events).await);
        let sent = export["events"].as_array().unwrap().iter().filter(|event| event["source"] == "school");
        assert_eq!(sent.count(), 1_201);
        let entries = "SELECT count(*) FROM xp_entries";
        assert_eq!(i64::try_from(ids("xpEntries").len()).unwrap(), w.database.number(entries).await);
        let awards = "SELECT count(*) FROM awards";
        assert_eq!(i64::try_from(ids("awards").len()).unwrap(), w.database.number(awards).await);
        w.finish().await;
    }
}
