//! Invalid input of all course mutations: each error has a code and a field, and nothing is stored.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, on_both};
use uuid::Uuid;

use super::{Course, comment, course, enroll, join, mutate, refused, text};

#[track_caller]
fn expect(error: &Value, code: &str, field: &[&str], of: &Value) {
    let field: Vec<&str> = ["input"].iter().chain(field).copied().collect();
    assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(field)), "{of}: {error}");
}

on_both! {
    async fn each_fault_is_reported_at_its_field_and_nothing_is_stored(w: World) {
        let (_, admin) = join(&w, Role::Admin).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (teacher_id, service, stranger) = (join(&w, Role::Teacher).await.0, w.service(), Uuid::new_v4());
        let rust = course(&teacher, 2).await;
        enroll(&ada, &rust, None).await;
        let (id, lesson) = (&rust.id, &rust.lessons[0]);
        let (long, longer) = ("x".repeat(201), "x".repeat(2_001));
        let crowd = vec!["One"; 501];
        let (bad, gone) = ("INVALID_INPUT", "NOT_FOUND");
        let faults: Vec<(&Client, &str, Value, &str, &[&str])> = vec![
            (&admin, "createCourse", json!({"title": "", "lessons": []}), bad, &["title"]),
            (&admin, "createCourse", json!({"title": " \u{a0}", "lessons": []}), bad, &["title"]),
            (&admin, "createCourse", json!({"title": long, "lessons": []}), bad, &["title"]),
            (&admin, "createCourse", json!({"title": "a\nb", "lessons": []}), bad, &["title"]),
            (&admin, "createCourse", json!({"title": "a\u{0}b", "lessons": []}), bad, &["title"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": ["One", ""]}), bad, &["lessons", "1"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": ["\u{1b}"]}), bad, &["lessons", "0"]),
            (&admin, "createCourse", json!({"title": "a\u{202d}b", "lessons": []}), bad, &["title"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": ["a\u{200b}"]}), bad, &["lessons", "0"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": crowd}), bad, &["lessons"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": [], "teacherId": "x"}), bad, &["teacherId"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": [], "teacherId": ada_id}), bad, &["teacherId"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": [], "teacherId": stranger}), gone, &["teacherId"]),
            (&admin, "createCourse", json!({"title": "a", "lessons": [], "certificateTitle": ""}), bad, &["certificateTitle"]),
            (&admin, "updateCourse", json!({"id": "x"}), bad, &["id"]),
            (&admin, "updateCourse", json!({"id": stranger}), gone, &["id"]),
            (&admin, "updateCourse", json!({"id": lesson}), gone, &["id"]),
            (&admin, "updateCourse", json!({"id": id, "title": null}), bad, &["title"]),
            (&admin, "updateCourse", json!({"id": id, "title": long}), bad, &["title"]),
            (&admin, "updateCourse", json!({"id": id, "teacherId": ada_id}), bad, &["teacherId"]),
            (&admin, "updateCourse", json!({"id": id, "teacherId": ""}), bad, &["teacherId"]),
            (&admin, "updateCourse", json!({"id": id, "addLessons": ["a\u{2028}b"]}), bad, &["addLessons", "0"]),
            (&admin, "updateCourse", json!({"id": id, "addLessons": vec!["One"; 499]}), bad, &["addLessons"]),
            (&admin, "updateCourse", json!({"id": id, "certificateTitle": long}), bad, &["certificateTitle"]),
            (&ada, "enroll", json!({"courseId": "x"}), bad, &["courseId"]),
            (&ada, "enroll", json!({"courseId": stranger}), gone, &["courseId"]),
            (&admin, "enroll", json!({"courseId": id, "studentId": "x"}), bad, &["studentId"]),
            (&admin, "enroll", json!({"courseId": id, "studentId": stranger}), gone, &["studentId"]),
            (&admin, "enroll", json!({"courseId": id, "studentId": teacher_id}), bad, &["studentId"]),
            (&admin, "enroll", json!({"courseId": id}), bad, &["studentId"]),
            (&service, "enroll", json!({"courseId": id}), bad, &["studentId"]),
            (&ada, "completeLesson", json!({"lessonId": ""}), bad, &["lessonId"]),
            (&ada, "completeLesson", json!({"lessonId": stranger}), gone, &["lessonId"]),
            (&ada, "completeLesson", json!({"lessonId": id}), gone, &["lessonId"]),
            (&admin, "completeLesson", json!({"lessonId": lesson, "studentId": "x"}), bad, &["studentId"]),
            (&admin, "completeLesson", json!({"lessonId": lesson, "studentId": stranger}), gone, &["studentId"]),
            (&admin, "completeLesson", json!({"lessonId": lesson}), bad, &["studentId"]),
            (&service, "completeLesson", json!({"lessonId": lesson}), bad, &["studentId"]),
            (&ada, "writeComment", json!({"lessonId": "x", "body": "Hello"}), bad, &["lessonId"]),
            (&ada, "writeComment", json!({"lessonId": stranger, "body": "Hello"}), gone, &["lessonId"]),
            (&ada, "writeComment", json!({"lessonId": lesson, "body": " \n"}), bad, &["body"]),
            (&ada, "writeComment", json!({"lessonId": lesson, "body": longer}), bad, &["body"]),
            (&ada, "writeComment", json!({"lessonId": lesson, "body": "a\u{0}"}), bad, &["body"]),
        ];
        let rows = w.database.rows().await;
        for (client, name, input, code, field) in faults {
            expect(&refused(client, name, &input).await, code, field, &input);
        }
        assert_eq!(w.database.rows().await, rows);
        let titles = "SELECT count(*) FROM courses WHERE title = 'Rust' AND certificate_title IS NULL AND teacher_id IS NOT NULL";
        assert_eq!(w.database.number(titles).await, 1);
        w.finish().await;
    }

    async fn text_is_returned_unchanged_on_every_database(w: World) {
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (_, ada) = join(&w, Role::Student).await;
        let texts = ["👩‍👩‍👧‍👦 families", "שלום, עולם", "Zoë", "'; DROP TABLE courses; --", "100% _|_"];
        let shown = "course { id title certificateTitle lessons { id title position } }";
        for (nth, sent) in texts.into_iter().enumerate() {
            let input = json!({"title": sent, "certificateTitle": sent, "lessons": [sent, sent]});
            let made = mutate(&teacher, "createCourse", shown, input).await;
            assert_eq!(made["userErrors"], json!([]));
            let made = &made["course"];
            let lesson = &made["lessons"][1];
            assert_eq!((&made["title"], &made["certificateTitle"]), (&json!(sent), &json!(sent)));
            assert_eq!((&lesson["title"], &lesson["position"]), (&json!(sent), &json!(2)));
            let course = Course { id: text(&made["id"]), lessons: vec![text(&lesson["id"])] };
            enroll(&ada, &course, None).await;
            comment(&ada, &course.lessons[0], &format!(" {sent}\r\n{sent}\n")).await;
            let kept = format!("SELECT count(*) FROM comments WHERE body LIKE '%{}%'", sent.replace('\'', "''").replace('%', "_"));
            assert_eq!(w.database.number(&kept).await, 1, "{sent}");
            let both = "SELECT CAST(count(*) AS bigint) FROM comments";
            assert_eq!(w.database.number(both).await, i64::try_from(nth).unwrap() + 1);
        }
        // Decomposed characters are stored composed.
        let made = mutate(&teacher, "createCourse", "course { title }", json!({"title": " Zoe\u{308} ", "lessons": []})).await;
        assert_eq!(made["course"]["title"], "Zo\u{eb}");
        w.finish().await;
    }
}
