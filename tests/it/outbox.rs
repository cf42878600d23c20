//! Undelivered messages are buried after days of attempts; delivered ones are deleted later.

use chrono::TimeDelta;
use plaudit::start;
use serde_json::json;
use tests::on_both;

const EXPIRED: &str = "SELECT count(*) FROM outbox WHERE buried_because = 'expired' AND settled_at IS NULL";
const SETTLED: &str = "SELECT count(*) FROM outbox WHERE settled_at IS NOT NULL AND buried_at IS NULL";

on_both! {
    async fn a_message_that_failed_for_three_days_is_buried(w: World) {
        let ada = w.student("UTC").await;
        // Three awards, a millisecond apart.
        for activity in ["comment_written", "session_join", "visualize"] {
            let answer = w.service().record(json!({"userId": ada, "activity": activity})).await;
            assert_eq!(answer["awards"].as_array().unwrap().len(), 1, "{answer}");
            w.tick(TimeDelta::milliseconds(1));
        }
        let (database, config, clock) = w.stop().await;
        // As if every attempt had failed. The last message is exactly three days old.
        database.execute("UPDATE outbox SET settled_at = NULL, leased_until = NULL, attempts = 8").await;
        clock.advance(TimeDelta::days(3) - TimeDelta::milliseconds(1));

        let server = start::start(config.clone(), clock).await.unwrap();
        server.settle().await.unwrap();
        // A round of the server may still hold the last message; rounds end before the server does.
        server.stop().await;
        assert_eq!(database.number(EXPIRED).await, 2);
        assert_eq!(database.number(SETTLED).await, 1);
        assert_eq!(database.number("SELECT CAST(max(attempts) AS bigint) FROM outbox WHERE buried_at IS NOT NULL").await, 8);
        assert_eq!(plaudit::check::run(&config).await.unwrap().differences, Vec::new());
    }

    async fn a_clock_that_jumps_forty_days_ahead_buries_no_message(w: World) {
        let ada = w.student("UTC").await;
        for activity in ["comment_written", "session_join", "visualize"] {
            let answer = w.service().record(json!({"userId": ada, "activity": activity})).await;
            assert_eq!(answer["awards"].as_array().unwrap().len(), 1, "{answer}");
        }
        let (database, config, clock) = w.stop().await;
        // One attempt fewer than required before the age of a message counts.
        database.execute("UPDATE outbox SET settled_at = NULL, leased_until = NULL, attempts = 7").await;
        clock.advance(TimeDelta::days(40));

        let server = start::start(config.clone(), clock).await.unwrap();
        server.settle().await.unwrap();
        server.stop().await;
        assert_eq!(database.number(EXPIRED).await, 0);
        assert_eq!(database.number(SETTLED).await, 3);
    }

    async fn delivered_messages_are_trimmed_after_thirty_days_and_check_knows_how_far(w: World) {
        let ada = w.student("UTC").await;
        let record = async |activity: &str| {
            let answer = w.service().record(json!({"userId": ada, "activity": activity})).await;
            assert_eq!(answer["awards"].as_array().unwrap().len(), 1, "{answer}");
            w.server.settle().await.unwrap();
        };
        record("comment_written").await;
        record("session_join").await;
        let all = "SELECT count(*) FROM outbox";
        let settled = async |expected: i64| {
            // The server's own relay may still hold a message.
            while w.database.number(SETTLED).await < expected {
                w.server.settle().await.unwrap();
            }
        };
        settled(2).await;
        w.database.execute("UPDATE outbox SET settled_at = NULL, buried_at = created_at, buried_because = 'expired' \
            WHERE award_id IN (SELECT id FROM awards ORDER BY id LIMIT 1)").await;
        w.tick(TimeDelta::days(30));
        w.server.settle().await.unwrap();
        assert_eq!(w.database.number(all).await, 2, "a message is kept for thirty days");
        w.tick(TimeDelta::milliseconds(1));
        w.server.settle().await.unwrap();
        assert_eq!(w.database.number(all).await, 1, "the buried message stays");
        assert_eq!(w.check().await.differences, Vec::new());

        // A missing younger message is still reported.
        record("visualize").await;
        settled(1).await;
        w.database.execute("CREATE TABLE kept AS SELECT * FROM outbox WHERE buried_at IS NULL").await;
        w.database.execute("DELETE FROM outbox WHERE buried_at IS NULL").await;
        let found: Vec<String> =
            w.check().await.differences.iter().map(|one| one.what.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(found, ["messages about award"]);
        w.database.execute("INSERT INTO outbox SELECT * FROM kept").await;
        w.database.execute("DROP TABLE kept").await;
        w.finish().await;
    }
}
