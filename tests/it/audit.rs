//! Events that people record for others: each new one is an action on another person's record.

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use crate::courses::{course, enroll, join, mutate};

const RECORD: &str = "mutation($input: RecordEventInput!) { recordEvent(input: $input) {
    eventId duplicate userErrors { code } } }";
const LOG: &str = "query($id: ID!) { auditLog(userId: $id) { nodes {
    actor role act user { id } objectId at requestId } } }";
const WRITTEN: &str = "SELECT count(*) FROM audit_log WHERE act = 'record_event'";

fn answered(id: &str, person: Uuid) -> Value {
    json!({"id": id, "userId": person, "activity": "question_answered", "attributes": {"correct": true}})
}

/// Creates `number` students.
async fn students(w: &World, number: usize) -> Vec<Uuid> {
    let mut students = Vec::new();
    for _ in 0..number {
        students.push(w.student("UTC").await);
    }
    students
}

/// The number of statements for recording one event of each of `number` new students.
async fn statements(w: &World, client: &Client, number: usize) -> u64 {
    let events = students(w, number).await.into_iter().map(|student| answered(&student.to_string(), student));
    let events: Vec<Value> = events.collect();
    let before = w.server.app.db.statements();
    let answer = client.record_all(&events).await;
    let after = w.server.app.db.statements();
    assert!(answer["results"].as_array().unwrap().iter().all(|row| row["duplicate"] == json!(false)));
    after - before
}

on_both! {
    async fn an_event_that_an_admin_records_for_a_person_is_audited_once(w: World) {
        let (admin_id, admin) = join(&w, Role::Admin).await;
        let (head_id, head) = join(&w, Role::SuperAdmin).await;
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        let recorded = admin.ask(RECORD, json!({"input": answered("q1", ada)})).await;
        let request = recorded.headers["x-request-id"].to_str().unwrap();
        let log = head.ask(LOG, json!({"id": ada})).await;
        assert_eq!(log.data()["auditLog"]["nodes"][0], json!({
            "actor": admin_id, "role": "ADMIN", "act": "record_event", "user": {"id": ada},
            "objectId": recorded.data()["recordEvent"]["eventId"], "at": "2026-01-15T12:00:00.000Z", "requestId": request,
        }));
        assert_eq!(w.database.number(WRITTEN).await, 1);
        // Repeats, refused events and self-reports create no audit entry.
        let mut wrong = answered("q2", ada);
        wrong["activity"] = json!("nothing_known");
        let rows = [answered("q1", ada), answered("q3", ada), answered("q3", ada), wrong, answered("q4", admin_id),
            answered("q5", ben), answered("q6", Uuid::new_v4())];
        let results = admin.record_all(&rows).await["results"].clone();
        let told: Vec<Value> = results.as_array().unwrap().iter()
            .map(|row| if row["eventId"].is_null() { Value::Null } else { row["duplicate"].clone() }).collect();
        assert_eq!(json!(told), json!([true, false, true, null, false, false, null]));
        assert_eq!(w.database.number(WRITTEN).await, 3);
        for (person, nth) in [(ada, 1), (ben, 5)] {
            let log = head.ask(LOG, json!({"id": person})).await;
            assert_eq!(log.data()["auditLog"]["nodes"][0]["objectId"], results[nth]["eventId"]);
        }
        // A service's events already name it, and self-reports concern only the reporter.
        w.service().record(answered("q7", ada)).await;
        head.record(answered("q8", head_id)).await;
        assert_eq!(w.database.number(WRITTEN).await, 3);
        w.finish().await;
    }

    async fn concurrent_recorders_are_audited_under_their_own_names(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let mut pairs = Vec::new();
        for student in students(&w, 16).await {
            pairs.push((join(&w, Role::Admin).await, student));
        }
        join_all(pairs.iter().map(|((_, admin), student)| admin.record(answered("q", *student)))).await;
        assert_eq!(w.database.number(WRITTEN).await, 16);
        for ((admin, _), student) in &pairs {
            let log = head.ask(LOG, json!({"id": student})).await;
            let act = &log.data()["auditLog"]["nodes"][0];
            assert_eq!((&act["act"], &act["actor"]), (&json!("record_event"), &json!(admin)));
        }
        w.finish().await;
    }

    async fn twenty_events_are_audited_with_one_statement(w: World) {
        let (_, admin) = join(&w, Role::Admin).await;
        for number in [1, 20] {
            let silent = statements(&w, &w.service(), number).await;
            // One statement looks up the admin; a service is known from its token.
            assert_eq!(statements(&w, &admin, number).await, silent + 2);
        }
        w.finish().await;
    }

    async fn relations_ended_by_a_change_of_role_are_audited_for_the_people_concerned(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (teacher, as_teacher) = join(&w, Role::Teacher).await;
        let (parent, _) = join(&w, Role::Parent).await;
        let (ada, as_ada) = join(&w, Role::Student).await;
        let (ben, as_ben) = join(&w, Role::Student).await;
        let taught = course(&as_teacher, 1).await;
        for child in [ada, ben] {
            let link = json!({"parentId": parent, "studentId": child});
            assert_eq!(mutate(&head, "linkGuardian", "", link).await["userErrors"], json!([]));
        }
        enroll(&as_ada, &taught, None).await;
        enroll(&as_ben, &taught, None).await;
        for (person, role) in [(ada, "TEACHER"), (teacher, "PARENT"), (parent, "STUDENT")] {
            let input = json!({"id": person, "displayName": "Ada", "role": role});
            assert_eq!(mutate(&head, "upsertUser", "", input).await["userErrors"], json!([]));
        }
        let log = async |person: Uuid| {
            let log = head.ask(LOG, json!({"id": person})).await.data()["auditLog"]["nodes"].clone();
            let rows = log.as_array().unwrap().iter();
            json!(rows.map(|row| json!([row["act"], row["objectId"]])).collect::<Vec<_>>())
        };
        // Newest first.
        let (course, linked) = (json!(taught.id), json!(parent));
        assert_eq!(log(ada).await, json!([
            ["upsert_user", null], ["unenroll", course], ["unlink_guardian", linked], ["link_guardian", linked],
        ]));
        assert_eq!(log(teacher).await, json!([["upsert_user", null], ["update_course", course]]));
        assert_eq!(log(ben).await, json!([["unlink_guardian", linked], ["link_guardian", linked]]));
        assert_eq!(log(parent).await, json!([["upsert_user", null]]));
        w.finish().await;
    }
}
