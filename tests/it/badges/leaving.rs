//! Rights that end during an action: each action waits for a change on another connection, and the change then decides
//! about it. SQLite has only one writer, so there no action runs concurrently with another.

use std::pin::pin;

use futures_util::future::{Either, select};
use plaudit::auth::Role;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tests::{Backend, Client, World};
use uuid::Uuid;

use super::{School, badge, grant_badge};
use crate::courses::{course, enroll, join, text};

/// An action of a teacher: its input for a student, and for a missing id.
struct Act {
    name: &'static str,
    select: &'static str,
    here: Value,
    nowhere: Value,
}

impl Act {
    async fn ask(&self, client: &Client, input: &Value) -> String {
        let (first, rest) = self.name.split_at(1);
        let document = format!(
            "mutation($input: {}{rest}Input!) {{ {}(input: $input) {{ {} userErrors {{ field code message reason }} }} }}",
            first.to_uppercase(),
            self.name,
            self.select
        );
        client.exchange(&document, json!({"input": input}), "leaving").await.1
    }
}

/// The actions of a teacher on their students, where rights can end between the first check and the last.
async fn acts(school: &School) -> Vec<Act> {
    let (one, two) = (badge(&school.admin, "One", 10).await, badge(&school.admin, "Two", 10).await);
    let award = text(&grant_badge(&school.teacher, &two, school.student).await.0["id"]);
    let act = |name, select, input: &dyn Fn(Value) -> Value, here: Value| {
        let (here, nowhere) = (input(here), input(json!(Uuid::new_v4())));
        Act { name, select, here, nowhere }
    };
    let student = json!(school.student);
    let results = "results { award { id } userErrors { field code message reason } }";
    vec![
        act("awardBadge", "award { id }", &|id| json!({"badgeId": one, "studentId": id}), student.clone()),
        act(
            "awardBadges",
            results,
            &|id| json!({"badgeId": one, "rows": [{"studentId": id}]}),
            student.clone(),
        ),
        act(
            "createCertificate",
            "certificate { id }",
            &|id| json!({"studentId": id, "title": "Science", "issuedBy": "Board", "issuedDate": "2026-01-15"}),
            student,
        ),
        act("revokeAward", "award { id }", &|id| json!({"awardId": id, "reason": "A mistake"}), json!(award)),
    ]
}

/// Makes a change that the action waits for, and then commits it; returns the response to the action.
async fn amid(w: &World, change: &str, act: impl Future<Output = String>) -> String {
    let beside = w.database.connect().await;
    let held = beside.begin().await.unwrap();
    held.execute_unprepared(change).await.unwrap();
    let waiting = async {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name = 'plaudit' AND wait_event_type = 'Lock'";
        while w.database.number(sql).await == 0 {}
    };
    let told = match select(pin!(act), pin!(waiting)).await {
        Either::Left((told, _)) => panic!("it waited for nobody: {told}"),
        Either::Right(((), act)) => {
            held.commit().await.unwrap();
            act.await
        }
    };
    beside.close().await.unwrap();
    told
}

/// Runs the action during the change: the response equals that for a missing id, and only the change is stored.
async fn reported_as_missing_during(w: &World, client: &Client, act: &Act, change: &str, changed: &str) {
    w.server.settle().await.unwrap();
    let mut before = w.database.contents().await;
    let told = amid(w, change, act.ask(client, &act.here)).await;
    assert_eq!(told, act.ask(client, &act.nowhere).await, "{}", act.name);
    assert!(told.contains("\"code\":\"NOT_FOUND\""), "{told}");
    let mut after = w.database.contents().await;
    assert_ne!(before.remove(changed), after.remove(changed), "{}: the change holds", act.name);
    assert_eq!(before, after, "{}", act.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_student_who_leaves_during_an_action_is_out_of_reach() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let school = School::found(&w).await;
    let student = school.student;
    let leave = format!(
        "SELECT id FROM people WHERE id = '{student}' FOR NO KEY UPDATE;
         UPDATE enrollments SET ended_at = enrolled_at WHERE student_id = '{student}'"
    );
    for act in acts(&school).await {
        reported_as_missing_during(&w, &school.teacher, &act, &leave, "enrollments").await;
        enroll(&school.as_student, &school.course, None).await;
    }
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_course_handed_over_during_an_action_no_longer_gives_access_to_its_students() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let school = School::found(&w).await;
    let (colleague, _) = join(&w, Role::Teacher).await;
    let second = course(&school.teacher, 1).await;
    let taught = |by: Uuid| format!("UPDATE courses SET teacher_id = '{by}'");
    let mut all = acts(&school).await;
    let lesson = |id: Value| json!({"lessonId": id, "studentId": school.student});
    let (here, nowhere) = (lesson(json!(school.course.lessons[0])), lesson(json!(Uuid::new_v4())));
    all.push(Act { name: "completeLesson", select: "lesson { id }", here, nowhere });
    let into = |id: &str| json!({"courseId": id, "studentId": school.student});
    let (here, nowhere) = (into(&second.id), into(&Uuid::new_v4().to_string()));
    all.push(Act { name: "enroll", select: "course { id }", here, nowhere });
    for act in all {
        reported_as_missing_during(&w, &school.teacher, &act, &taught(colleague), "courses").await;
        w.database.execute(&taught(school.teacher_id)).await;
    }
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teacher_linked_to_the_child_during_an_award_cannot_award_it() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let school = School::found(&w).await;
    let (child, teacher) = (school.student, school.teacher_id);
    let link = format!(
        "SELECT id FROM people WHERE id = '{child}' FOR NO KEY UPDATE;
         INSERT INTO guardians (guardian_id, child_id, linked_at) VALUES ('{teacher}', '{child}', now())"
    );
    let award = acts(&school).await.swap_remove(0);
    w.server.settle().await.unwrap();
    let rows = w.database.rows().await;
    let told = amid(&w, &link, award.ask(&school.teacher, &award.here)).await;
    assert!(told.contains("\"code\":\"FORBIDDEN\"") && told.contains("\"reason\":\"OWN_CHILD\""), "{told}");
    let mut after = w.database.rows().await;
    *after.get_mut("guardians").unwrap() -= 1;
    assert_eq!(after, rows);
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_badge_retired_during_an_award_is_not_awarded() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let school = School::found(&w).await;
    let award = acts(&school).await.swap_remove(0);
    let retire =
        "UPDATE achievements SET definition = definition || '{\"active\": false}' WHERE pack = 'school'";
    w.server.settle().await.unwrap();
    let rows = w.database.rows().await;
    let told = amid(&w, retire, award.ask(&school.teacher, &award.here)).await;
    assert!(told.contains("\"code\":\"CONFLICT\"") && told.contains("\"reason\":\"RETIRED\""), "{told}");
    assert_eq!(w.database.rows().await, rows);
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_loses_the_teacher_role_during_an_action_gets_no_course() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let school = School::found(&w).await;
    let (colleague, _) = join(&w, Role::Teacher).await;
    let demoted = format!("UPDATE people SET role = 'parent' WHERE id = '{colleague}'");
    let input = json!({"id": school.course.id, "teacherId": colleague});
    let give = "mutation($input: UpdateCourseInput!) { updateCourse(input: $input) {
        course { id } userErrors { field code } } }";
    let told =
        amid(&w, &demoted, async { school.admin.exchange(give, json!({"input": input}), "leaving").await.1 })
            .await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let refused = json!([{"field": ["input", "teacherId"], "code": "INVALID_INPUT"}]);
    assert_eq!(told["data"], json!({"updateCourse": {"course": null, "userErrors": refused}}));
    w.finish().await;
}
