//! Events in, awards out: the main flow, as a backend and a front end see it.

use plaudit::auth::Role;
use serde_json::json;
use tests::on_both;

on_both! {
    async fn an_event_earns_an_award_that_a_subscriber_sees(w: World) {
        let ada = w.student("UTC").await;
        let mut socket = w.person(ada, Role::Student).socket().await;
        let follow = "subscription { achievementEarned { isReplay award { achievement { key } user { id } } } }";
        socket.subscribe("1", follow, json!({})).await;
        w.followed_by(1).await;

        let answer = w.service().record(json!({
            "id": "q1", "userId": ada, "activity": "question_answered",
            "occurredAt": "2026-01-15T11:00:00+01:00", "attributes": {"correct": true},
        })).await;
        assert_eq!(answer["xpGained"], 60);
        assert_eq!(answer["duplicate"], false);
        assert_eq!(answer["userErrors"], json!([]));
        assert_eq!(answer["awards"], json!([
            {"achievement": {"key": "aurora/first-steps"}, "xpBonus": 50, "earnedAt": "2026-01-15T10:00:00.000Z"},
        ]));
        let told = socket.next("1").await;
        assert_eq!(told, json!({"data": {"achievementEarned": {"isReplay": false, "award": {
            "achievement": {"key": "aurora/first-steps"}, "user": {"id": ada}}}}}));
        w.finish().await;
    }

    async fn a_repeated_event_returns_the_first_result(w: World) {
        let ada = w.student("UTC").await;
        let event = json!({"id": "q1", "userId": ada, "activity": "question_answered", "attributes": {"correct": true}});
        let first = w.service().record(event.clone()).await;
        w.tick(chrono::TimeDelta::minutes(1));
        let mut again = w.service().record(event).await;
        assert_eq!(again["duplicate"], true);
        again["duplicate"] = json!(false);
        assert_eq!(again, first);
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE external_id = 'q1'").await, 1);
        w.finish().await;
    }
}
