//! Events that arrive late, singly and in numbers: runs, streaks and the moments of awards are those of the time order.

use serde_json::{Value, json};
use tests::{World, on_both};
use uuid::Uuid;

use crate::history::{achievement, activity, count, pack, publish, with_packs};

/// The moments at which a person earned each achievement, oldest first.
async fn moments(w: &World, person: Uuid) -> Vec<(String, String)> {
    let query =
        "query($id: ID!) { earned(userId: $id, first: 50) { nodes { earnedAt achievement { key } } } }";
    let answer = w.service().ask(query, json!({"id": person})).await;
    let nodes = answer.data()["earned"]["nodes"].as_array().unwrap().iter();
    let row = |node: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&node["earnedAt"]), text(&node["achievement"]["key"]))
    };
    let mut moments: Vec<(String, String)> = nodes.map(row).collect();
    moments.sort();
    moments
}

/// An answer at a minute of the first of January; true or false.
fn answer(person: Uuid, minute: usize, correct: bool) -> Value {
    let at = format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
    let id = format!("answer {minute}");
    json!({"id": id, "userId": person, "activity": "answered", "occurredAt": at, "attributes": {"correct": correct}})
}

fn in_a_row(target: i64) -> Value {
    let rule = json!({"kind": "run", "activity": "answered", "target": target, "holds": {"correct": true}});
    achievement(&format!("{target} in a Row"), rule)
}

async fn quiz(w: World) -> World {
    let (mut w, packs) = with_packs(w);
    let correct = json!({"correct": {"type": "bool", "description": "Whether it was right."}});
    let rules = [3, 10, 40, 60].map(in_a_row);
    packs.write(&pack("quiz", &[activity("answered", correct)], &rules));
    publish(&mut w).await;
    w
}

