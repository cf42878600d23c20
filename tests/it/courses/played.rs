//! A course from start to end: the resulting awards, when they are earned, and that each is earned once.

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::json;
use tests::{Client, on_both};

use super::{comment, complete, course, enroll, join, leave, mutate, refused, text};

/// The number of the lesson or comment that earns each achievement.
const BY_LESSONS: [(usize, &str); 5] = [
    (1, "first-lesson-watched"),
    (5, "5-lessons-watched"),
    (10, "10-lessons-watched"),
    (25, "25-lessons-watched"),
    (50, "50-lessons-watched"),
];
const BY_COMMENTS: [(usize, &str); 5] = [
    (1, "first-comment-written"),
    (3, "3-comments-written"),
    (5, "5-comments-written"),
    (10, "10-comments-written"),
    (20, "20-comments-written"),
];

fn due(of: &[(usize, &str)], nth: usize) -> Vec<String> {
    of.iter().filter(|(at, _)| *at == nth).map(|(_, key)| (*key).to_owned()).collect()
}

/// The person's rank, and the number of achievements missing to the next.
async fn rank(client: &Client) -> (String, Option<i64>) {
    let query = r#"{ summary(pack: "course-portal") { currentRank remainingToNextRank } }"#;
    let answer = client.ask(query, json!({})).await;
    let summary = &answer.data()["summary"];
    (text(&summary["currentRank"]), summary["remainingToNextRank"].as_i64())
}

