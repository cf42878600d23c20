//! `plaudit repair` rebuilds the differences that `check` finds, does not change the ledger, and loses nothing while a
//! server records.

use plaudit::auth::Role;
use plaudit::repair::{self, Outcome, Summary};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tests::{Backend, World, command, on_both};
use uuid::Uuid;

/// Ways to damage data derived from the ledger, each with the differences that `check` finds, the people that `repair`
/// rebuilds and the awards that it moves in the feed. Ada has three awards.
const DAMAGE: [(&[&str], usize, usize, usize); 13] = [
    (&["UPDATE totals SET xp = xp + 1"], 1, 1, 0),
    (&["UPDATE totals SET awards = 0, streak_longest = 9"], 2, 1, 0),
    (&["DELETE FROM totals"], 4, 1, 0),
    (&["UPDATE metrics SET value = value + 1 WHERE value = 2"], 1, 1, 0),
    (&["DELETE FROM metric_members", "DELETE FROM active_days"], 2, 1, 0),
    (&["UPDATE metric_members SET member = member || ' other'"], 1, 1, 0),
    (
        &[
            "INSERT INTO active_days (person_id, day, timezone) SELECT person_id, '2025-12-24', 'UTC' FROM totals",
        ],
        1,
        1,
        0,
    ),
    (&["UPDATE awards SET flagged = true WHERE xp_bonus = 50"], 1, 1, 0),
    (&["DELETE FROM outbox"], 3, 1, 0),
    (&["DELETE FROM feed WHERE position = 1"], 2, 0, 1),
    (&["UPDATE feed SET position = 7 WHERE position = 3"], 1, 0, 1),
    (&["UPDATE feed_counter SET position = 1"], 2, 0, 0),
    (&["DELETE FROM feed", "UPDATE feed_counter SET position = 9"], 5, 0, 3),
];

async fn done(w: &World) -> Summary {
    match repair::run(&w.config, &w.clock).await.expect("the repair runs") {
        Outcome::Done(summary) => summary,
        Outcome::Refused(differences) => panic!("refused: {differences:#?}"),
    }
}

/// Ada with 80 XP and three awards.
async fn ada(w: &World) -> Uuid {
    let ada = w.student("UTC").await;
    for (id, activity, attributes) in [
        ("q", "question_answered", json!({"correct": true})),
        ("c1", "comment_written", json!({})),
        ("c2", "comment_written", json!({})),
        ("l", "lesson_watched", json!({"lesson": "intro"})),
    ] {
        let event = json!({"id": id, "userId": ada, "activity": activity, "attributes": attributes});
        assert_eq!(w.service().record(event).await["userErrors"], json!([]));
    }
    w.server.settle().await.unwrap();
    ada
}

on_both! {
    async fn every_aggregate_that_was_damaged_is_rebuilt(w: World) {
        let ada = ada(&w).await;
        let digest = w.check().await.digest;
        for (damage, found, people, moved) in DAMAGE {
            for statement in damage {
                w.database.execute(statement).await;
            }
            let expected = Summary { found, people, moved, left: Vec::new() };
            assert_eq!(done(&w).await, expected, "after {damage:?}");
            assert_eq!(w.check().await.digest, digest);
        }
        let nothing = Summary::default();
        assert_eq!(done(&w).await, nothing, "there is nothing left to repair");
        let asked = w.person(ada, Role::Student).ask("{ me { xp streak { longest } } }", json!({})).await;
        assert_eq!(asked.data()["me"], json!({"xp": 80, "streak": {"longest": 1}}));
        assert_eq!(w.database.number("SELECT count(*) FROM outbox WHERE silent_because = 'restored by repair'").await, 3);
        w.finish().await;
    }

    async fn repair_changes_nothing_if_the_ledger_has_differences(w: World) {
        let ada = ada(&w).await;
        w.database.execute("UPDATE totals SET xp = 1").await;
        w.database.execute("UPDATE xp_entries SET amount = 49 WHERE amount = 50").await;
        let (database, config, clock) = w.stop().await;
        let before = database.contents().await;
        let Outcome::Refused(differences) = repair::run(&config, &clock).await.unwrap() else { panic!("it repaired") };
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let [line] = lines.as_slice() else { panic!("{lines:#?}") };
        assert!(line.starts_with(&format!("person {ada}: bonus of award ")), "{line}");
        assert!(line.ends_with(": stored Some(49), rebuilt Some(50)"), "{line}");
        let output = command(&config, &["repair"]).await;
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), told.lines().next()), (Some(1), Some(line.as_str())));
        assert!(told.contains("Nothing was changed: 1 differences are in events, awards or XP entries"), "{told}");
        assert_eq!(database.contents().await, before);
    }

    async fn a_repair_while_a_server_records_loses_nothing(w: World) {
        let mut people = Vec::new();
        for _ in 0..4 {
            let person = w.student("UTC").await;
            // A person without events has no numbers to damage.
            w.service().record(json!({"userId": person, "activity": "comment_written"})).await;
            people.push(person);
        }
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let writing: Vec<_> = (0..3).map(|writer| {
            let (client, people, stopped) = (w.service(), people.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut acknowledged = 0;
                while !*stopped.borrow() {
                    let events: Vec<Value> = people.iter().map(|person| json!({
                        "id": format!("{writer}-{acknowledged}-{person}"), "userId": person,
                        "activity": "question_answered", "attributes": {"correct": true}})).collect();
                    let answer = client.record_all(&events).await;
                    for result in answer["results"].as_array().unwrap() {
                        assert_eq!(result["userErrors"], json!([]));
                        acknowledged += 1;
                    }
                }
                acknowledged
            })
        }).collect();
        let mut options = sea_orm::ConnectOptions::new(w.database.url());
        options.max_connections(1).max_lifetime(None).idle_timeout(None);
        let connection = sea_orm::Database::connect(options).await.unwrap();
        let lock = match w.database.backend {
            Backend::Sqlite => {
                // The server writes continuously, so this connection has to wait for the lock.
                connection.execute_unprepared("PRAGMA busy_timeout = 60000").await.unwrap();
                ""
            }
            // One implicit transaction, so that no batch writes its own numbers over the damage.
            Backend::Postgres => "SELECT id FROM people ORDER BY id FOR NO KEY UPDATE; ",
        };
        let damage = format!("{lock}UPDATE totals SET xp = xp + 1, streak_longest = streak_longest + 1");
        for _ in 0..3 {
            connection.execute_unprepared(&damage).await.unwrap();
            let summary = done(&w).await;
            assert_eq!((summary.people, summary.left), (4, Vec::new()));
        }
        connection.close().await.unwrap();
        stop.send_replace(true);
        let mut acknowledged = 0;
        for writer in writing {
            acknowledged += writer.await.unwrap();
        }
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE activity = 'question_answered'").await, acknowledged);
        w.finish().await;
    }
}
