//! A badge for many people at once: each row has its own result, and 100 rows take as many statements as one.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use super::{School, badge, grant_badge, xp};
use crate::courses::{enroll, mutate, refused};

const RESULTS: &str =
    "results { index award { user { id } notes xpBonus } duplicate userErrors { field code reason } }";

async fn grant_badges(client: &Client, badge: &str, rows: &[Value]) -> Vec<Value> {
    let payload = mutate(client, "awardBadges", RESULTS, json!({"badgeId": badge, "rows": rows})).await;
    assert_eq!(payload["userErrors"], json!([]));
    payload["results"].as_array().unwrap().clone()
}

fn row(student: Uuid) -> Value {
    json!({"studentId": student})
}

/// Creates `number` students in the course.
async fn class(w: &World, school: &School, number: usize) -> Vec<Uuid> {
    let mut class = Vec::new();
    for _ in 0..number {
        let id = w.student("UTC").await;
        enroll(&w.service(), &school.course, Some(id)).await;
        class.push(id);
    }
    class
}

async fn statements(w: &World, client: &Client, badge: &str, students: &[Uuid]) -> u64 {
    let rows: Vec<Value> = students.iter().map(|id| row(*id)).collect();
    let input = json!({"badgeId": badge, "rows": rows});
    let document = "mutation($input: AwardBadgesInput!) { awardBadges(input: $input) { results { duplicate userErrors { code } } } }";
    let before = w.server.app.db.statements();
    let answer = client.ask(document, json!({"input": input})).await;
    let after = w.server.app.db.statements();
    let results = answer.data()["awardBadges"]["results"].as_array().unwrap();
    assert_eq!(results.len(), students.len());
    assert!(results.iter().all(|result| *result == json!({"duplicate": false, "userErrors": []})));
    after - before
}

on_both! {
    async fn each_row_has_its_own_result(w: World) {
        let school = School::found(&w).await;
        let (child, missing) = (class(&w, &school, 1).await[0], Uuid::new_v4());
        let stranger = w.student("UTC").await;
        let link = json!({"parentId": school.teacher_id, "studentId": child});
        assert_eq!(mutate(&school.admin, "linkGuardian", "linked", link).await["linked"], true);
        let id = badge(&school.admin, "Team Player", 100).await;
        let rows = [
            json!({"studentId": school.student, "notes": "First"}), row(missing), row(stranger),
            row(school.teacher_id), row(child), json!({"studentId": "x"}),
            json!({"studentId": school.student, "notes": "a\u{0}"}), json!({"studentId": school.student, "notes": "Second"}),
        ];
        let results = grant_badges(&school.teacher, &id, &rows).await;
        let given = |index: i64, duplicate: bool| json!({"index": index, "duplicate": duplicate, "userErrors": [],
            "award": {"user": {"id": school.student}, "notes": "First", "xpBonus": 100}});
        let refused = |index: i64, field: &str, code: &str, reason: Value| json!({"index": index, "award": null, "duplicate": false,
            "userErrors": [{"field": ["input", "rows", index.to_string(), field], "code": code, "reason": reason}]});
        assert_eq!(results, [
            given(0, false),
            refused(1, "studentId", "NOT_FOUND", json!("STUDENT_NOT_FOUND")),
            refused(2, "studentId", "NOT_FOUND", json!("STUDENT_NOT_FOUND")),
            refused(3, "studentId", "FORBIDDEN", json!("SELF_AWARD")),
            refused(4, "studentId", "FORBIDDEN", json!("OWN_CHILD")),
            refused(5, "studentId", "INVALID_INPUT", Value::Null),
            refused(6, "notes", "INVALID_INPUT", Value::Null),
            given(7, true),
        ]);
        assert_eq!(xp(&school.as_student, school.student).await, 210);
        assert_eq!(w.database.number("SELECT count(*) FROM awards WHERE cause = 'PERSON'").await, 1);
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'award_badge'").await, 1);
        w.finish().await;
    }

    async fn five_hundred_rows_are_accepted_and_one_more_is_refused(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 3).await;
        let mut rows = vec![row(school.student); 500];
        rows.push(row(school.student));
        for (rows, remedy) in [(&rows[..], "this one has 501: split it."), (&[], "this one has none: send at least one.")] {
            let before = w.database.rows().await;
            let error = refused(&school.teacher, "awardBadges", &json!({"badgeId": id, "rows": rows})).await;
            assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_INPUT"), &json!(["input", "rows"])));
            assert!(error["message"].as_str().unwrap().ends_with(remedy), "{error}");
            assert_eq!(w.database.rows().await, before);
        }
        let results = grant_badges(&school.teacher, &id, &rows[..500]).await;
        assert_eq!(results.len(), 500);
        assert!(results.iter().zip(0..).all(|(result, nth)| result["index"] == nth && result["duplicate"] == (nth > 0)));
        assert_eq!(xp(&school.as_student, school.student).await, 3);
        w.finish().await;
    }

    async fn eight_rows_take_the_statements_of_one_for_every_number_of_students(w: World) {
        let school = School::found(&w).await;
        let class = class(&w, &school, 101).await;
        let id = badge(&school.admin, "Team Player", 100).await;
        let one = statements(&w, &school.teacher, &id, &class[..1]).await;
        // They result in 32 awards and 8 levels, which still fit into one statement.
        assert_eq!(statements(&w, &school.teacher, &id, &class[1..9]).await, one);
        assert!(one <= 25, "{one} statements are many");
        // A teacher with one student needs as many statements as this one.
        let (id, other) = (badge(&school.admin, "Helper", 100).await, School::found(&w).await);
        assert_eq!(statements(&w, &other.teacher, &id, &[other.student]).await, one);
        w.finish().await;
    }

    async fn an_overflowing_row_is_refused_without_affecting_others(w: World) {
        let school = School::found(&w).await;
        let other = class(&w, &school, 1).await[0];
        let id = badge(&school.admin, "Team Player", 100).await;
        grant_badge(&school.teacher, &id, school.student).await;
        // The maximum XP that still leaves room for the further awards.
        let full = 2_147_483_647_i64 - 210;
        let execute = async |sql: String| w.database.execute(&sql).await;
        let person = match w.database.backend {
            tests::Backend::Postgres => format!("'{}'", school.student),
            tests::Backend::Sqlite => format!("x'{}'", school.student.simple()),
        };
        execute(format!("UPDATE totals SET xp = xp + {full} WHERE person_id = {person}")).await;
        let next = badge(&school.admin, "Helper", 1).await;
        let results = grant_badges(&school.admin, &next, &[row(school.student), row(other)]).await;
        let errors = &results[0]["userErrors"];
        assert_eq!(*errors, json!([{"field": ["input", "rows", "0", "studentId"], "code": "INVALID_INPUT", "reason": null}]));
        assert_eq!(results[1]["award"]["xpBonus"], 1);
        execute(format!("UPDATE totals SET xp = xp - {full} WHERE person_id = {person}")).await;
        assert_eq!(w.person(school.student, Role::Student).ask("{ me { xp } }", json!({})).await.data()["me"]["xp"], 210);
        w.finish().await;
    }
}
