//! What a badge brought is listed, and a revocation with `cascade` takes it again: the awards that hold no longer.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use super::{School, badge, expect_refused, grant_badge, held, xp};
use crate::courses::{enroll, join, mutate, text};
use crate::history::{achievement, activity, pack, publish, with_packs};

/// A pack with three achievements for XP. The bonus of the first leads to the third.
async fn school_of_steps(w: World) -> (World, School) {
    let (mut w, packs) = with_packs(w);
    let at = |name: &str, target: i64, bonus: i64| {
        let mut step = achievement(name, json!({"kind": "xp", "target": target}));
        step["xpBonus"] = json!(bonus);
        step
    };
    let mut dug = activity("dug", json!({}));
    dug["xp"] = json!({"amount": 60});
    let steps = [at("Hundred", 100, 50), at("Thousand", 1_000, 0), at("Beyond", 1_040, 0)];
    packs.write(&pack("steps", &[dug], &steps));
    publish(&mut w).await;
    let school = School::found(&w).await;
    (w, school)
}

/// The key of each award.
fn keys(awards: &Value) -> Vec<&str> {
    let awards = awards.as_array().unwrap_or_else(|| panic!("no list: {awards}"));
    awards.iter().map(|award| award["achievement"]["key"].as_str().unwrap()).collect()
}

const LISTED: &str = "id achievement { key } user { id } xpBonus cause flagged revokedAt revocationReason";

async fn grant_listed(client: &Client, badge: &str, student: Uuid) -> Value {
    let select = format!("award {{ id }} awards {{ {LISTED} }} duplicate");
    let given = mutate(client, "awardBadge", &select, json!({"badgeId": badge, "studentId": student})).await;
    assert_eq!((&given["userErrors"], &given["award"]["id"]), (&json!([]), &given["awards"][0]["id"]));
    given
}

async fn revoke_listed(client: &Client, award: &Value, cascade: bool) -> Value {
    let select = format!("award {{ id }} revoked {{ {LISTED} }} flagged {{ {LISTED} }}");
    let input = json!({"awardId": award, "reason": "The wrong Ada", "cascade": cascade});
    let taken = mutate(client, "revokeAward", &select, input).await;
    assert_eq!((&taken["userErrors"], &taken["award"]["id"]), (&json!([]), award));
    assert_eq!(taken["revoked"][0]["id"], *award);
    taken
}

const ALL: [&str; 4] = ["school/team-player", "steps/hundred", "steps/thousand", "steps/beyond"];

