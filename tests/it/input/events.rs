//! Invalid events, with one fault at a time.

use serde_json::{Value, json};
use tests::{Backend, Packs, World, on_both};
use uuid::Uuid;

use super::{Kept, No, invalid, refused, with};

/// Each fault: the change to a valid event, and the expected refusal.
fn faults() -> Vec<(Value, No)> {
    let id = invalid(&["id"], "1 to 128 characters and no control characters");
    let uuid = invalid(&["userId"], "send the id the person signs in with");
    let nil = invalid(&["userId"], "send the person's own id");
    let unknown = No {
        code: "NOT_FOUND",
        field: &["userId"],
        remedy: "a person who has signed in or was created by upsertUser",
    };
    let moment = invalid(&["occurredAt"], "send RFC 3339, such as 2026-01-31T09:30:00Z");
    let ahead = invalid(&["occurredAt"], "at most 5 minutes ahead of the server's");
    let ancient = invalid(&["occurredAt"], "Send the time when it happened");
    let whole = invalid(&["attributes"], r#"must be an object, such as {"correct": true}"#);
    let size = invalid(&["attributes"], "may take 4096 bytes as JSON: send fewer or shorter ones");
    let correct = invalid(&["attributes", "correct"], "true or false");
    let skill = invalid(&["attributes", "skill"], "must not contain control characters");
    let length = invalid(&["attributes", "skill"], "at most 200 characters; this has 201");
    let listed =
        invalid(&["attributes", "level"], "must be one of A1, A2, B1, B2, C1, C2; did you mean `B1`?");
    let known = invalid(&["attributes", "colour"], "known: `correct`, `level`, `skill`, `timeBonus`");
    let meant = invalid(&["attributes", "skil"], "did you mean `skill`?");
    let amount = invalid(&["attributes", "amount"], "must be a whole number from 1 to 10000");
    let answer = |attributes: Value| json!({"attributes": attributes});
    let awarded = |amount: Value| json!({"activity": "xp_awarded", "attributes": {"amount": amount}});
    vec![
        (
            json!({"activity": "question_answerd"}),
            invalid(&["activity"], "did you mean `question_answered`?"),
        ),
        (
            json!({"activity": "juggled"}),
            invalid(&["activity"], "send an activity that a loaded pack declares"),
        ),
        (json!({"activity": ""}), invalid(&["activity"], "send an activity that a loaded pack declares")),
        (json!({"activity": "a\u{0}b"}), invalid(&["activity"], "No activity is called `ab`")),
        (json!({"id": ""}), id),
        (json!({"id": "x".repeat(129)}), id),
        (json!({"id": "a\u{0}b"}), id),
        (json!({"id": "a\nb"}), id),
        (json!({"id": "a\u{7f}b"}), id),
        (json!({"userId": ""}), uuid),
        (json!({"userId": "ada"}), uuid),
        (json!({"userId": Uuid::from_u128(7).simple().to_string()}), uuid),
        (json!({"userId": Uuid::from_u128(7).urn().to_string()}), uuid),
        (json!({"userId": "0f8fad5b-d9cb-469f-a165-70867728950\u{0}"}), uuid),
        (json!({"userId": Uuid::nil()}), nil),
        (json!({"userId": "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}), unknown),
        (json!({"occurredAt": "yesterday"}), moment),
        (json!({"occurredAt": "2026-01-14"}), moment),
        (json!({"occurredAt": "2026-01-14T10:00:00"}), moment),
        (json!({"occurredAt": "2025-02-29T10:00:00Z"}), moment),
        (json!({"occurredAt": "+262142-01-01T00:00:00Z"}), moment),
        (json!({"occurredAt": 1_768_478_400}), moment),
        (json!({"occurredAt": "2026-01-15T12:05:00.001Z"}), ahead),
        (json!({"occurredAt": "9999-12-31T23:59:59Z"}), ahead),
        (json!({"occurredAt": "1999-12-31T23:59:59.999Z"}), ancient),
        (json!({"occurredAt": "2000-01-01T00:59:59+01:00"}), ancient),
        (json!({"occurredAt": "0001-01-01T00:00:00Z"}), ancient),
        (answer(json!(null)), correct),
        (answer(json!({})), correct),
        (answer(json!({"correct": null})), correct),
        (answer(json!({"correct": "true"})), correct),
        (answer(json!({"correct": 1})), correct),
        (answer(json!({"correct": [true]})), correct),
        (answer(json!([])), whole),
        (answer(json!("correct")), whole),
        (answer(json!({"correct": true, "colour": "red"})), known),
        (answer(json!({"correct": true, "skil": "grammar"})), meant),
        (answer(json!({"correct": true, "level": "B3"})), listed),
        (answer(json!({"correct": true, "skill": "a\u{0}b"})), skill),
        (answer(json!({"correct": true, "skill": "a\tb"})), skill),
        (answer(json!({"correct": true, "skill": "é".repeat(201)})), length),
        (answer(json!({"correct": true, "more": "x".repeat(4_096 - 26 + 1)})), size),
        (awarded(json!(0)), amount),
        (awarded(json!(-1)), amount),
        (awarded(json!(10_001)), amount),
        (awarded(json!(1.5)), amount),
        (awarded(json!(1e300)), amount),
        (awarded(json!(9_223_372_036_854_775_808_u64)), amount),
        (awarded(json!(i64::MIN)), amount),
        (awarded(json!("5")), amount),
        (json!({"activity": "user_joined"}), invalid(&["attributes", "correct"], "it takes none")),
    ]
}

fn good(ada: Uuid) -> Value {
    json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}})
}

on_both! {
    async fn each_fault_of_an_event_is_reported_and_nothing_is_stored(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        for (fault, no) in faults() {
            let shown: String = fault.to_string().chars().take(120).collect();
            let errors = refused(&w.service(), &with(good(ada), &fault)).await;
            no.check(&errors, &["input"], &shown);
            kept.check(&w, &shown).await;
        }
        w.finish().await;
    }

    async fn an_invalid_row_does_not_affect_its_neighbours(w: World) {
        let ada = w.student("UTC").await;
        let faults = faults();
        let mut rows = Vec::new();
        for (fault, _) in &faults {
            rows.extend([good(ada), with(good(ada), fault)]);
        }
        rows.push(good(ada));
        let answer = w.service().record_all(&rows).await;
        assert_eq!(answer["userErrors"], json!([]));
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), rows.len());
        for (place, result) in results.iter().enumerate() {
            assert_eq!(result["index"], place);
            if place % 2 == 0 {
                assert_eq!((&result["userErrors"], &result["duplicate"]), (&json!([]), &json!(false)));
            } else {
                assert_eq!((&result["eventId"], &result["awards"]), (&Value::Null, &json!([])));
                let (fault, no) = &faults[place / 2];
                no.check(&result["userErrors"], &["input", "events", &place.to_string()], &fault.to_string());
            }
        }
        let answered =
            w.database.number("SELECT count(*) FROM events WHERE activity = 'question_answered'").await;
        assert_eq!(answered, i64::try_from(faults.len() + 1).unwrap());
        assert_eq!(
            w.database.number("SELECT count(*) FROM events WHERE activity <> 'question_answered'").await,
            1
        );
        w.finish().await;
    }

    async fn input_at_the_limit_is_accepted(w: World) {
        let ada = w.student("UTC").await;
        for fits in [
            json!({"id": "x"}),
            json!({"id": "é🙂".repeat(64)}),
            json!({"userId": ada.to_string().to_uppercase()}),
            json!({"occurredAt": "2026-01-15T12:05:00.000Z"}),
            json!({"occurredAt": "2026-01-15T12:05:00.000999Z"}),
            json!({"occurredAt": "2000-01-01T00:00:00Z"}),
            json!({"occurredAt": null, "id": null}),
            json!({"attributes": {"correct": false, "skill": "é".repeat(200), "level": "C2", "timeBonus": null}}),
            json!({"activity": "xp_awarded", "attributes": {"amount": 1}}),
            json!({"activity": "xp_awarded", "attributes": {"amount": 10_000}}),
            json!({"activity": "lesson_completed", "attributes": null}),
            json!({"activity": "lesson_completed", "attributes": {"lesson": "مرحبا 👩‍👩‍👧"}}),
        ] {
            let answer = w.service().record(with(good(ada), &fits)).await;
            assert_eq!((&answer["userErrors"], &answer["duplicate"]), (&json!([]), &json!(false)), "{fits}");
        }
        // One byte less than too many: the size is valid, and the next fault is reported.
        let brim = json!({"attributes": {"correct": true, "more": "x".repeat(4_096 - 26)}});
        let errors = refused(&w.service(), &with(good(ada), &brim)).await;
        invalid(&["attributes", "more"], "known: `correct`").check(&errors, &["input"], "4096 bytes");
        w.finish().await;
    }

    async fn numbers_out_of_range_are_refused_at_every_position(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let ask = |amount: &str| {
            let input =
                format!(r#"{{userId: "{ada}", activity: "xp_awarded", attributes: {{amount: {amount}}}}}"#);
            let query = format!(
                "mutation {{ recordEvent(input: {input}) {{ eventId userErrors {{ field code message }} }} }}"
            );
            json!({"query": query}).to_string()
        };
        for literal in
            ["9223372036854775808", "-9223372036854775809", "99999999999999999999999", "1e300", "1.0"]
        {
            let answer = w.service().post("application/json", ask(literal)).await;
            let amount = invalid(&["attributes", "amount"], "must be a whole number from 1 to 10000");
            amount.check(&answer.data()["recordEvent"]["userErrors"], &["input"], literal);
        }
        let answer = w.service().post("application/json", ask("1e400")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "INVALID_INPUT"));
        assert!(answer.body.to_string().contains("number out of range"), "{}", answer.body);
        for number in ["1e400", "-1e400", "NaN", "Infinity"] {
            let body = format!(
                r#"{{"query": "mutation($input: RecordEventInput!) {{ recordEvent(input: $input) {{ eventId }} }}",
                    "variables": {{"input": {{"userId": "{ada}", "activity": "xp_awarded", "attributes": {{"amount": {number}}}}}}}}}"#
            );
            let answer = w.service().post("application/json", body).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "INVALID_INPUT"), "{number}");
            assert!(answer.body.to_string().contains("The body is not JSON"), "{}", answer.body);
        }
        kept.check(&w, "numbers nobody can count").await;
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_bonus_would_overflow_is_refused_whole() {
    let packs = Packs::of(&json!({
        "pack": "plenty", "name": "Plenty", "description": "Any amount of XP.", "version": 1,
        "categories": [{"key": "luck", "name": "Luck"}],
        "activities": [{
            "key": "windfall", "description": "XP out of nowhere.", "xp": {"attribute": "amount"},
            "attributes": {"amount": {"type": "int", "min": 1, "max": 1_000_000, "required": true, "description": "How much."}},
        }],
        "achievements": [{
            "name": "Fourth Time Lucky", "description": "Luck comes in fours.", "requirement": "Be lucky 4 times",
            "category": "luck", "rarity": "common", "xpBonus": 1_000, "rule": {"kind": "count", "activity": "windfall", "target": 4},
        }],
    }));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::with(backend, |config| config.catalogs = vec![packs.setting()]);
        let Some(w) = world.await else { continue };
        let ada = w.student("UTC").await;
        let windfall =
            |amount: i64| json!({"userId": ada, "activity": "windfall", "attributes": {"amount": amount}});
        // Two thousand million XP would take too long in steps of a million.
        assert_eq!(w.service().record(windfall(1_000_000)).await["xpGained"], 1_000_000);
        w.database.execute("UPDATE xp_entries SET amount = 2147482000").await;
        w.database.execute("UPDATE totals SET xp = 2147482000").await;
        for amount in [600, 40] {
            assert_eq!(w.service().record(windfall(amount)).await["xpGained"], amount);
        }
        let kept = Kept::of(&w).await;
        let overflow = invalid(&["attributes"], "above the maximum of 2147483647: send a smaller amount");
        // 2,147,482,640 + 8 + 1,000 is one too many, although the 8 alone would fit.
        overflow.check(&refused(&w.service(), &windfall(8)).await, &["input"], "the bonus overflows");
        kept.check(&w, "an event that overflows").await;
        let last = w.service().record(windfall(7)).await;
        assert_eq!((&last["xpGained"], &last["awards"][0]["xpBonus"]), (&json!(1_007), &json!(1_000)));
        assert_eq!(w.database.number("SELECT xp FROM totals").await, 2_147_483_647);
        overflow.check(&refused(&w.service(), &windfall(1)).await, &["input"], "there is no room at all");
        // Its XP is not the sum of its events.
        w.stop().await;
    }
}