on_both! {
    async fn a_course_earns_every_achievement_with_the_lesson_and_the_comment_it_is_for(w: World) {
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, mut ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 50).await;
        enroll(&ada, &rust, None).await;
        assert_eq!(rank(&ada).await, ("Beginner".to_owned(), Some(4)));
        let mut earned = 0;
        let mut ranks = Vec::new();
        for (nth, lesson) in (1..).zip(&rust.lessons) {
            let awards = complete(&ada, lesson, None).await;
            assert_eq!(awards, due(&BY_LESSONS, nth), "lesson {nth}");
            if !awards.is_empty() {
                earned += 1;
                ranks.push((earned, rank(&ada).await));
            }
        }
        for nth in 1..=20 {
            // Of one day, five different comments count.
            if nth % 5 == 1 {
                w.tick(chrono::TimeDelta::days(1));
                ada = w.person(ada_id, Role::Student);
            }
            let awards = comment(&ada, &rust.lessons[nth], &format!("Well said, {nth}.")).await;
            assert_eq!(awards, due(&BY_COMMENTS, nth), "comment {nth}");
            if !awards.is_empty() {
                earned += 1;
                ranks.push((earned, rank(&ada).await));
            }
        }
        let expected = (1..=10).map(|awards| (awards, match awards {
            0..4 => ("Beginner".to_owned(), Some(4 - awards)),
            4..8 => ("Intermediate".to_owned(), Some(8 - awards)),
            8..10 => ("Advanced".to_owned(), Some(10 - awards)),
            _ => ("Master".to_owned(), None),
        }));
        assert_eq!(ranks, expected.collect::<Vec<_>>());
        let base = "SELECT CAST(sum(amount) AS bigint) FROM xp_entries WHERE kind = 'BASE'";
        assert_eq!(w.database.number(base).await, 50 * 10 + 20 * 5);
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act <> 'create_course'").await, 0);
        w.finish().await;
    }

    async fn twenty_equal_comments_in_a_minute_earn_one_achievement(w: World) {
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, mut ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 2).await;
        enroll(&ada, &rust, None).await;
        let mut earned = Vec::new();
        for nth in 0..20 {
            let text = if nth % 2 == 0 { "Well said." } else { "  WELL  said. " };
            earned.extend(comment(&ada, &rust.lessons[nth % 2], text).await);
        }
        assert_eq!(earned, ["first-comment-written"]);
        for nth in 0..20 {
            earned.extend(comment(&ada, &rust.lessons[0], &format!("Really, {nth}!")).await);
        }
        assert_eq!(earned, ["first-comment-written", "3-comments-written", "5-comments-written"]);
        w.tick(chrono::TimeDelta::days(1));
        ada = w.person(ada_id, Role::Student);
        for nth in 0..5 {
            earned.extend(comment(&ada, &rust.lessons[0], &format!("Really, {nth}!")).await);
        }
        assert_eq!(earned.last().map(String::as_str), Some("10-comments-written"));
        let said = "SELECT count(*) FROM events WHERE activity = 'comment_written'";
        assert_eq!(w.database.number(said).await, 45);
        for text in ["Well", "well", "Really", "really"] {
            let told = format!("SELECT count(*) FROM events WHERE CAST(attributes AS text) LIKE '%{text}%'");
            assert_eq!(w.database.number(&told).await, 0, "the text is not in the event");
        }
        w.finish().await;
    }

    async fn the_last_lesson_issues_the_certificate_once(w: World) {
        let (teacher_id, teacher) = join(&w, Role::Teacher).await;
        w.upsert(teacher_id, json!({"displayName": "Grace Hopper"})).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 3).await;
        let certified = json!({"id": rust.id, "certificateTitle": "Rustacean 🦀"});
        let changed = mutate(&teacher, "updateCourse", "course { title certificateTitle }", certified).await;
        assert_eq!(changed, json!({"course": {"title": "Rust", "certificateTitle": "Rustacean 🦀"}, "userErrors": []}));
        enroll(&ada, &rust, None).await;
        let certificates = "query($id: ID!) { certificates(studentId: $id) { nodes { title issuedBy issuedDate } } }";
        for nth in [2, 0, 0] {
            complete(&ada, &rust.lessons[nth], None).await;
            let none = ada.ask(certificates, json!({"id": ada_id})).await;
            assert_eq!(none.data()["certificates"]["nodes"], json!([]), "after lesson {nth}");
        }
        for _ in 0..2 {
            complete(&teacher, &rust.lessons[1], Some(ada_id)).await;
            let one = ada.ask(certificates, json!({"id": ada_id})).await;
            let is = json!([{"title": "Rustacean 🦀", "issuedBy": "Grace Hopper", "issuedDate": "2026-01-15"}]);
            assert_eq!(one.data()["certificates"]["nodes"], is);
        }
        w.finish().await;
    }

    async fn without_a_current_teacher_the_course_is_the_issuer_of_its_certificate(w: World) {
        let (_, admin) = join(&w, Role::Admin).await;
        let (_, ada) = join(&w, Role::Student).await;
        let mut issued = Vec::new();
        for gone in ["UPDATE courses SET teacher_id = NULL", "UPDATE people SET erased_at = updated_at WHERE role = 'teacher'"] {
            let (_, teacher) = join(&w, Role::Teacher).await;
            let rust = course(&teacher, 1).await;
            let certified = json!({"id": rust.id, "title": format!("Rust {}", issued.len()), "certificateTitle": "Rustacean"});
            mutate(&admin, "updateCourse", "course { id }", certified).await;
            w.database.execute(gone).await;
            enroll(&ada, &rust, None).await;
            complete(&ada, &rust.lessons[0], None).await;
            let newest = ada.ask("{ certificates(first: 1) { nodes { issuedBy } } }", json!({})).await;
            issued.push(text(&newest.data()["certificates"]["nodes"][0]["issuedBy"]));
        }
        assert_eq!(issued, ["Rust 0", "Rust 1"]);
        w.finish().await;
    }

    async fn a_certificate_caused_by_another_person_is_in_the_audit_log(w: World) {
        let (teacher_id, teacher) = join(&w, Role::Teacher).await;
        let (_, admin) = join(&w, Role::Admin).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (eve_id, eve) = join(&w, Role::Student).await;
        let rust = course(&teacher, 1).await;
        let lesson = rust.lessons[0].as_str();
        for student in [&ada, &eve] {
            enroll(student, &rust, None).await;
        }
        complete(&ada, lesson, None).await;
        // If a course gets its certificate later, completing a lesson again issues it.
        let certified = json!({"id": rust.id, "certificateTitle": "Rustacean"});
        mutate(&admin, "updateCourse", "course { id }", certified).await;
        for _ in 0..2 {
            complete(&teacher, lesson, Some(ada_id)).await;
        }
        complete(&eve, lesson, None).await;
        let log = "query($id: ID!) { auditLog(userId: $id) { nodes { actor role act objectId } } }";
        let certificate = ada.ask("{ certificates { nodes { id } } }", json!({})).await;
        let certificate = &certificate.data()["certificates"]["nodes"][0]["id"];
        let hers = admin.ask(log, json!({"id": ada_id})).await;
        assert_eq!(hers.data()["auditLog"]["nodes"], json!([
            {"actor": teacher_id, "role": "TEACHER", "act": "create_certificate", "objectId": certificate}]));
        let own = admin.ask(log, json!({"id": eve_id})).await;
        assert_eq!(own.data()["auditLog"]["nodes"], json!([]), "what one earns oneself is one's own affair");
        assert_eq!(w.database.number("SELECT count(*) FROM certificates").await, 2);
        w.finish().await;
    }

    async fn a_lesson_completed_again_returns_the_first_result_and_counts_once(w: World) {
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 2).await;
        enroll(&ada, &rust, None).await;
        let lesson = rust.lessons[0].as_str();
        let all = join_all((0..16).map(|_| complete(&ada, lesson, None))).await;
        assert_eq!(all, vec![["first-lesson-watched"]; 16]);
        assert_eq!(complete(&teacher, lesson, Some(ada_id)).await, ["first-lesson-watched"]);
        assert_eq!(complete(&ada, &rust.lessons[1], None).await, Vec::<String>::new());
        let counted = [
            ("SELECT count(*) FROM completions", 2),
            ("SELECT count(*) FROM events WHERE activity = 'lesson_watched'", 2),
            ("SELECT CAST(sum(amount) AS bigint) FROM xp_entries WHERE kind = 'BASE'", 20),
            // The teacher's repeat created no audit entry.
            ("SELECT count(*) FROM audit_log WHERE act = 'complete_lesson'", 0),
        ];
        for (sql, count) in counted {
            assert_eq!(w.database.number(sql).await, count, "{sql}");
        }
        w.finish().await;
    }

    async fn a_student_who_left_a_course_cannot_act_in_it_until_enrolled_again(w: World) {
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (_, ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 1).await;
        let lesson = json!({"lessonId": rust.lessons[0]});
        let said = json!({"lessonId": rust.lessons[0], "body": "Hello"});
        let nowhere = json!({"lessonId": uuid::Uuid::new_v4()});
        let unknown = refused(&ada, "completeLesson", &nowhere).await;
        assert_eq!((&unknown["code"], &unknown["field"]), (&json!("NOT_FOUND"), &json!(["input", "lessonId"])));
        for _ in 0..2 {
            let rows = w.database.rows().await;
            assert_eq!(refused(&ada, "completeLesson", &lesson).await, unknown);
            assert_eq!(refused(&ada, "writeComment", &said).await, unknown);
            assert_eq!(w.database.rows().await, rows);
            enroll(&ada, &rust, None).await;
            enroll(&ada, &rust, None).await;
            leave(&ada, &rust, None).await;
            leave(&ada, &rust, None).await;
        }
        enroll(&ada, &rust, None).await;
        assert_eq!(complete(&ada, &rust.lessons[0], None).await, ["first-lesson-watched"]);
        assert_eq!(comment(&ada, &rust.lessons[0], "Hello").await, ["first-comment-written"]);
        assert_eq!(w.database.number("SELECT count(*) FROM enrollments WHERE ended_at IS NULL").await, 1);
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE activity = 'course_enrolled'").await, 1);
        w.finish().await;
    }
}
