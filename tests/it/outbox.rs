//! Messages that nobody delivered: old ones are buried, with the reason, and told to nobody any more.

use chrono::TimeDelta;
use plaudit::start;
use serde_json::json;
use tests::{World, on_both};

const EXPIRED: &str = "SELECT count(*) FROM outbox WHERE buried_because = 'expired' AND settled_at IS NULL";
const SETTLED: &str = "SELECT count(*) FROM outbox WHERE settled_at IS NOT NULL AND buried_at IS NULL";

on_both! {
    async fn a_message_that_nobody_delivered_in_three_days_is_buried(w: World) {
        let ada = w.student("UTC").await;
        // Three awards, a millisecond apart.
        for activity in ["comment_written", "session_join", "visualize"] {
            let answer = w.service().record(json!({"userId": ada, "activity": activity})).await;
            assert_eq!(answer["awards"].as_array().unwrap().len(), 1, "{answer}");
            w.tick(TimeDelta::milliseconds(1));
        }
        let World { database, config, clock, server, .. } = w;
        server.stop().await;
        // As if the relay had been away all the time, and longer: the last one is three days old to the millisecond.
        database.execute("UPDATE outbox SET settled_at = NULL, leased_until = NULL, attempts = 0").await;
        clock.advance(TimeDelta::days(3) - TimeDelta::milliseconds(1));

        let server = start::start(config.clone(), clock).await.unwrap();
        server.settle().await.unwrap();
        // Its own rounds may hold the last message still; they end before the server does.
        server.stop().await;
        assert_eq!(database.number(EXPIRED).await, 2);
        assert_eq!(database.number(SETTLED).await, 1);
        assert_eq!(database.number("SELECT CAST(max(attempts) AS bigint) FROM outbox WHERE buried_at IS NOT NULL").await, 0);
        assert_eq!(plaudit::check::run(&config).await.unwrap().differences, Vec::new());
        database.drop().await;
    }
}
