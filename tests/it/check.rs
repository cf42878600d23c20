//! `plaudit check` finds and names manual changes and nothing else, writes nothing, and works while a server runs.

use std::collections::BTreeSet;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, World, command, on_both};
use uuid::Uuid;

/// One manual change, how to undo it, and the report of `check` in between.
struct Case {
    breaks: &'static [&'static str],
    mends: &'static [&'static str],
    says: &'static [&'static str],
}

/// Ada has 80 XP: 10 for a right answer, 5 for each of two comments, 10 for a lesson, 50 for First Steps.
const CASES: [Case; 13] = [
    Case {
        breaks: &[
            "CREATE TABLE kept AS SELECT * FROM feed WHERE position = 1",
            "DELETE FROM feed WHERE position = 1",
        ],
        mends: &["INSERT INTO feed SELECT * FROM kept", "DROP TABLE kept"],
        says: &[
            "ADA: places of award FIRST_STEPS in the feed: stored 0, rebuilt 1",
            "places in the feed: stored 2, rebuilt 3",
        ],
    },
    Case {
        breaks: &["UPDATE feed SET position = 4 WHERE position = 3"],
        mends: &["UPDATE feed SET position = 3 WHERE position = 4"],
        says: &["the last place of the feed: stored 4, rebuilt 3"],
    },
    Case {
        breaks: &["UPDATE totals SET xp = xp + 1"],
        mends: &["UPDATE totals SET xp = xp - 1"],
        says: &["ADA: XP: stored 81, rebuilt 80"],
    },
    Case {
        breaks: &["UPDATE totals SET awards = awards + 1"],
        mends: &["UPDATE totals SET awards = awards - 1"],
        says: &["ADA: number of awards: stored 4, rebuilt 3"],
    },
    Case {
        breaks: &["UPDATE totals SET streak_longest = 2"],
        mends: &["UPDATE totals SET streak_longest = 1"],
        says: &[
            "ADA: streak (last active on, in, run, longest): stored (Some(2026-01-15), Some(\"UTC\"), 1, 2), rebuilt (Some(2026-01-15), Some(\"UTC\"), 1, 1)",
        ],
    },
    Case {
        breaks: &["UPDATE metrics SET value = 1 WHERE value = 2"],
        mends: &["UPDATE metrics SET value = 2 WHERE metric_id IN (SELECT metric_id FROM marked)"],
        says: &[
            "ADA: metric METRIC: stored Some(MetricState { value: 1, run: None }), rebuilt Some(MetricState { value: 2, run: None })",
        ],
    },
    Case {
        breaks: &["CREATE TABLE kept AS SELECT * FROM metric_members", "DELETE FROM metric_members"],
        mends: &["INSERT INTO metric_members SELECT * FROM kept", "DROP TABLE kept"],
        says: &[
            "ADA: members of distinct metrics: stored {}, rebuilt {(METRIC, \"intro\"), (METRIC, \"2026-01-15 # 1\"), (METRIC, \"2026-01-15 # 2\")}",
        ],
    },
    Case {
        breaks: &["DELETE FROM active_days"],
        mends: &[
            "INSERT INTO active_days (person_id, day, timezone) SELECT person_id, last_active_on, last_active_in FROM totals",
        ],
        says: &["ADA: active days: stored {}, rebuilt {2026-01-15 UTC}"],
    },
    Case {
        breaks: &["UPDATE awards SET flagged = true WHERE xp_bonus = 50"],
        mends: &["UPDATE awards SET flagged = false"],
        says: &["ADA: flag of award FIRST_STEPS: stored true, rebuilt false"],
    },
    Case {
        breaks: &[
            "CREATE TABLE kept AS SELECT * FROM xp_entries WHERE kind = 'BONUS'",
            "DELETE FROM xp_entries WHERE kind = 'BONUS'",
        ],
        mends: &["INSERT INTO xp_entries SELECT * FROM kept", "DROP TABLE kept"],
        says: &[
            "ADA: XP: stored 80, rebuilt 30",
            "ADA: bonus of award FIRST_STEPS: stored None, rebuilt Some(50)",
            "ADA: day 2026-01-15: stored Some((5, 80, Some(2026-01-15T12:00:00Z), 3, Some(2026-01-15T12:00:00Z))), rebuilt Some((5, 30, Some(2026-01-15T12:00:00Z), 3, Some(2026-01-15T12:00:00Z)))",
        ],
    },
    Case {
        breaks: &["UPDATE person_days SET events = events + 1"],
        mends: &["UPDATE person_days SET events = events - 1"],
        says: &[
            "ADA: day 2026-01-15: stored Some((6, 80, Some(2026-01-15T12:00:00Z), 3, Some(2026-01-15T12:00:00Z))), rebuilt Some((5, 80, Some(2026-01-15T12:00:00Z), 3, Some(2026-01-15T12:00:00Z)))",
        ],
    },
    Case {
        breaks: &[
            "UPDATE xp_entries SET amount = 11 WHERE amount = 10 AND event_id IN (SELECT id FROM events WHERE external_id = 'q')",
        ],
        mends: &["UPDATE xp_entries SET amount = 10 WHERE amount = 11"],
        says: &[
            "ADA: XP: stored 80, rebuilt 81",
            "ADA: XP of events: stored 31, rebuilt 30",
            "ADA: day 2026-01-15: stored Some((5, 80, Some(2026-01-15T12:00:00Z), 3, Some(2026-01-15T12:00:00Z))), rebuilt Some((5, 81, Some(2026-01-15T12:00:00Z), 3, Some(2026-01-15T12:00:00Z)))",
        ],
    },
    Case {
        breaks: &[
            "CREATE TABLE kept AS SELECT * FROM outbox",
            "DELETE FROM outbox WHERE award_id IN (SELECT id FROM awards WHERE xp_bonus = 50)",
        ],
        mends: &["DELETE FROM outbox", "INSERT INTO outbox SELECT * FROM kept", "DROP TABLE kept"],
        says: &["ADA: messages about award FIRST_STEPS: stored 0, rebuilt 1"],
    },
];

