//! A badge change that gets its revision before another one and commits after it.

use std::time::Duration;

use chrono::TimeDelta;
use plaudit::auth::Role;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tests::{Backend, Client, World};

use super::badge;
use crate::courses::{join, mutate};

/// Makes an update of the badge `school/slow` wait for an advisory lock.
const GATE: [&str; 2] = [
    "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
     'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END'",
    "CREATE TRIGGER gate AFTER UPDATE ON achievements FOR EACH ROW
     WHEN (NEW.key = 'school/slow') EXECUTE FUNCTION wait_at_gate()",
];
const WAITING: &str = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()";

async fn describe(client: &Client, badge: &str, description: &str) {
    let changed = mutate(client, "updateBadge", "", json!({"id": badge, "description": description})).await;
    assert_eq!(changed["userErrors"], json!([]));
}

/// Waits until the server returns this description.
async fn shown(client: &Client, key: &str, description: &str) {
    let query = "query($key: String!) { achievement(key: $key) { description } }";
    let seen = async {
        while client.ask(query, json!({"key": key})).await.data()["achievement"]
            != json!({"description": description})
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the change is seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_stamped_first_and_commits_last_is_seen_by_every_server() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let other = w.second_server().await;
    let (_, admin) = join(&w, Role::Admin).await;
    let elsewhere = admin.at(format!("http://{}", other.address));
    let (slow, fast) = (badge(&admin, "Slow", 0).await, badge(&admin, "Fast", 0).await);
    for statement in GATE {
        w.database.execute(statement).await;
    }
    let connection = w.database.connect().await;
    let gate = connection.begin().await.unwrap();
    gate.execute_unprepared("SELECT pg_advisory_xact_lock(7)").await.unwrap();
    let late = tokio::spawn({
        let (admin, slow) = (admin.clone(), slow.clone());
        async move { describe(&admin, &slow, "Late.").await }
    });
    let waits = async {
        while w.database.number(WAITING).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waits).await.expect("the change waits");
    w.tick(TimeDelta::minutes(1));
    describe(&admin, &fast, "Early.").await;
    shown(&elsewhere, "school/fast", "Early.").await;
    gate.commit().await.unwrap();
    late.await.unwrap();
    shown(&elsewhere, "school/slow", "Late.").await;
    let revision: Value = w.database.number("SELECT revision FROM catalogue_revision").await.into();
    // One publication, two badges created and two changed.
    assert_eq!(revision, json!(5));
    connection.close().await.unwrap();
    other.stop().await;
    w.finish().await;
}
