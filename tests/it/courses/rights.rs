//! Who may do what in courses. An object that the caller may not change is reported as missing.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use super::{Course, complete, course, enroll, forbidden, join, leave, mutate, refused};

/// Refused in `field` with the same response as for a missing id; and no row of any table is changed.
async fn reported_as_missing(w: &World, client: &Client, name: &str, input: Value, field: &str) {
    let rows = w.database.rows().await;
    let error = refused(client, name, &input).await;
    assert_eq!((&error["code"], &error["field"]), (&json!("NOT_FOUND"), &json!(["input", field])), "{name}");
    let mut missing = input;
    missing[field] = json!(Uuid::new_v4());
    assert_eq!(refused(client, name, &missing).await, error, "{name} {missing}");
    assert_eq!(w.database.rows().await, rows, "{name}");
}

on_both! {
    async fn a_role_without_permission_is_refused_before_any_look_up(w: World) {
        let (_, admin) = join(&w, Role::Admin).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (_, student) = join(&w, Role::Student).await;
        let (_, parent) = join(&w, Role::Parent).await;
        let service = w.service();
        let rust = course(&admin, 1).await;
        let make = json!({"title": "", "lessons": []});
        let change = json!({"id": rust.id, "title": "Mine"});
        let link = json!({"parentId": "x", "studentId": "y"});
        let rows = w.database.rows().await;
        for (client, name, input) in [
            (&student, "createCourse", &make),
            (&parent, "createCourse", &make),
            (&service, "createCourse", &make),
            (&student, "updateCourse", &change),
            (&parent, "updateCourse", &change),
            (&service, "updateCourse", &change),
            (&teacher, "linkGuardian", &link),
            (&student, "linkGuardian", &link),
            (&parent, "linkGuardian", &link),
            (&parent, "enroll", &json!({"courseId": rust.id})),
            (&parent, "completeLesson", &json!({"lessonId": rust.lessons[0]})),
            (&service, "writeComment", &json!({"lessonId": rust.lessons[0], "body": "Hello"})),
        ] {
            assert_eq!(forbidden(client, name, input.clone()).await, "FORBIDDEN", "{name}");
        }
        assert_eq!(forbidden(&w.nobody(), "enroll", json!({"courseId": rust.id})).await, "UNAUTHENTICATED");
        assert_eq!(w.database.rows().await, rows);
        w.finish().await;
    }

    async fn a_teacher_makes_and_changes_courses_of_their_own_alone(w: World) {
        let (_, admin) = join(&w, Role::Admin).await;
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        let (hedy_id, hedy) = join(&w, Role::Teacher).await;
        let taught_by = "course { title teacher { id } lessons { title } }";
        let made = mutate(&grace, "createCourse", taught_by, json!({"title": "COBOL", "lessons": ["One"]})).await;
        assert_eq!(made["course"]["teacher"]["id"], json!(grace_id));
        let with = json!({"title": "Radio", "lessons": [], "teacherId": hedy_id});
        reported_as_missing(&w, &grace, "createCourse", with.clone(), "teacherId").await;
        let made = mutate(&admin, "createCourse", "course { id teacher { id } }", with).await;
        assert_eq!(made["course"]["teacher"]["id"], json!(hedy_id));
        let radio = made["course"]["id"].clone();
        reported_as_missing(&w, &grace, "updateCourse", json!({"id": radio, "title": "Mine"}), "id").await;
        // A new teacher also takes over the students of the course.
        let over = json!({"id": radio, "teacherId": grace_id});
        reported_as_missing(&w, &hedy, "updateCourse", over.clone(), "teacherId").await;
        let more = json!({"id": radio, "title": "Radio II", "addLessons": ["One", "Two"]});
        let changed = mutate(&hedy, "updateCourse", taught_by, more).await;
        let is = json!({"title": "Radio II", "teacher": {"id": hedy_id}, "lessons": [{"title": "One"}, {"title": "Two"}]});
        assert_eq!(changed, json!({"course": is, "userErrors": []}));
        let changed = mutate(&admin, "updateCourse", "course { teacher { id } }", over).await;
        assert_eq!(changed["course"]["teacher"]["id"], json!(grace_id));
        reported_as_missing(&w, &hedy, "updateCourse", json!({"id": radio, "title": "Mine"}), "id").await;
        let nobody = json!({"id": radio, "teacherId": null});
        let rows = w.database.contents().await;
        let error = refused(&grace, "updateCourse", &nobody).await;
        assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_INPUT"), &json!(["input", "teacherId"])));
        assert!(w.database.contents().await == rows, "nobody gives their own course away");
        let changed = mutate(&admin, "updateCourse", "course { teacher { id } }", nobody).await;
        assert_eq!(changed["course"], json!({"teacher": null}));
        let acts = "SELECT count(*) FROM audit_log WHERE act = 'update_course'";
        assert_eq!(w.database.number(acts).await, 2 + 2, "from one teacher to the other, from the other to nobody");
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'create_course'").await, 1);
        w.finish().await;
    }

    async fn a_teacher_enrols_only_students_of_theirs_and_only_in_their_courses(w: World) {
        let (_, grace) = join(&w, Role::Teacher).await;
        let (_, hedy) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (cobol, math, radio) = (course(&grace, 1).await, course(&grace, 1).await, course(&hedy, 1).await);
        let into = |course: &Course| json!({"courseId": course.id, "studentId": ada_id});
        reported_as_missing(&w, &grace, "enroll", into(&cobol), "studentId").await;
        enroll(&ada, &cobol, None).await;
        enroll(&grace, &math, Some(ada_id)).await;
        reported_as_missing(&w, &grace, "enroll", into(&radio), "courseId").await;
        reported_as_missing(&w, &hedy, "enroll", into(&radio), "studentId").await;
        reported_as_missing(&w, &hedy, "enroll", into(&cobol), "courseId").await;
        leave(&grace, &math, Some(ada_id)).await;
        leave(&ada, &cobol, None).await;
        reported_as_missing(&w, &grace, "enroll", into(&math), "studentId").await;
        // An admin or a service can add students too.
        enroll(&w.service(), &radio, Some(ada_id)).await;
        leave(&hedy, &radio, Some(ada_id)).await;
        let acts = |act: &str| format!("SELECT count(*) FROM audit_log WHERE act = '{act}' AND person_id IS NOT NULL");
        assert_eq!(w.database.number(&acts("enroll")).await, 2, "Grace's and the service's");
        assert_eq!(w.database.number(&acts("unenroll")).await, 2, "Grace's and Hedy's");
        w.finish().await;
    }

    async fn a_teacher_completes_lessons_for_students_of_theirs_in_their_courses(w: World) {
        let (_, grace) = join(&w, Role::Teacher).await;
        let (_, hedy) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (eve_id, eve) = join(&w, Role::Student).await;
        let (cobol, math, radio) = (course(&grace, 1).await, course(&grace, 1).await, course(&hedy, 1).await);
        enroll(&ada, &cobol, None).await;
        enroll(&ada, &radio, None).await;
        let of = |course: &Course, student| json!({"lessonId": course.lessons[0], "studentId": student});
        reported_as_missing(&w, &grace, "completeLesson", of(&radio, ada_id), "lessonId").await;
        reported_as_missing(&w, &grace, "completeLesson", of(&math, ada_id), "lessonId").await;
        reported_as_missing(&w, &grace, "completeLesson", of(&cobol, eve_id), "studentId").await;
        reported_as_missing(&w, &eve, "completeLesson", of(&cobol, ada_id), "studentId").await;
        assert_eq!(complete(&grace, &cobol.lessons[0], Some(ada_id)).await, ["first-lesson-watched"]);
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'complete_lesson' AND role = 'teacher'").await, 1);
        leave(&ada, &cobol, None).await;
        reported_as_missing(&w, &grace, "completeLesson", of(&cobol, ada_id), "studentId").await;
        w.finish().await;
    }
}
