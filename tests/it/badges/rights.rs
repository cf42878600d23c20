//! Who may manage, award and revoke badges, and for whom.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use super::{School, badge, expect_refused, grant_badge, revoke_award};
use crate::courses::{enroll, forbidden, join, leave, mutate};

/// Sends the request for an existing id and for a missing one: both responses have the same bytes, and no row is added
/// or removed.
async fn reported_as_missing(w: &World, client: &Client, name: &str, input: &Value, field: &str) {
    expect_refused(w, client, name, input, ("NOT_FOUND", field, None)).await;
    let mut missing = input.clone();
    missing[field] = json!(Uuid::new_v4());
    let (first, rest) = name.split_at(1);
    let document = format!(
        "mutation($input: {}{rest}Input!) {{ {name}(input: $input) {{ userErrors {{ field code message reason }} }} }}",
        first.to_uppercase()
    );
    let (here, nowhere) = (
        client.ask(&document, json!({"input": input})).await,
        client.ask(&document, json!({"input": missing})).await,
    );
    assert_eq!(here.body.to_string(), nowhere.body.to_string(), "{name} {input}");
}

on_both! {
    async fn a_role_without_permission_is_refused_before_any_look_up(w: World) {
        let school = School::found(&w).await;
        let (_, parent) = join(&w, Role::Parent).await;
        let service = w.service();
        let id = badge(&school.admin, "Team Player", 10).await;
        let award = grant_badge(&school.admin, &id, school.student).await.0;
        let keep = [
            ("createBadge", json!({"name": "", "iconUrl": "x"})), ("updateBadge", json!({"id": id, "name": "Mine"})),
            ("updateBadge", json!({"id": "x"})), ("retireBadge", json!({"id": id})), ("retireBadge", json!({"id": "x"})),
        ];
        let hand = [
            ("awardBadge", json!({"badgeId": id, "studentId": school.student})), ("awardBadge", json!({"badgeId": "x", "studentId": "y"})),
            ("awardBadges", json!({"badgeId": id, "rows": [{"studentId": school.student}]})), ("awardBadges", json!({"badgeId": "x", "rows": []})),
            ("revokeAward", json!({"awardId": award["id"], "reason": "Mine"})), ("revokeAward", json!({"awardId": "x", "reason": ""})),
        ];
        let rows = w.database.rows().await;
        for (name, input) in &keep {
            for client in [&school.teacher, &school.as_student, &parent, &service] {
                assert_eq!(forbidden(client, name, input.clone()).await, "FORBIDDEN", "{name}");
            }
        }
        for (name, input) in &hand {
            for client in [&school.as_student, &parent, &service] {
                assert_eq!(forbidden(client, name, input.clone()).await, "FORBIDDEN", "{name}");
            }
        }
        for (name, input) in keep.iter().chain(&hand) {
            assert_eq!(forbidden(&w.nobody(), name, input.clone()).await, "UNAUTHENTICATED", "{name}");
        }
        assert_eq!(w.database.rows().await, rows);
        w.finish().await;
    }

    async fn a_teacher_can_award_only_current_students(w: World) {
        let school = School::found(&w).await;
        let (_, stranger) = join(&w, Role::Teacher).await;
        let (_, admin) = join(&w, Role::SuperAdmin).await;
        let id = badge(&school.admin, "Team Player", 10).await;
        let to = |student: Uuid| json!({"badgeId": id, "studentId": student});
        reported_as_missing(&w, &stranger, "awardBadge", &to(school.student), "studentId").await;
        reported_as_missing(&w, &school.teacher, "awardBadge", &to(w.student("UTC").await), "studentId").await;
        reported_as_missing(&w, &school.teacher, "awardBadge", &to(school.admin_id), "studentId").await;
        leave(&school.as_student, &school.course, None).await;
        reported_as_missing(&w, &school.teacher, "awardBadge", &to(school.student), "studentId").await;
        enroll(&school.as_student, &school.course, None).await;
        assert!(!grant_badge(&school.teacher, &id, school.student).await.1);
        for client in [&school.admin, &admin] {
            assert!(!grant_badge(client, &id, w.student("UTC").await).await.1, "an admin gives to anybody");
        }
        w.finish().await;
    }

    async fn a_teacher_can_revoke_their_awards_of_current_students(w: World) {
        let school = School::found(&w).await;
        let (_, colleague) = join(&w, Role::Teacher).await;
        let theirs = crate::courses::course(&colleague, 1).await;
        enroll(&school.as_student, &theirs, None).await;
        let (one, other) = (badge(&school.admin, "One", 10).await, badge(&school.admin, "Other", 10).await);
        let given = grant_badge(&school.teacher, &one, school.student).await.0;
        let by_admin = grant_badge(&school.admin, &other, school.student).await.0;
        let of = |award: &Value| json!({"awardId": award["id"], "reason": "A mistake"});
        reported_as_missing(&w, &colleague, "revokeAward", &of(&given), "awardId").await;
        reported_as_missing(&w, &school.teacher, "revokeAward", &of(&by_admin), "awardId").await;
        leave(&school.as_student, &school.course, None).await;
        reported_as_missing(&w, &school.teacher, "revokeAward", &of(&given), "awardId").await;
        enroll(&school.as_student, &school.course, None).await;
        revoke_award(&school.teacher, &given, "A mistake").await;
        revoke_award(&school.admin, &by_admin, "A mistake").await;
        // Only the person who awarded it may revoke it again.
        reported_as_missing(&w, &colleague, "revokeAward", &of(&given), "awardId").await;
        w.finish().await;
    }

    async fn people_cannot_award_themselves_or_their_children(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 10).await;
        for (client, guardian) in [(&school.teacher, school.teacher_id), (&school.admin, school.admin_id)] {
            let to = |student: Uuid| json!({"badgeId": id, "studentId": student});
            let link = |linked: bool| json!({"parentId": guardian, "studentId": school.student, "linked": linked});
            expect_refused(&w, client, "awardBadge", &to(guardian), ("FORBIDDEN", "studentId", Some("SELF_AWARD"))).await;
            mutate(&w.service(), "linkGuardian", "linked", link(true)).await;
            expect_refused(&w, client, "awardBadge", &to(school.student), ("FORBIDDEN", "studentId", Some("OWN_CHILD"))).await;
            mutate(&w.service(), "linkGuardian", "linked", link(false)).await;
        }
        assert!(!grant_badge(&school.teacher, &id, school.student).await.1, "a link that has ended is none");
        w.finish().await;
    }
}