on_both! {
    async fn check_names_each_manual_change_and_nothing_else(w: World) {
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
        w.database.execute("CREATE TABLE marked AS SELECT metric_id FROM metrics WHERE value = 2").await;
        let names = names(&w, ada).await;
        for case in &CASES {
            assert_eq!(said(&w, &names).await, BTreeSet::new());
            run(&w, case.breaks).await;
            let expected: BTreeSet<String> = case.says.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(said(&w, &names).await, expected, "after {:?}", case.breaks);
            run(&w, case.mends).await;
        }
        run(&w, &["DROP TABLE marked"]).await;
        w.finish().await;
    }

    async fn the_commands_exit_code_shows_the_result(w: World) {
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        let digest = w.check().await.digest;
        let clean = command(&w.config, &["check"]).await;
        let told = format!("0 differences in 1 people, 2 events, 1 awards; digest {digest}\n");
        assert_eq!((clean.status.code(), text(&clean.stdout)), (Some(0), told));

        w.database.execute("UPDATE totals SET xp = 6").await;
        let digest = w.check().await.digest;
        let found = command(&w.config, &["check"]).await;
        let difference = format!("person {ada}: XP: stored 6, rebuilt 5");
        let told = format!("{difference}\n1 differences in 1 people, 2 events, 1 awards; digest {digest}\n");
        assert_eq!((found.status.code(), text(&found.stdout)), (Some(1), told));
        w.database.execute("UPDATE totals SET xp = 5").await;

        let nowhere = tests::Database::create(w.database.backend).await.unwrap();
        let broken = command(&tests::settings(&nowhere), &["check"]).await;
        assert_eq!((broken.status.code(), text(&broken.stdout)), (Some(2), String::new()));
        let remedy = match w.database.backend {
            Backend::Sqlite => "run the command in its folder, or set PLAUDIT_DATABASE_URL. `plaudit migrate` creates a new database",
            Backend::Postgres => "Run `plaudit migrate` first",
        };
        assert!(text(&broken.stderr).contains(remedy), "{}", text(&broken.stderr));
        // A second check finds the same, because the first created nothing.
        assert_eq!(command(&tests::settings(&nowhere), &["check"]).await, broken);
        w.finish().await;
    }

    async fn a_check_while_a_server_records_finds_no_difference(w: World) {
        let mut people = Vec::new();
        for _ in 0..8 {
            people.push(w.student("UTC").await);
        }
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let writing: Vec<_> = (0..4).map(|writer| {
            let (client, people, stopped) = (w.service(), people.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut sent = 0;
                while !*stopped.borrow() {
                    let events: Vec<Value> = people.iter().map(|person| json!({
                        "id": format!("{writer}-{sent}-{person}"), "userId": person,
                        "activity": "question_answered", "attributes": {"correct": sent % 5 != 0}})).collect();
                    client.record_all(&events).await;
                    sent += 1;
                }
            })
        }).collect();
        let mut seen = 0;
        while seen < 5 {
            let report = w.check().await;
            assert_eq!(report.differences, Vec::new());
            // Only checks of enough events count.
            seen += usize::from(report.events > 100);
        }
        stop.send_replace(true);
        for writer in writing {
            writer.await.unwrap();
        }
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_writes_nothing() {
    let w = World::on(Backend::Sqlite).await.unwrap();
    let ada = w.student("UTC").await;
    w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
    let (database, config, _) = w.stop().await;
    // SQLite's counter of commits by other connections, read on one connection before and after.
    let mut options = sea_orm::ConnectOptions::new(database.url());
    options.max_connections(1).max_lifetime(None).idle_timeout(None);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    let version = async || {
        let asked = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "PRAGMA data_version");
        let row = sea_orm::ConnectionTrait::query_one_raw(&connection, asked).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap()
    };
    let before = version().await;
    assert_eq!(plaudit::check::run(&config).await.unwrap().differences, Vec::new());
    assert_eq!(version().await, before);
    database.execute("UPDATE totals SET xp = xp + 1").await;
    assert_ne!(version().await, before, "the counter does not count");
    connection.close().await.unwrap();
}