on_both! {
    async fn awards_are_dated_in_time_order_whatever_the_order_of_arrival(w: World) {
        let (mut w, packs) = with_packs(w);
        let tiers = [achievement("One", count("dug", 1)), achievement("Two", count("dug", 2)), achievement("Three", count("dug", 3))];
        packs.write(&pack("past", &[activity("dug", json!({}))], &tiers));
        publish(&mut w).await;
        let dug = |person: Uuid, day: u32| {
            json!({"userId": person, "activity": "dug", "occurredAt": format!("2026-01-{day:02}T12:00:00Z")})
        };
        let expected = [(2, "past/one"), (5, "past/two"), (9, "past/three")];
        let expected = expected.map(|(day, key)| (format!("2026-01-{day:02}T12:00:00.000Z"), key.to_owned()));
        for batches in [vec![vec![9, 2, 5]], vec![vec![9], vec![2], vec![5]], vec![vec![5], vec![9, 2]], vec![vec![2], vec![9], vec![5]]] {
            let person = w.student("UTC").await;
            for batch in &batches {
                let events: Vec<Value> = batch.iter().map(|day| dug(person, *day)).collect();
                w.service().record_all(&events).await;
            }
            assert_eq!(moments(&w, person).await, expected, "{batches:?}");
        }
        w.finish().await;
    }

    async fn a_late_answer_changes_only_the_run_around_it(w: World) {
        let w = quiz(w).await;
        let ada = w.student("UTC").await;
        let send = async |minutes: &[usize], correct: bool| {
            let events: Vec<Value> = minutes.iter().map(|minute| answer(ada, *minute, correct)).collect();
            let recorded = w.service().record_all(&events).await;
            assert_eq!(recorded["userErrors"], json!([]));
        };
        let run = async || {
            let sql = "SELECT value * 1000 + run_current FROM metrics";
            w.database.number(sql).await
        };
        // 50 right answers with one minute between them, a wrong one, and 5 right ones.
        send(&(0..50).map(|nth| 100 + 2 * nth).collect::<Vec<_>>(), true).await;
        send(&[300], false).await;
        send(&[310, 312, 314, 316, 318], true).await;
        assert_eq!(run().await, 50_005);
        // Late right ones lengthen the open run, and the one before the wrong answer.
        send(&[311], true).await;
        assert_eq!(run().await, 50_006);
        send(&[101], true).await;
        assert_eq!(run().await, 51_006);
        // Late wrong ones: in the open run, and next to one that has broken a run already.
        send(&[313], false).await;
        assert_eq!(run().await, 51_003);
        send(&[301], false).await;
        assert_eq!(run().await, 51_003);
        // Late wrong ones in the longest run: the rest of it is the longest then, or another.
        send(&[103], false).await;
        assert_eq!(run().await, 48_003);
        send(&[151], false).await;
        assert_eq!(run().await, 24_003);
        let flagged = w.finish().await.flagged;
        assert_eq!(flagged.len(), 1, "the 40 in a row");
    }

    async fn a_late_answer_that_breaks_a_short_run_flags_its_award(w: World) {
        let w = quiz(w).await;
        let ada = w.student("UTC").await;
        for (minute, correct) in [(0, true), (10, true), (20, true), (15, false)] {
            let recorded = w.service().record_all(&[answer(ada, minute, correct)]).await;
            assert_eq!(recorded["userErrors"], json!([]));
        }
        assert_eq!(w.database.number("SELECT value * 1000 + run_current FROM metrics").await, 2_001);
        assert_eq!(w.finish().await.flagged.len(), 1);
    }

    async fn a_late_event_dates_awards_by_the_xp_that_events_gave_when_they_were_recorded(w: World) {
        let (mut w, packs) = with_packs(w);
        let hundred = achievement("Hundred", json!({"kind": "xp", "target": 100}));
        let mut dug = activity("dug", json!({}));
        dug["xp"] = json!({"amount": 10});
        packs.write(&pack("past", std::slice::from_ref(&dug), std::slice::from_ref(&hundred)));
        publish(&mut w).await;
        let ada = w.student("UTC").await;
        let dig = async |w: &World, at: String| {
            let event = json!({"userId": ada, "activity": "dug", "occurredAt": at});
            assert_eq!(w.service().record(event).await["userErrors"], json!([]));
        };
        for day in 1..=10 {
            dig(&w, format!("2026-01-{day:02}T12:00:00Z")).await;
        }
        let on = |day: &str| vec![(format!("2026-01-{day}T12:00:00.000Z"), "past/hundred".to_owned())];
        assert_eq!(moments(&w, ada).await, on("10"));
        dug["xp"] = json!({"amount": 20});
        packs.write(&pack("past", &[dug], &[hundred]));
        publish(&mut w).await;
        dig(&w, "2026-01-03T18:00:00Z".to_owned()).await;
        assert_eq!(moments(&w, ada).await, on("08"), "30, 50, 60, 70, 80, 90 and on the eighth 100");
        w.finish().await;
    }

    async fn answers_in_every_order_of_arrival_end_in_the_same_runs(w: World) {
        let w = quiz(w).await;
        let answers: Vec<(usize, bool)> = (0..90).map(|minute| (minute, minute % 11 != 4)).collect();
        let mut states = Vec::new();
        for step in [1, 7, 13, 29, 89] {
            let person = w.student("UTC").await;
            for batch in (0..90).map(|nth| nth * step % 90).collect::<Vec<_>>().chunks(4) {
                let events: Vec<Value> = batch
                    .iter()
                    .map(|nth| {
                        let (minute, correct) = answers[*nth];
                        let mut event = answer(person, minute, correct);
                        event["id"] = json!(format!("{person} {minute}"));
                        event
                    })
                    .collect();
                w.service().record_all(&events).await;
            }
            let of = match w.database.backend {
                tests::Backend::Postgres => format!("'{person}'"),
                tests::Backend::Sqlite => format!("x'{}'", person.simple()),
            };
            let sql = format!("SELECT value * 1000 + run_current FROM metrics WHERE person_id = {of}");
            states.push((w.database.number(&sql).await, moments(&w, person).await.len()));
        }
        assert_eq!(states, vec![(10_008, 2); 5]);
        w.finish().await;
    }
}
