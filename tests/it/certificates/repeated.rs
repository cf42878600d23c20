//! `clientMutationId`: a certificate that is sent again is issued once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Backend, Client, World, on_both};
use uuid::Uuid;

use super::{DELETE, School, UPDATE, rows, science};
use crate::courses::mutate;

const ISSUED: &str = "certificate { id number title student { id } } duplicate";

async fn issue(client: &Client, input: &Value) -> Value {
    mutate(client, "createCertificate", ISSUED, input.clone()).await
}

fn with_id(student: Uuid, id: &str) -> Value {
    let mut input = science(student);
    input["clientMutationId"] = json!(id);
    input
}

/// The only error: (code, field, reason).
fn error(payload: &Value) -> [Value; 3] {
    assert_eq!((&payload["certificate"], &payload["duplicate"]), (&Value::Null, &Value::Null));
    let [error] = payload["userErrors"].as_array().unwrap().as_slice() else { panic!("{payload}") };
    ["code", "field", "reason"].map(|name| error[name].clone())
}

on_both! {
    async fn a_certificate_that_is_sent_again_is_issued_once(w: World) {
        let school = School::found(&w).await;
        let input = with_id(school.student, "form-17");
        let first = issue(&school.teacher, &input).await;
        assert_eq!((&first["duplicate"], &first["userErrors"]), (&json!(false), &json!([])));
        w.tick(chrono::TimeDelta::minutes(50));
        // Equal after normalisation.
        let mut same = input.clone();
        same["title"] = json!("  Excellence in Science ");
        same["additionalMetadata"] = Value::Null;
        let before = w.database.rows().await;
        for input in [&input, &same] {
            let again = issue(&school.teacher, input).await;
            assert_eq!((&again["certificate"], &again["duplicate"]), (&first["certificate"], &json!(true)));
        }
        // A change by an admin does not make the repeat another input.
        let id = first["certificate"]["id"].clone();
        school.admin.ask(UPDATE, json!({"input": {"id": id, "title": "Excellence"}})).await.data();
        let again = issue(&school.teacher, &input).await;
        assert_eq!((&again["certificate"]["title"], &again["duplicate"]), (&json!("Excellence"), &json!(true)));
        let mut after = w.database.rows().await;
        after.entry("audit_log".to_owned()).and_modify(|rows| *rows -= 1);
        assert_eq!(after, before, "only the admin's change is audited");
        for sql in [
            "SELECT count(*) FROM certificates", "SELECT count(*) FROM feed WHERE kind = 'CERTIFICATE_ISSUED'",
            "SELECT count(*) FROM outbox WHERE kind = 'CERTIFICATE_ISSUED'",
            "SELECT count(*) FROM audit_log WHERE act = 'create_certificate' AND role = 'teacher'",
        ] {
            assert_eq!(w.database.number(sql).await, 1, "{sql}");
        }
        w.finish().await;
    }

    async fn an_id_of_another_input_is_a_conflict_and_an_id_of_another_caller_is_not(w: World) {
        let school = School::found(&w).await;
        let input = with_id(school.student, "form-17");
        let first = issue(&school.admin, &input).await;
        let before = w.database.rows().await;
        for (field, value) in [
            ("title", json!("Excellence")), ("issuedBy", json!("The school")), ("issuedDate", json!("2025-06-16")),
            ("description", json!("Well done")), ("documentUrl", Value::Null), ("additionalMetadata", json!({})),
            ("studentId", json!(school.stranger)),
        ] {
            let mut other = input.clone();
            other[field] = value;
            let refused = error(&issue(&school.admin, &other).await);
            assert_eq!(refused, [json!("CONFLICT"), json!(["input", "clientMutationId"]), json!("ID_REUSED")], "{field}");
        }
        for id in [String::new(), "x".repeat(129), "a\nb".to_owned(), "a\u{0}".to_owned()] {
            let refused = error(&issue(&school.admin, &with_id(school.student, &id)).await);
            assert_eq!(refused, [json!("INVALID_INPUT"), json!(["input", "clientMutationId"]), Value::Null], "{id:?}");
        }
        assert_eq!(w.database.rows().await, before);
        let others = issue(&school.teacher, &input).await;
        let longest = issue(&school.admin, &with_id(school.student, &"é".repeat(128))).await;
        let without = [issue(&school.admin, &science(school.student)).await, issue(&school.admin, &science(school.student)).await];
        let issued = [&first, &others, &longest, &without[0], &without[1]];
        assert!(issued.iter().all(|payload| payload["duplicate"] == json!(false)));
        let numbers: BTreeSet<String> = issued.iter().map(|payload| payload["certificate"]["number"].to_string()).collect();
        assert_eq!((numbers.len(), rows(&w, "certificates").await), (5, 5));
        w.finish().await;
    }

    async fn a_repeat_shows_no_deleted_certificate_and_none_of_a_former_student(w: World) {
        let school = School::found(&w).await;
        let (kept, gone) = (with_id(school.student, "kept"), with_id(school.student, "gone"));
        issue(&school.teacher, &kept).await;
        let issued = issue(&school.teacher, &gone).await;
        school.admin.ask(DELETE, json!({"input": {"id": issued["certificate"]["id"]}})).await.data();
        let refused = error(&issue(&school.teacher, &gone).await);
        assert_eq!(refused, [json!("CONFLICT"), json!(["input", "clientMutationId"]), json!("CERTIFICATE_DELETED")]);
        school.enroll(false).await;
        let refused = error(&issue(&school.teacher, &kept).await);
        assert_eq!(refused, [json!("NOT_FOUND"), json!(["input", "studentId"]), json!("STUDENT_NOT_FOUND")]);
        assert_eq!(rows(&w, "certificates").await, 2);
        w.finish().await;
    }

    async fn equal_requests_at_once_issue_one_certificate(w: World) {
        race(&w, &[w.url()]).await;
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_at_once_to_two_servers_issue_one_certificate() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let second = w.second_server().await;
    race(&w, &[w.url(), format!("http://{}", second.address)]).await;
    second.stop().await;
    w.finish().await;
}

/// Ten rounds of two equal requests at once, and of two with one id and different students.
async fn race(w: &World, urls: &[String]) {
    let school = School::found(w).await;
    for round in 0..10 {
        let equal = with_id(school.student, &format!("equal {round}"));
        let callers = [0, 1].map(|nth| school.admin.at(urls[nth % urls.len()].clone()));
        let both = join_all(callers.iter().map(|client| issue(client, &equal))).await;
        let mut duplicates =
            both.iter().map(|payload| payload["duplicate"].as_bool().unwrap()).collect::<Vec<_>>();
        duplicates.sort_unstable();
        assert_eq!(duplicates, [false, true]);
        assert_eq!(both[0]["certificate"], both[1]["certificate"]);

        let inputs = [school.student, school.stranger].map(|id| with_id(id, &format!("different {round}")));
        let both = join_all(callers.iter().zip(&inputs).map(|(client, input)| issue(client, input))).await;
        let refused: Vec<&Value> = both.iter().filter(|payload| payload["certificate"].is_null()).collect();
        assert_eq!(refused.len(), 1, "{both:?}");
        assert_eq!(error(refused[0])[2], "ID_REUSED");
    }
    assert_eq!(rows(w, "certificates").await, 20);
}