/// The names for ids in `Case::says`.
async fn names(w: &World, ada: Uuid) -> Vec<(String, &'static str)> {
    let query = format!("{{ earned(userId: \"{ada}\") {{ nodes {{ id xpBonus }} }} }}");
    let answer = w.person(Uuid::new_v4(), Role::Admin).ask(&query, json!({})).await;
    let awards = answer.data()["earned"]["nodes"].as_array().unwrap().clone();
    let first_steps = awards.iter().find(|award| award["xpBonus"] == 50).unwrap();
    vec![(format!("person {ada}"), "ADA"), (first_steps["id"].as_str().unwrap().to_owned(), "FIRST_STEPS")]
}

async fn said(w: &World, names: &[(String, &str)]) -> BTreeSet<String> {
    let differences = w.check().await.differences;
    let lines = differences.iter().map(|difference| {
        names.iter().fold(difference.to_string(), |line, (id, name)| line.replace(id, name))
    });
    lines.map(|line| unnamed(&line)).collect()
}

async fn run(w: &World, statements: &[&str]) {
    for statement in statements {
        w.database.execute(statement).await;
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The line without the metric's id, which is a hash.
fn unnamed(line: &str) -> String {
    let words = line.split_inclusive([' ', ':', ',', '(']).map(|word| {
        let id = word.trim_end_matches([' ', ':', ',', '(']);
        if Uuid::parse_str(id).is_ok() { word.replace(id, "METRIC") } else { word.to_owned() }
    });
    words.collect()
}
