//! A teacher deletes a certificate that they issued, within a day.

use chrono::TimeDelta;
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, on_both};
use uuid::Uuid;

use super::{DELETE, School, create, refused, science};
use crate::courses::{course, enroll, mutate, text};

async fn id_of(client: &Client) -> Uuid {
    text(&client.ask("{ me { id } }", json!({})).await.data()["me"]["id"]).parse().unwrap()
}

async fn delete(client: &Client, id: &Value) -> tests::Answer {
    client.ask(DELETE, json!({"input": {"id": id}})).await
}

on_both! {
    async fn a_teacher_deletes_their_own_certificate_within_a_day(w: World) {
        let school = School::found(&w).await;
        let [one, two, three] = [create(&school.teacher, science(school.student)).await,
            create(&school.teacher, science(school.student)).await, create(&school.teacher, science(school.student)).await]
            .map(|certificate| certificate["id"].clone());
        let (teacher, admin) = (id_of(&school.teacher).await, id_of(&school.admin).await);
        w.tick(TimeDelta::hours(24));
        // Their first tokens have expired.
        let (teacher, admin) = (w.person(teacher, Role::Teacher), w.person(admin, Role::Admin));
        let student = w.person(school.student, Role::Student);
        let deleted = json!({"certificate": {"id": one, "deletedAt": "2026-01-16T12:00:00.000Z"}, "userErrors": []});
        assert_eq!(delete(&teacher, &one).await.data()["deleteCertificate"], deleted);
        assert_eq!(delete(&teacher, &one).await.data()["deleteCertificate"], deleted, "a repeat changes nothing");
        let audited = "SELECT count(*) FROM audit_log WHERE act = 'delete_certificate' AND role = 'teacher'";
        assert_eq!(w.database.number(audited).await, 1);
        let seen = "query($id: ID!) { certificate(id: $id) { id } }";
        for client in [&teacher, &student] {
            assert_eq!(client.ask(seen, json!({"id": one})).await.data()["certificate"], Value::Null);
        }
        w.tick(TimeDelta::milliseconds(1));
        let late = delete(&teacher, &two).await;
        assert_eq!(refused(&late, "deleteCertificate"), ("FORBIDDEN".to_owned(), vec!["id".to_owned()]));
        let message = &late.data()["deleteCertificate"]["userErrors"][0]["message"];
        assert_eq!(*message, "You can delete a certificate only within 24 hours after you issued it. Ask an admin to delete this one.");
        assert_eq!(w.database.number(audited).await, 1);
        for id in [&two, &three] {
            assert_eq!(delete(&admin, id).await.data()["deleteCertificate"]["userErrors"], json!([]));
        }
        w.finish().await;
    }

    async fn certificates_of_others_and_of_former_students_read_like_missing_ones(w: World) {
        let school = School::found(&w).await;
        let theirs = course(&school.other_teacher, 1).await;
        enroll(&school.as_student, &theirs, None).await;
        let own = create(&school.teacher, science(school.student)).await["id"].clone();
        let of_colleague = create(&school.other_teacher, science(school.student)).await["id"].clone();
        // The course issues a certificate without a person.
        let input = json!({"title": "Science", "lessons": ["One"], "certificateTitle": "Science done"});
        let made = mutate(&school.teacher, "createCourse", "course { id lessons { id } }", input).await["course"].clone();
        mutate(&school.as_student, "enroll", "enrolled", json!({"courseId": made["id"]})).await;
        let done = json!({"lessonId": text(&made["lessons"][0]["id"])});
        let of_course = mutate(&school.as_student, "completeLesson", "certificate { id }", done).await["certificate"]["id"].clone();
        let missing = delete(&school.teacher, &json!(Uuid::new_v4())).await;
        assert_eq!(refused(&missing, "deleteCertificate"), ("NOT_FOUND".to_owned(), vec!["id".to_owned()]));
        for id in [&of_colleague, &of_course] {
            assert_eq!(delete(&school.teacher, id).await.body, missing.body);
        }
        school.enroll(false).await;
        mutate(&school.as_student, "enroll", "enrolled", json!({"courseId": made["id"], "enrolled": false})).await;
        assert_eq!(delete(&school.teacher, &own).await.body, missing.body);
        assert_eq!(w.database.number("SELECT count(*) FROM certificates WHERE deleted_at IS NOT NULL").await, 0);
        w.finish().await;
    }
}
