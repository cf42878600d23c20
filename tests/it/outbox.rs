//! Messages whose deliveries were planned, and deliveries that were made, are deleted later.

use chrono::TimeDelta;
use serde_json::json;
use tests::{MailServer, World, on_both, on_each};

const MESSAGES: &str = "SELECT count(*) FROM outbox";
const PLANNED: &str = "SELECT count(*) FROM outbox WHERE planned_at IS NOT NULL";
const DELIVERIES: &str = "SELECT count(*) FROM deliveries";

on_both! {
    async fn planned_messages_are_trimmed_after_thirty_days_and_check_knows_how_far(w: World) {
        let ada = w.student("UTC").await;
        let record = async |activity: &str| {
            let answer = w.service().record(json!({"userId": ada, "activity": activity})).await;
            assert_eq!(answer["awards"].as_array().unwrap().len(), 1, "{answer}");
            w.server.settle().await.unwrap();
        };
        record("comment_written").await;
        w.tick(TimeDelta::days(30));
        record("session_join").await;
        assert_eq!((w.database.number(MESSAGES).await, w.database.number(PLANNED).await), (2, 2), "kept for thirty days");
        w.tick(TimeDelta::milliseconds(1));
        w.server.settle().await.unwrap();
        assert_eq!(w.database.number(MESSAGES).await, 1);
        assert_eq!(w.check().await.differences, Vec::new());

        // A missing younger message is still reported.
        w.database.execute("CREATE TABLE kept AS SELECT * FROM outbox").await;
        w.database.execute("DELETE FROM outbox").await;
        let found: Vec<String> =
            w.check().await.differences.iter().map(|one| one.what.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(found, ["messages about award"]);
        w.database.execute("INSERT INTO outbox SELECT * FROM kept").await;
        w.database.execute("DROP TABLE kept").await;
        w.finish().await;
    }

    async fn a_message_that_was_not_planned_is_never_trimmed(w: World) {
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.tick(TimeDelta::days(400));
        assert_eq!(w.database.number(PLANNED).await, 0);
        w.server.settle().await.unwrap();
        assert_eq!((w.database.number(MESSAGES).await, w.database.number(PLANNED).await), (1, 1));
        w.finish().await;
    }
}

on_each! {
    async fn a_delivery_is_trimmed_with_its_message_but_not_one_that_was_given_up(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = uuid::Uuid::new_v4();
        w.upsert(ada, json!({"email": "ada@school.example"})).await;
        for activity in ["comment_written", "session_join"] {
            w.service().record(json!({"userId": ada, "activity": activity})).await;
            w.server.settle().await.unwrap();
            w.tick(TimeDelta::seconds(1));
        }
        assert_eq!(server.mails().len(), 2);
        let give_up = "UPDATE deliveries SET settled_at = NULL, buried_at = created_at WHERE created_at = \
                       (SELECT min(created_at) FROM deliveries)";
        w.database.execute(give_up).await;
        w.tick(TimeDelta::days(30));
        w.server.settle().await.unwrap();
        assert_eq!((w.database.number(DELIVERIES).await, w.database.number(MESSAGES).await), (1, 1));
        assert_eq!(w.database.number("SELECT count(*) FROM delivery_messages").await, 1);
        w.tick(TimeDelta::days(400));
        w.server.settle().await.unwrap();
        assert_eq!((w.database.number(DELIVERIES).await, w.database.number(MESSAGES).await), (1, 1));
        w.finish().await;
    }
}
