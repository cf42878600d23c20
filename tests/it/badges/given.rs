//! An awarded badge has the same consequences as an earned achievement: XP, further awards, feed, messages.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Packs, World, on_both};

use super::{AWARD, School, badge, grant_badge, held, xp};
use crate::courses::{mutate, text};

/// The further awards at 100 XP, with the bonus of each: 100, 10 and nothing.
const BY_100_XP: [&str; 3] = ["aurora/getting-warmed-up", "code-lab/century", "tests/level-up"];

/// A pack with an achievement for holding two others, one of which people award.
fn collecting() -> Packs {
    let achievement = |name: &str, rule: serde_json::Value| json!({"name": name, "description": "", "requirement": "See the rule", "category": "all", "rule": rule});
    Packs::of(&json!({
        "pack": "deeds", "name": "Deeds", "categories": [{"key": "all", "name": "All"}],
        "activities": [{"key": "done", "description": "Something was done."}],
        "achievements": [
            achievement("Doer", json!({"kind": "count", "activity": "done", "target": 1})),
            achievement("Helper", json!({"kind": "person"})),
            achievement("Collector", json!({"kind": "awards", "target": 2})),
        ],
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packs_own_badge_counts_as_one_of_its_achievements_and_the_schools_does_not() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let packs = collecting();
        let setting = packs.setting();
        let Some(w) = World::with(backend, |config| config.catalogs = vec![setting]).await else { continue };
        let school = School::found(&w).await;
        let done = json!({"userId": school.student, "activity": "done"});
        assert_eq!(w.service().record(done).await["userErrors"], json!([]));
        for name in ["Kind", "Team Player"] {
            let id = badge(&school.admin, name, 10).await;
            grant_badge(&school.teacher, &id, school.student).await;
        }
        let of_school = ["deeds/doer", "school/kind", "school/team-player"];
        assert_eq!(held(&school.as_student, school.student).await, of_school);
        let one = "{ achievement(key: \"deeds/helper\") { id } inProgress { nodes { achievement { key } current target } } }";
        let answer = school.as_student.ask(one, json!({})).await;
        let on_the_way = json!([{"achievement": {"key": "deeds/collector"}, "current": 1, "target": 2}]);
        assert_eq!(answer.data()["inProgress"]["nodes"], on_the_way);
        grant_badge(&school.teacher, &text(&answer.data()["achievement"]["id"]), school.student).await;
        let of_both = ["deeds/collector", "deeds/doer", "deeds/helper", "school/kind", "school/team-player"];
        assert_eq!(held(&school.as_student, school.student).await, of_both);
        w.finish().await;
    }
}

on_both! {
    async fn a_badge_gives_xp_and_the_awards_at_that_xp_and_is_announced(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 100).await;
        let cursor = school.as_student.ask("{ feedCursor }", json!({})).await.data()["feedCursor"].clone();
        let follow = "subscription($after: String) { achievementEarned(after: $after) {
            award { achievement { key } cause notes awardedBy { id } } } }";
        let mut socket = school.as_student.socket().await;
        socket.subscribe("1", follow, json!({"after": cursor})).await;

        let input = json!({"badgeId": id, "studentId": school.student, "notes": "Great teamwork!"});
        let given = mutate(&school.teacher, "awardBadge", &format!("{AWARD} duplicate"), input).await;
        assert_eq!(given, json!({"userErrors": [], "duplicate": false, "award": {
            "id": given["award"]["id"], "achievement": {"key": "school/team-player"}, "user": {"id": school.student},
            "earnedAt": "2026-01-15T12:00:00.000Z", "xpBonus": 100, "occurrence": 1, "cause": "PERSON",
            "awardedBy": {"id": school.teacher_id}, "notes": "Great teamwork!", "revokedAt": null, "revocationReason": null,
        }}));
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(socket.next("1").await["data"]["achievementEarned"]["award"].clone());
        }
        assert_eq!(told[0], json!({"achievement": {"key": "school/team-player"}, "cause": "PERSON",
            "notes": "Great teamwork!", "awardedBy": {"id": school.teacher_id}}));
        let mut rest: Vec<String> = told[1..].iter().map(|award| text(&award["achievement"]["key"])).collect();
        rest.sort();
        assert_eq!(rest, BY_100_XP);
        assert!(told[1..].iter().all(|award| award["cause"] == "RULE" && award["awardedBy"].is_null()));
        assert_eq!(xp(&school.as_student, school.student).await, 100 + 100 + 10);
        for (sql, count) in [
            ("SELECT count(*) FROM xp_entries WHERE kind = 'BONUS' AND event_id IS NULL", 3),
            ("SELECT count(*) FROM outbox", 5),
            ("SELECT count(*) FROM feed WHERE kind = 'AWARD_EARNED'", 4),
            ("SELECT count(*) FROM feed WHERE kind = 'LEVEL_REACHED'", 1),
            ("SELECT count(*) FROM audit_log WHERE act = 'award_badge' AND role = 'teacher'", 1),
            ("SELECT count(*) FROM audit_log WHERE act = 'award_badge'", 1),
        ] {
            assert_eq!(w.database.number(sql).await, count, "{sql}");
        }
        w.finish().await;
    }

    async fn the_same_badge_again_returns_the_first_award(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 100).await;
        let (first, duplicate) = grant_badge(&school.teacher, &id, school.student).await;
        assert!(!duplicate);
        w.tick(chrono::TimeDelta::hours(1));
        let rows = w.database.rows().await;
        for client in [&school.teacher, &school.admin] {
            assert_eq!(grant_badge(client, &id, school.student).await, (first.clone(), true));
        }
        assert_eq!(w.database.rows().await, rows);
        assert_eq!(xp(&school.as_student, school.student).await, 210);
        w.finish().await;
    }

    async fn a_badge_may_have_been_earned_in_the_past_and_not_in_the_future(w: World) {
        let school = School::found(&w).await;
        let (old, new) = (badge(&school.admin, "Old", 100).await, badge(&school.admin, "New", 1).await);
        let grant_at = async |badge: &str, at: &str| {
            let input = json!({"badgeId": badge, "studentId": school.student, "awardedAt": at});
            mutate(&school.teacher, "awardBadge", "award { earnedAt }", input).await
        };
        let given = grant_at(&old, "2025-06-15T08:00:00.5+02:00").await;
        assert_eq!(given, json!({"award": {"earnedAt": "2025-06-15T06:00:00.500Z"}, "userErrors": []}));
        for wrong in ["2026-01-15T12:05:00.001Z", "2026-01-16T00:00:00Z", "1999-12-31T23:59:59Z", "yesterday"] {
            let rows = w.database.rows().await;
            let error = &grant_at(&new, wrong).await["userErrors"][0];
            assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_INPUT"), &json!(["input", "awardedAt"])), "{wrong}");
            assert_eq!(w.database.rows().await, rows);
        }
        // The sender's clock is a little ahead.
        let given = grant_at(&new, "2026-01-15T12:05:00Z").await;
        assert_eq!(given["award"]["earnedAt"], "2026-01-15T12:05:00.000Z");
        let that_day = "SELECT count(*) FROM xp_entries WHERE CAST(local_date AS text) = '2025-06-15'";
        assert_eq!(w.database.number(that_day).await, 3, "XP counts for the day on which it was earned");
        w.finish().await;
    }

    async fn notes_are_returned_unchanged(w: World) {
        let school = School::found(&w).await;
        let family = "👩‍👩‍👧‍👦 🏳️‍🌈";
        for (nth, (sent, kept)) in [
            (family, Some(family)), ("שלום, עולם\nعليكم", Some("שלום, עולם\nعليكم")), ("Zoe\u{308}", Some("Zo\u{eb}")),
            ("q\u{323}\u{307}", Some("q\u{323}\u{307}")), ("  '; DROP TABLE awards; -- ", Some("'; DROP TABLE awards; --")),
            (" \n ", None), ("", None),
        ].into_iter().enumerate() {
            let id = badge(&school.admin, &format!("Badge {nth} 🏅"), 0).await;
            let input = json!({"badgeId": id, "studentId": school.student, "notes": sent});
            let given = mutate(&school.teacher, "awardBadge", "award { notes }", input).await;
            assert_eq!(given, json!({"award": {"notes": kept}, "userErrors": []}));
            let shown = "query($id: ID!) { studentAchievements(studentId: $id) { badges { notes achievement { key name } } } }";
            let shown = school.as_student.ask(shown, json!({"id": school.student})).await;
            let badges = shown.data()["studentAchievements"]["badges"].as_array().unwrap().clone();
            let name = format!("Badge {nth} 🏅");
            let found = badges.iter().find(|award| award["achievement"]["name"] == *name).unwrap();
            assert_eq!(found["notes"], json!(kept));
        }
        w.finish().await;
    }

    async fn an_event_after_a_badge_adds_to_its_xp(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Nearly", 40).await;
        grant_badge(&school.teacher, &id, school.student).await;
        assert_eq!(held(&school.as_student, school.student).await, ["school/nearly"]);
        let answered = json!({"userId": school.student, "activity": "question_answered", "attributes": {"correct": true}});
        w.service().record(answered).await;
        // 40, 10 and the 50 of the first question make 100.
        let keys = ["aurora/first-steps", BY_100_XP[0], BY_100_XP[1], "school/nearly", BY_100_XP[2]];
        assert_eq!(held(&school.as_student, school.student).await, keys);
        assert_eq!(xp(&school.as_student, school.student).await, 210);
        assert_eq!(w.person(school.student, Role::Student).ask("{ summary { totalEarned } }", json!({})).await.data()["summary"]["totalEarned"], 5);
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn awards_that_follow_from_a_badge_are_announced_in_order_on_sqlite() {
    lead_step_by_step(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn awards_that_follow_from_a_badge_are_announced_in_order_on_postgres() {
    lead_step_by_step(Backend::Postgres).await;
}

/// Six achievements, each of which gives the XP for the next. The pack lists the last first, and their ids have another
/// order.
async fn lead_step_by_step(backend: Backend) {
    let step = |nth: i64| {
        json!({
            "name": format!("Step {nth}"), "description": "One further.", "requirement": "Go on", "category": "way",
            "rarity": "common", "xpBonus": 1, "rule": {"kind": "xp", "target": nth},
        })
    };
    let packs = Packs::of(&json!({
        "pack": "steps", "name": "Steps", "description": "One after another.", "version": 1, "activities": [],
        "categories": [{"key": "way", "name": "Way"}], "achievements": (1..=6).rev().map(step).collect::<Vec<Value>>(),
    }));
    let beside = packs.setting();
    let Some(w) = World::with(backend, |config| config.catalogs.push(beside)).await else { return };
    let school = School::found(&w).await;
    let cursor = school.as_student.ask("{ feedCursor }", json!({})).await.data()["feedCursor"].clone();
    let id = badge(&school.admin, "First Push", 1).await;
    grant_badge(&school.teacher, &id, school.student).await;
    let follow =
        "subscription($after: String) { achievementEarned(after: $after) { award { achievement { key } } } }";
    let mut socket = school.as_student.socket().await;
    socket.subscribe("1", follow, json!({"after": cursor})).await;
    let mut told = Vec::new();
    for _ in 0..7 {
        told.push(text(&socket.next("1").await["data"]["achievementEarned"]["award"]["achievement"]["key"]));
    }
    let steps = (1..=6).map(|nth| format!("steps/step-{nth}"));
    assert_eq!(told, ["school/first-push".to_owned()].into_iter().chain(steps).collect::<Vec<_>>());
    assert_eq!(xp(&school.as_student, school.student).await, 7);
    w.finish().await;
}
