//! Badges: how they are created, awarded and revoked, who may do it, and the consequences.

mod cascade;
mod crash;
mod given;
mod input;
mod kept;
mod late_commit;
mod leaving;
mod many;
mod race;
mod revoked;
mod rights;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World};
use uuid::Uuid;

use crate::courses::{course, enroll, join, mutate, refused, text};

/// The selected fields of an award.
const AWARD: &str =
    "award { id achievement { key } user { id } earnedAt xpBonus occurrence cause awardedBy { id }
    notes revokedAt revocationReason }";

/// An admin, and a teacher with one student.
struct School {
    admin_id: Uuid,
    admin: Client,
    teacher_id: Uuid,
    teacher: Client,
    student: Uuid,
    as_student: Client,
    course: crate::courses::Course,
}

impl School {
    async fn found(w: &World) -> Self {
        let (admin_id, admin) = join(w, Role::Admin).await;
        let (teacher_id, teacher) = join(w, Role::Teacher).await;
        let (student, as_student) = join(w, Role::Student).await;
        let course = course(&teacher, 1).await;
        enroll(&as_student, &course, None).await;
        Self { admin_id, admin, teacher_id, teacher, student, as_student, course }
    }
}

/// Creates a badge; returns its id.
async fn badge(admin: &Client, name: &str, xp: i64) -> String {
    let input = json!({"name": name, "iconUrl": "https://school.example/badge.png", "xpBonus": xp});
    let made = mutate(admin, "createBadge", "achievement { id }", input).await;
    assert_eq!(made["userErrors"], json!([]));
    text(&made["achievement"]["id"])
}

/// Awards a badge; returns the award, and whether it already existed.
async fn grant_badge(client: &Client, badge: &str, student: Uuid) -> (Value, bool) {
    let input = json!({"badgeId": badge, "studentId": student});
    let given = mutate(client, "awardBadge", &format!("{AWARD} duplicate"), input).await;
    assert_eq!(given["userErrors"], json!([]));
    (given["award"].clone(), given["duplicate"].as_bool().unwrap())
}

/// Revokes an award; returns the revoked award.
async fn revoke_award(client: &Client, award: &Value, reason: &str) -> Value {
    let input = json!({"awardId": award["id"], "reason": reason});
    let taken = mutate(client, "revokeAward", AWARD, input).await;
    assert_eq!(taken["userErrors"], json!([]));
    taken["award"].clone()
}

/// The mutation is refused in this field of the input, and no row is added or removed. NOT_FOUND has the reason of its
/// field.
async fn expect_refused(
    w: &World,
    client: &Client,
    name: &str,
    input: &Value,
    (code, field, reason): (&str, &str, Option<&str>),
) {
    let rows = w.database.rows().await;
    let error = refused(client, name, input).await;
    let reason = match (code, field) {
        ("NOT_FOUND", "awardId") => Some("AWARD_NOT_FOUND"),
        ("NOT_FOUND", "studentId") => Some("STUDENT_NOT_FOUND"),
        ("NOT_FOUND", _) => Some("BADGE_NOT_FOUND"),
        _ => reason,
    };
    let is = (&error["code"], &error["field"], &error["reason"]);
    assert_eq!(is, (&json!(code), &json!(["input", field]), &json!(reason)), "{name} {input}: {error}");
    assert!(text(&error["message"]).len() > 10, "{error}");
    assert_eq!(w.database.rows().await, rows, "{name} {input}");
}

/// The keys of the achievements that the person holds, sorted.
async fn held(client: &Client, person: Uuid) -> Vec<String> {
    let query = "query($id: ID!) { earned(userId: $id, first: 100) { nodes { achievement { key } } } }";
    let answer = client.ask(query, json!({"id": person})).await;
    let nodes = answer.data()["earned"]["nodes"].as_array().unwrap().clone();
    let mut keys: Vec<String> = nodes.iter().map(|award| text(&award["achievement"]["key"])).collect();
    keys.sort();
    keys
}

/// The person's displayed XP.
async fn xp(client: &Client, person: Uuid) -> i64 {
    let answer = client.ask("query($id: ID!) { user(id: $id) { xp } }", json!({"id": person})).await;
    answer.data()["user"]["xp"].as_i64().unwrap()
}