on_both! {
    async fn a_revocation_with_cascade_takes_all_that_the_badge_led_to(w: World) {
        let (w, school) = school_of_steps(w).await;
        let id = badge(&school.admin, "Team Player", 1_000).await;
        let given = grant_listed(&school.teacher, &id, school.student).await;
        assert_eq!(keys(&given["awards"]), ALL);
        assert_eq!(given["awards"][1], json!({
            "id": given["awards"][1]["id"], "achievement": {"key": "steps/hundred"}, "user": {"id": school.student},
            "xpBonus": 50, "cause": "RULE", "flagged": false, "revokedAt": null, "revocationReason": null,
        }));
        assert_eq!(xp(&school.as_student, school.student).await, 1_050);
        w.tick(chrono::TimeDelta::minutes(20));
        let taken = revoke_listed(&school.teacher, &given["awards"][0]["id"], true).await;
        assert_eq!(keys(&taken["revoked"]), ALL);
        assert_eq!(taken["flagged"], json!([]));
        for award in taken["revoked"].as_array().unwrap() {
            assert_eq!(award["revocationReason"], "The wrong Ada");
            assert_eq!((&award["revokedAt"], &award["flagged"]), (&json!("2026-01-15T12:20:00.000Z"), &json!(false)));
        }
        assert_eq!(xp(&school.as_student, school.student).await, 0);
        assert_eq!(held(&school.as_student, school.student).await, Vec::<String>::new());
        for (sql, count) in [
            ("SELECT CAST(sum(amount) AS bigint) FROM xp_entries WHERE kind = 'REVERSAL'", -1_050),
            ("SELECT count(*) FROM xp_entries WHERE kind = 'REVERSAL'", 2),
            ("SELECT count(*) FROM awards WHERE revoked_by IS NOT NULL", 4),
            ("SELECT CAST(sum(awards) AS bigint) FROM totals", 0),
            ("SELECT count(*) FROM audit_log WHERE act = 'revoke_award' AND role = 'teacher'", 4),
            ("SELECT count(DISTINCT object_id) FROM audit_log WHERE act = 'revoke_award'", 4),
            ("SELECT count(*) FROM feed WHERE kind = 'AWARD_REVOKED'", 4),
            ("SELECT count(DISTINCT group_id) FROM feed WHERE kind = 'AWARD_REVOKED'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'AWARD_REVOKED'", 4),
        ] {
            assert_eq!(w.database.number(sql).await, count, "{sql}");
        }
        // Sent again, with or without `cascade`, it repeats the first result.
        let rows = w.database.rows().await;
        w.tick(chrono::TimeDelta::minutes(20));
        for cascade in [true, false] {
            assert_eq!(revoke_listed(&school.teacher, &given["awards"][0]["id"], cascade).await, taken);
        }
        assert_eq!(w.database.rows().await, rows);
        // Revoked achievements are not earned again.
        let again = grant_listed(&school.teacher, &id, school.student).await;
        assert_eq!((keys(&again["awards"]), &again["duplicate"]), (vec!["school/team-player"], &json!(false)));
        assert_eq!(w.finish().await.flagged.len(), 0);
    }

    async fn a_revocation_without_cascade_flags_what_the_badge_led_to(w: World) {
        let (w, school) = school_of_steps(w).await;
        let id = badge(&school.admin, "Team Player", 1_000).await;
        let given = grant_listed(&school.teacher, &id, school.student).await;
        let taken = revoke_listed(&school.teacher, &given["awards"][0]["id"], false).await;
        assert_eq!((keys(&taken["revoked"]), keys(&taken["flagged"])), (ALL[..1].to_vec(), ALL[1..].to_vec()));
        for award in taken["flagged"].as_array().unwrap() {
            assert_eq!((&award["flagged"], &award["revokedAt"]), (&json!(true), &Value::Null));
            let input = json!({"awardId": award["id"], "reason": "It followed from a mistake"});
            expect_refused(&w, &school.teacher, "revokeAward", &input, ("NOT_FOUND", "awardId", None)).await;
        }
        assert_eq!(xp(&school.as_student, school.student).await, 50);
        assert_eq!(w.database.number("SELECT count(*) FROM feed WHERE kind = 'AWARD_REVOKED'").await, 1);
        // With `cascade` it stays as it is: the award is revoked already.
        assert_eq!(revoke_listed(&school.teacher, &given["awards"][0]["id"], true).await, taken);
        // A second badge supports one of the flagged awards. Its revocation takes that one and no other.
        let other = badge(&school.admin, "Helper", 200).await;
        let other = grant_listed(&school.teacher, &other, school.student).await;
        assert_eq!(keys(&other["awards"]), ["school/helper"]);
        assert_eq!(w.check().await.flagged.len(), 2, "the first step holds again");
        let taken = revoke_listed(&school.teacher, &other["awards"][0]["id"], true).await;
        assert_eq!(keys(&taken["revoked"]), ["school/helper", "steps/hundred"]);
        assert_eq!(keys(&taken["flagged"]), ALL[2..]);
        assert_eq!(xp(&school.as_student, school.student).await, 0);
        assert_eq!(w.finish().await.flagged.len(), 2);
    }

    async fn awards_that_events_support_survive_a_cascade(w: World) {
        let (w, school) = school_of_steps(w).await;
        let dug = json!({"userId": school.student, "activity": "dug"});
        for _ in 0..2 {
            w.service().record(dug.clone()).await;
            w.tick(chrono::TimeDelta::minutes(1));
        }
        let id = badge(&school.admin, "Team Player", 1_000).await;
        let given = grant_listed(&school.admin, &id, school.student).await;
        assert_eq!(keys(&given["awards"]), ["school/team-player", "steps/thousand", "steps/beyond"]);
        w.tick(chrono::TimeDelta::minutes(1));
        let taken = revoke_listed(&school.admin, &given["awards"][0]["id"], true).await;
        assert_eq!(keys(&taken["revoked"]), ["school/team-player", "steps/thousand", "steps/beyond"]);
        assert_eq!(taken["flagged"], json!([]));
        assert_eq!(held(&school.as_student, school.student).await, ["steps/hundred"]);
        assert_eq!(xp(&school.as_student, school.student).await, 170);
        let reached = "query($id: ID!) { leaderboard { standing(userId: $id) { reachedAt } } }";
        let reached = school.as_student.ask(reached, json!({"id": school.student})).await;
        assert_eq!(reached.data()["leaderboard"]["standing"]["reachedAt"], "2026-01-15T12:01:00.000Z");
        w.finish().await;
    }

    async fn a_repeated_grant_lists_what_the_first_one_brought(w: World) {
        let (w, school) = school_of_steps(w).await;
        let (one, other) = (badge(&school.admin, "Team Player", 1_000).await, badge(&school.admin, "Helper", 10).await);
        let (ada, _) = join(&w, Role::Student).await;
        enroll(&w.service(), &school.course, Some(ada)).await;
        let select = format!("results {{ award {{ id }} awards {{ {LISTED} }} duplicate userErrors {{ code }} }}");
        let to_both = async |badge: &str| {
            let rows = [school.student, ada, Uuid::new_v4()].map(|id| json!({"studentId": id}));
            let given = mutate(&school.teacher, "awardBadges", &select, json!({"badgeId": badge, "rows": rows})).await;
            let [first, second, missing] = given["results"].as_array().unwrap().clone().try_into().unwrap();
            assert_eq!(missing["awards"], json!([]));
            [first, second]
        };
        let alone = grant_listed(&school.teacher, &one, school.student).await;
        let both = to_both(&one).await;
        assert_eq!((&both[0]["awards"], &both[0]["duplicate"]), (&alone["awards"], &json!(true)));
        assert_eq!((keys(&both[1]["awards"]), &both[1]["duplicate"]), (ALL.to_vec(), &json!(false)));
        let small = to_both(&other).await;
        assert_eq!(small.each_ref().map(|row| keys(&row["awards"])), [["school/helper"], ["school/helper"]]);
        let rows = w.database.rows().await;
        for (first, again) in both.iter().zip(to_both(&one).await).chain(small.iter().zip(to_both(&other).await)) {
            assert_eq!((&first["awards"], &again["duplicate"]), (&again["awards"], &json!(true)));
        }
        assert_eq!(grant_listed(&school.admin, &one, ada).await["awards"], both[1]["awards"]);
        assert_eq!(w.database.rows().await, rows);
        w.finish().await;
    }

    async fn a_cascade_over_twenty_awards_takes_the_statements_of_one(w: World) {
        let (mut w, packs) = with_packs(w);
        let steps: Vec<Value> = (1..=20).map(|nth| {
            let mut step = achievement(&format!("Step {nth}"), json!({"kind": "xp", "target": 1_000 * nth}));
            step["xpBonus"] = json!(1);
            step
        }).collect();
        packs.write(&pack("steps", &[], &steps));
        publish(&mut w).await;
        let school = School::found(&w).await;
        let mut costs = Vec::new();
        for (name, led_to) in [("One", 1), ("Twenty", 20)] {
            let id = badge(&school.admin, name, 1_000 * led_to).await;
            let student = w.student("UTC").await;
            enroll(&w.service(), &school.course, Some(student)).await;
            let given = grant_badge(&school.teacher, &id, student).await.0;
            let document = "mutation($id: ID!) { revokeAward(input: {awardId: $id, reason: \"A mistake\", cascade: true}) {
                revoked { id } } }";
            let before = w.server.app.db.statements();
            let taken = school.teacher.ask(document, json!({"id": text(&given["id"])})).await;
            costs.push(w.server.app.db.statements() - before);
            let revoked = taken.data()["revokeAward"]["revoked"].as_array().unwrap().len();
            assert_eq!(i64::try_from(revoked).unwrap(), 1 + led_to);
        }
        assert_eq!(costs[0], costs[1]);
        assert!(costs[0] <= 30, "{} statements are many", costs[0]);
        w.finish().await;
    }
}
