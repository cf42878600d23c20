//! The same event id from the same sender means the same event.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::on_both;

use super::{Kept, No, refused, with};

const REUSED: No = No { code: "CONFLICT", field: &["id"], remedy: "or give the new event an id of its own" };

on_both! {
    async fn an_id_with_another_body_is_a_conflict(w: World) {
        let (ada, bob) = (w.student("UTC").await, w.student("UTC").await);
        let event = json!({
            "id": "t1", "userId": ada, "activity": "test_taken",
            "occurredAt": "2026-01-10T10:00:00.123Z", "attributes": {"points": 60},
        });
        assert_eq!(w.service().record(event.clone()).await["xpGained"], 60);
        let kept = Kept::of(&w).await;
        for other in [
            json!({"userId": bob}),
            json!({"activity": "lesson_completed", "attributes": null}),
            json!({"attributes": {"points": 61}}),
            json!({"attributes": null}),
            json!({"attributes": {}}),
            json!({"occurredAt": "2026-01-10T10:00:00.124Z"}),
            json!({"occurredAt": "2026-01-10T10:00:00.123+01:00"}),
        ] {
            let errors = refused(&w.service(), &with(event.clone(), &other)).await;
            REUSED.check(&errors, &["input"], &other.to_string());
            assert_eq!(errors[0]["reason"], "ID_REUSED");
            kept.check(&w, &other.to_string()).await;
        }
        for same in [
            json!({}),
            json!({"occurredAt": null}),
            json!({"occurredAt": "2026-01-10T11:00:00.123+01:00"}),
            json!({"occurredAt": "2026-01-10T10:00:00.123999Z"}),
            json!({"userId": ada.to_string().to_uppercase()}),
        ] {
            let answer = w.service().record(with(event.clone(), &same)).await;
            assert_eq!((&answer["duplicate"], &answer["xpGained"]), (&json!(true), &json!(60)), "{same}");
            kept.check(&w, &same.to_string()).await;
        }
        w.finish().await;
    }

    async fn attributes_are_compared_as_parsed(w: World) {
        let ada = w.student("UTC").await;
        let event = |attributes: Value| json!({"id": "t1", "userId": ada, "activity": "test_taken", "attributes": attributes});
        // 10 points is the default of a test without points.
        assert_eq!(w.service().record(event(json!({"points": 10}))).await["duplicate"], false);
        for same in [json!(null), json!({}), json!({"points": null}), json!({"points": 10})] {
            assert_eq!(w.service().record(event(same.clone())).await["duplicate"], true, "{same}");
        }
        w.finish().await;
    }

    async fn an_omitted_time_matches_the_kept_one_and_a_given_one_is_compared_with_it(w: World) {
        let ada = w.student("UTC").await;
        let event = json!({"id": "q1", "userId": ada, "activity": "lesson_completed"});
        assert_eq!(w.service().record(event.clone()).await["duplicate"], false);
        w.tick(chrono::TimeDelta::hours(1));
        assert_eq!(w.service().record(event.clone()).await["duplicate"], true);
        let then = with(event.clone(), &json!({"occurredAt": tests::START}));
        assert_eq!(w.service().record(then).await["duplicate"], true);
        let now = with(event, &json!({"occurredAt": w.clock.now()}));
        REUSED.check(&refused(&w.service(), &now).await, &["input"], "the time of the second sending");
        w.finish().await;
    }

    async fn an_id_belongs_to_its_sender(w: World) {
        let ada = w.student("UTC").await;
        let admin = w.person(uuid::Uuid::new_v4(), Role::Admin);
        let other = tests::Client::new(w.url(), Some(w.token("School", Role::Service)));
        for (points, sender) in [(1, w.service()), (2, other), (3, admin)] {
            let event = json!({"id": "t1", "userId": ada, "activity": "test_taken", "attributes": {"points": points}});
            let answer = sender.record(event).await;
            assert_eq!((&answer["duplicate"], &answer["xpGained"]), (&json!(false), &json!(points)));
        }
        assert_eq!(
            w.database.number("SELECT count(DISTINCT source) FROM events WHERE external_id = 't1'").await,
            3
        );
        w.finish().await;
    }

    async fn an_id_twice_in_one_call_counts_once(w: World) {
        let ada = w.student("UTC").await;
        let event = |points: i64| json!({"id": "t1", "userId": ada, "activity": "test_taken", "attributes": {"points": points}});
        let answer = w.service().record_all(&[event(5), event(6), event(5)]).await;
        let results = answer["results"].as_array().unwrap();
        assert_eq!((&results[0]["duplicate"], &results[0]["xpGained"]), (&json!(false), &json!(5)));
        REUSED.check(&results[1]["userErrors"], &["input", "events", "1"], "the second body");
        assert_eq!((&results[2]["duplicate"], &results[2]["xpGained"]), (&json!(true), &json!(5)));
        assert_eq!(results[2]["eventId"], results[0]["eventId"]);
        assert_eq!(w.database.number("SELECT xp FROM totals").await, 5);
        w.finish().await;
    }
}
