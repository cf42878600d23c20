//! Invalid input of all badge mutations: each error has a code and a field, and nothing is stored.

use serde_json::{Value, json};
use tests::{Client, on_both};
use uuid::Uuid;

use super::{School, badge, expect_refused, grant_badge};

/// The caller, the mutation and the input, and the code, field and reason of the refusal.
type Fault<'a> = (&'a Client, &'a str, Value, &'a str, &'a str, Option<&'a str>);

on_both! {
    async fn each_fault_is_reported_at_its_field_and_nothing_is_stored(w: World) {
        let school = School::found(&w).await;
        let (admin, teacher) = (&school.admin, &school.teacher);
        let id = badge(admin, "Team Player", 10).await;
        let award = grant_badge(teacher, &id, school.student).await.0;
        let rule = admin.ask("{ achievement(key: \"aurora/first-steps\") { id } }", json!({})).await;
        let rule = rule.data()["achievement"]["id"].clone();
        let made = |field: &str, value: Value| {
            let mut input = json!({"name": "Helper", "iconUrl": "https://school.example/a.png"});
            input[field] = value;
            input
        };
        let changed = |field: &str, value: Value| json!({"id": id, field: value});
        let given = |field: &str, value: Value| {
            let mut input = json!({"badgeId": id, "studentId": school.student});
            input[field] = value;
            input
        };
        let (long, longer, stranger) = ("x".repeat(101), "x".repeat(2_001), json!(Uuid::new_v4()));
        let far = format!("https://school.example/{}", "a".repeat(2_048));
        let (bad, gone) = ("INVALID_INPUT", "NOT_FOUND");
        let mut faults: Vec<Fault<'_>> = Vec::new();
        for (field, values) in [
            ("name", vec![json!(""), json!(" \u{a0}"), json!(long), json!("a\nb"), json!("a\u{0}b"), json!("a\u{1b}"),
                json!("a\u{202e}b"), json!("a\u{200e}")]),
            ("description", vec![json!(longer), json!("a\u{0}"), json!("a\u{2067}b")]),
            ("criteria", vec![json!(longer), json!("a\u{7}")]),
            ("category", vec![json!(""), json!("x".repeat(51)), json!("a\nb")]),
            ("iconUrl", vec![json!(""), json!("badge.png"), json!("javascript:alert(1)"), json!("ftp://school.example/a"),
                json!("https://ada:secret@school.example/a"), json!(far), json!("https://school.example/a\nb"), json!(7)]),
        ] {
            for value in values {
                faults.push((admin, "createBadge", made(field, value.clone()), bad, field, None));
                faults.push((admin, "updateBadge", changed(field, value), bad, field, None));
            }
        }
        for xp in [-1, 1_000_001] {
            faults.push((admin, "createBadge", made("xpBonus", json!(xp)), bad, "xpBonus", None));
        }
        for field in ["name", "rarity"] {
            faults.push((admin, "updateBadge", changed(field, Value::Null), bad, field, None));
        }
        for name in ["updateBadge", "retireBadge"] {
            for (value, code) in [(json!("x"), bad), (json!(""), bad), (stranger.clone(), gone), (rule.clone(), gone)] {
                faults.push((admin, name, json!({"id": value}), code, "id", None));
            }
        }
        for field in ["badgeId", "studentId"] {
            faults.push((teacher, "awardBadge", given(field, json!("x")), bad, field, None));
            faults.push((teacher, "awardBadge", given(field, json!(Uuid::nil())), gone, field, None));
            faults.push((teacher, "awardBadge", given(field, stranger.clone()), gone, field, None));
        }
        faults.push((teacher, "awardBadge", given("badgeId", rule.clone()), bad, "badgeId", Some("NOT_A_BADGE")));
        faults.push((teacher, "awardBadge", given("notes", json!(longer)), bad, "notes", None));
        faults.push((teacher, "awardBadge", given("notes", json!("a\u{0}")), bad, "notes", None));
        faults.push((teacher, "awardBadge", given("awardedAt", json!("2025-02-30T00:00:00Z")), bad, "awardedAt", None));
        faults.push((teacher, "awardBadge", given("awardedAt", json!(7)), bad, "awardedAt", None));
        let rows = json!([{"studentId": school.student}]);
        for (badge, code, reason) in [(json!("x"), bad, None), (stranger.clone(), gone, None), (rule, bad, Some("NOT_A_BADGE"))] {
            faults.push((teacher, "awardBadges", json!({"badgeId": badge, "rows": rows}), code, "badgeId", reason));
        }
        for (reason, field) in [("", "reason"), (" \n", "reason"), (&"x".repeat(501), "reason"), ("a\u{0}", "reason")] {
            faults.push((teacher, "revokeAward", json!({"awardId": award["id"], "reason": reason}), bad, field, None));
        }
        for (value, code) in [(json!("x"), bad), (stranger, gone), (json!(id), gone)] {
            faults.push((admin, "revokeAward", json!({"awardId": value, "reason": "A mistake"}), code, "awardId", None));
        }
        for (client, name, input, code, field, reason) in faults {
            expect_refused(&w, client, name, &input, (code, field, reason)).await;
        }
        let untouched = "SELECT count(*) FROM awards WHERE revoked_at IS NULL AND notes IS NULL";
        assert_eq!(w.database.number(untouched).await, 1);
        w.finish().await;
    }
}
