//! Revoked awards: they remain with their reason, their XP is reversed, and resulting awards are flagged.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::on_both;
use uuid::Uuid;

use super::{School, badge, grant_badge, held, revoke_award, xp};
use crate::courses::{enroll, join, mutate, text};

on_both! {
    async fn a_revoked_award_keeps_its_reason_and_awards_that_followed_are_flagged(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 100).await;
        let award = grant_badge(&school.teacher, &id, school.student).await.0;
        w.tick(chrono::TimeDelta::minutes(20));
        let taken = revoke_award(&school.teacher, &award, "The wrong Ada 🙈").await;
        let mut expected = award.clone();
        expected["revokedAt"] = json!("2026-01-15T12:20:00.000Z");
        expected["revocationReason"] = json!("The wrong Ada 🙈");
        assert_eq!(taken, expected);
        let rows = w.database.rows().await;
        w.tick(chrono::TimeDelta::minutes(20));
        assert_eq!(revoke_award(&school.admin, &award, "Another reason").await, expected, "once taken back, it stays as it is");
        assert_eq!(w.database.rows().await, rows);

        let rest = ["aurora/getting-warmed-up", "code-lab/century", "tests/level-up"];
        assert_eq!(held(&school.as_student, school.student).await, rest);
        assert_eq!(xp(&school.as_student, school.student).await, 110);
        for (sql, count) in [
            ("SELECT CAST(sum(amount) AS bigint) FROM xp_entries WHERE kind = 'REVERSAL'", -100),
            ("SELECT count(*) FROM xp_entries WHERE kind = 'REVERSAL'", 1),
            ("SELECT count(*) FROM awards WHERE flagged", 3),
            ("SELECT count(*) FROM awards WHERE flagged AND revoked_at IS NOT NULL", 0),
            ("SELECT count(*) FROM audit_log WHERE act = 'revoke_award' AND role = 'teacher'", 1),
            ("SELECT count(*) FROM audit_log WHERE act = 'revoke_award'", 1),
            ("SELECT awards FROM totals WHERE awards > 0", 3),
            ("SELECT count(*) FROM feed WHERE kind = 'AWARD_EARNED'", 4),
            ("SELECT count(*) FROM feed WHERE kind = 'AWARD_REVOKED'", 1),
        ] {
            assert_eq!(w.database.number(sql).await, count, "{sql}");
        }
        assert_eq!(w.finish().await.flagged.len(), 3);
    }

    async fn an_award_of_an_erased_person_cannot_be_found_or_revoked(w: World) {
        let school = School::found(&w).await;
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let id = badge(&school.admin, "Team Player", 0).await;
        let award = grant_badge(&school.admin, &id, school.student).await.0["id"].clone();
        let erase = json!({"userId": school.student});
        assert_eq!(mutate(&head, "erasePerson", "user { id }", erase).await["userErrors"], json!([]));
        let node = "query($id: ID!) { node(id: $id) { id } }";
        let revoke = "mutation($id: ID!) { revokeAward(input: {awardId: $id, reason: \"Ada's\"}) { award { id } userErrors { field code message reason } } }";
        w.server.settle().await.unwrap();
        let before = w.database.contents().await;
        for client in [&school.admin, &head] {
            for document in [node, revoke] {
                let (here, nowhere) = (json!({"id": award}), json!({"id": Uuid::new_v4()}));
                let here = client.exchange(document, here, "erased").await;
                assert_eq!(here, client.exchange(document, nowhere, "erased").await);
            }
        }
        assert_eq!(w.service().ask(node, json!({"id": award})).await.data()["node"], Value::Null);
        assert!(w.database.contents().await == before, "nothing is written");
        w.finish().await;
    }

    async fn a_badge_awarded_again_is_its_next_occurrence(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 100).await;
        let mut ids = Vec::new();
        for occurrence in 1..=3 {
            let (award, duplicate) = grant_badge(&school.teacher, &id, school.student).await;
            assert_eq!((&award["occurrence"], duplicate), (&json!(occurrence), false));
            assert_eq!(w.database.number("SELECT count(*) FROM awards WHERE flagged").await, 0, "all is due again");
            assert_eq!(grant_badge(&school.admin, &id, school.student).await, (award.clone(), true));
            ids.push(text(&award["id"]));
            if occurrence < 3 {
                revoke_award(&school.admin, &award, "Not yet").await;
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 3);
        assert_eq!(xp(&school.as_student, school.student).await, 210, "what the XP led to came once");
        let amounts = "SELECT count(*) FROM xp_entries WHERE abs(amount) = 100";
        assert_eq!(w.database.number(amounts).await, 1 + 3 + 2, "warmed up; given three times, taken back twice");
        w.finish().await;
    }

    async fn a_badge_awarded_again_has_its_new_time_on_the_leaderboard(w: World) {
        let school = School::found(&w).await;
        let (other, as_other) = join(&w, Role::Student).await;
        enroll(&as_other, &school.course, None).await;
        let id = badge(&school.admin, "Team Player", 5).await;
        let first = grant_badge(&school.teacher, &id, school.student).await.0;
        w.tick(chrono::TimeDelta::minutes(1));
        grant_badge(&school.teacher, &id, other).await;
        let board = async || {
            let query = "query($id: ID!) { achievement(key: \"school/team-player\") { earnedCount }
                leaderboard(achievement: \"school/team-player\") { totalCount
                    standing(userId: $id) { rank score reachedAt } standings { nodes { rank user { id } } } } }";
            school.as_student.ask(query, json!({"id": school.student})).await.data().clone()
        };
        let alone = json!({"totalCount": 1, "standing": null, "standings": {"nodes": [{"rank": 1, "user": {"id": other}}]}});
        let behind = |minute: &str| json!({
            "totalCount": 2, "standing": {"rank": 2, "score": 1, "reachedAt": format!("2026-01-15T12:{minute}:00.000Z")},
            "standings": {"nodes": [{"rank": 1, "user": {"id": other}}, {"rank": 2, "user": {"id": school.student}}]},
        });
        revoke_award(&school.admin, &first, "The wrong one").await;
        assert_eq!(board().await, json!({"achievement": {"earnedCount": 1}, "leaderboard": alone}));
        for minute in ["02", "03"] {
            w.tick(chrono::TimeDelta::minutes(1));
            let again = grant_badge(&school.teacher, &id, school.student).await.0;
            assert_eq!(board().await, json!({"achievement": {"earnedCount": 2}, "leaderboard": behind(minute)}));
            revoke_award(&school.admin, &again, "The wrong one again").await;
            assert_eq!(board().await["leaderboard"], alone);
        }
        w.finish().await;
    }

    async fn a_revoked_award_of_a_rule_is_not_earned_again(w: World) {
        let school = School::found(&w).await;
        let answered = json!({"userId": school.student, "activity": "question_answered", "attributes": {"correct": true}});
        w.service().record(answered.clone()).await;
        let earned = school.admin.ask("query($id: ID!) { earned(userId: $id) { nodes { id achievement { key } } } }",
            json!({"id": school.student})).await;
        let award = earned.data()["earned"]["nodes"][0].clone();
        assert_eq!(award["achievement"]["key"], "aurora/first-steps");
        let taken = revoke_award(&school.admin, &award, "Somebody else answered.").await;
        assert_eq!((&taken["cause"], &taken["revocationReason"]), (&json!("RULE"), &json!("Somebody else answered.")));
        assert_eq!(xp(&school.as_student, school.student).await, 10);
        let again = w.service().record(answered).await;
        assert_eq!((&again["xpGained"], &again["awards"]), (&json!(10), &json!([])));
        let id = badge(&school.admin, "Nudge", 1).await;
        grant_badge(&school.teacher, &id, school.student).await;
        assert_eq!(held(&school.as_student, school.student).await, ["school/nudge"]);
        assert_eq!(w.finish().await.flagged.len(), 0);
    }

    async fn an_award_that_followed_from_a_badge_can_be_revoked_and_stays_revoked(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 100).await;
        let award = grant_badge(&school.teacher, &id, school.student).await.0;
        revoke_award(&school.teacher, &award, "A mistake").await;
        let earned = school.admin.ask("query($id: ID!) { earned(userId: $id) { nodes { id } } }", json!({"id": school.student})).await;
        let rest: Vec<Value> = earned.data()["earned"]["nodes"].as_array().unwrap().clone();
        assert_eq!(rest.len(), 3);
        for award in &rest {
            revoke_award(&school.admin, award, "It followed from a mistake").await;
        }
        assert_eq!(xp(&school.as_student, school.student).await, 0);
        assert_eq!(w.database.number("SELECT count(*) FROM awards WHERE flagged").await, 0);
        grant_badge(&school.teacher, &id, school.student).await;
        assert_eq!(held(&school.as_student, school.student).await, ["school/team-player"]);
        assert_eq!(xp(&school.as_student, school.student).await, 100);
        w.finish().await;
    }
}
