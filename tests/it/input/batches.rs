//! Calls with too many events, or none.

use serde_json::{Value, json};
use tests::on_both;

use super::{Kept, invalid};

on_both! {
    async fn a_call_takes_a_thousand_events_and_not_one_more(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let events: Vec<Value> =
            (0..1_001).map(|_| json!({"userId": ada, "activity": "lesson_completed"})).collect();
        for (rows, remedy) in [(&events[..], "this one has 1001: split it"), (&[], "send at least one")] {
            let answer = w.service().record_all(rows).await;
            assert_eq!(answer["results"], json!([]));
            invalid(&["events"], remedy).check(&answer["userErrors"], &["input"], remedy);
            kept.check(&w, remedy).await;
        }
        let answer = w.service().record_all(&events[1..]).await;
        assert_eq!((answer["results"].as_array().unwrap().len(), &answer["userErrors"]), (1_000, &json!([])));
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE source = 'school'").await, 1_000);
        w.finish().await;
    }

    async fn a_row_of_the_wrong_shape_refuses_the_call_and_is_named(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let good = json!({"userId": ada, "activity": "lesson_completed"});
        for (bad, words) in [
            (json!({"userId": ada}), "input.events.1"),
            (json!({"userId": null, "activity": "lesson_completed"}), "input.events.1.userId"),
            (json!({"id": 7, "userId": ada, "activity": "lesson_completed"}), "input.events.1.id"),
            (json!({"userId": ada, "activity": "lesson_completed", "points": 7}), "unknown field \"points\""),
            (json!(null), "input.events.1"),
            (json!("lesson_completed"), "RecordEventInput"),
        ] {
            let document = "mutation($events: [RecordEventInput!]!) {
                recordEvents(input: {events: $events}) { results { index } } }";
            let answer = w.service().ask(document, json!({"events": [good, bad, good]})).await;
            assert_eq!(answer.code(), "INVALID_INPUT", "{bad}");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(words), "{bad}: {message}");
            assert!(answer.body["data"]["recordEvents"].is_null(), "{bad}");
            kept.check(&w, &bad.to_string()).await;
        }
        w.finish().await;
    }
}
