//! Reading course data: completed lessons, certificates, comments, and the course's teacher.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use super::{Course, comment, complete, course, enroll, join, leave, mutate, text};

const COURSES: &str = "query($teacher: ID, $student: ID, $first: Int, $after: String) {
    courses(teacherId: $teacher, studentId: $student, first: $first, after: $after) {
        totalCount nodes { id } pageInfo { hasNextPage endCursor } } }";
const COMMENTS: &str = "query($id: ID!, $first: Int, $after: String) {
    comments(lessonId: $id, first: $first, after: $after) {
        totalCount nodes { id body writtenAt author { id email } } pageInfo { hasNextPage endCursor } } }";

/// The courses that a client sees.
async fn told(client: &Client, asked: Value) -> Vec<String> {
    let answer = client.ask(COURSES, asked).await;
    let page = &answer.data()["courses"];
    let ids: Vec<String> = page["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
    assert_eq!(page["totalCount"], ids.len());
    ids
}

/// Links a new parent to the child; returns the parent's client.
async fn parent_of(w: &World, child: Uuid) -> Client {
    let (id, parent) = join(w, Role::Parent).await;
    let link = json!({"parentId": id, "studentId": child});
    mutate(&w.service(), "linkGuardian", "linked", link).await;
    parent
}

/// The number of statements of a query.
async fn price(w: &World, client: &Client, query: &str, variables: &Value) -> u64 {
    let before = w.server.app.db.statements();
    client.ask(query, variables.clone()).await.data();
    w.server.app.db.statements() - before
}

on_both! {
    async fn completed_lessons_are_visible_with_the_record(w: World) {
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        let (_, hedy) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (_, eve) = join(&w, Role::Student).await;
        let parent = parent_of(&w, ada_id).await;
        let rust = course(&grace, 3).await;
        enroll(&ada, &rust, None).await;
        enroll(&eve, &rust, None).await;
        complete(&ada, &rust.lessons[0], None).await;
        complete(&grace, &rust.lessons[2], Some(ada_id)).await;
        complete(&eve, &rust.lessons[1], None).await;
        let query = "query($id: ID!, $of: ID, $grace: ID) { node(id: $id) { ... on Course { lessons {
            completed(userId: $of) teachers: completed(userId: $grace) } } } }";
        let lessons = async |client: &Client, of: Value, of_grace: bool| {
            let answer = client.ask(query, json!({"id": rust.id, "of": of, "grace": grace_id})).await;
            let lessons = answer.data()["node"]["lessons"].as_array().unwrap().clone();
            let teachers = if of_grace { json!(false) } else { Value::Null };
            assert!(lessons.iter().all(|lesson| lesson["teachers"] == teachers));
            lessons.iter().map(|lesson| lesson["completed"].as_bool()).collect::<Vec<_>>()
        };
        let (done, nothing) = (vec![Some(true), Some(false), Some(true)], vec![None; 3]);
        for (client, of_grace) in [(&grace, true), (&ada, false), (&parent, false), (&w.service(), true)] {
            assert_eq!(lessons(client, json!(ada_id), of_grace).await, done);
        }
        for client in [&hedy, &eve] {
            assert_eq!(lessons(client, json!(ada_id), false).await, nothing);
            assert_eq!(lessons(client, json!(Uuid::new_v4()), false).await, nothing);
        }
        let own = "query($id: ID!) { node(id: $id) { ... on Lesson { completed } } }";
        let asked = json!({"id": rust.lessons[1]});
        for (client, is) in [(&ada, false), (&eve, true), (&parent, false)] {
            assert_eq!(client.ask(own, asked.clone()).await.data()["node"], json!({"completed": is}));
        }
        assert_eq!(w.service().ask(own, asked).await.code(), "INVALID_INPUT");
        assert_eq!(ada.ask(query, json!({"id": rust.id, "of": "x"})).await.code(), "INVALID_INPUT");

        let all = "query($of: ID) { courses { nodes { lessons { completed(userId: $of) } } } }";
        let one = price(&w, &grace, all, &json!({"of": ada_id})).await;
        for _ in 0..19 {
            course(&grace, 20).await;
        }
        assert_eq!(price(&w, &grace, all, &json!({"of": ada_id})).await, one);
        w.finish().await;
    }

    async fn the_last_lesson_and_its_repeat_return_the_certificate(w: World) {
        let (_, grace) = join(&w, Role::Teacher).await;
        let (_, admin) = join(&w, Role::Admin).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&grace, 2).await;
        enroll(&ada, &rust, None).await;
        let finish = async |client: &Client, nth: usize| {
            let input = json!({"lessonId": rust.lessons[nth], "studentId": ada_id});
            let select = "certificate { id title student { id } }";
            let payload = mutate(client, "completeLesson", select, input).await;
            assert_eq!(payload["userErrors"], json!([]));
            payload["certificate"].clone()
        };
        assert_eq!(finish(&ada, 0).await, Value::Null);
        assert_eq!(finish(&ada, 1).await, Value::Null, "the course issues none");
        mutate(&grace, "updateCourse", "course { id }", json!({"id": rust.id, "certificateTitle": "Rustacean"})).await;
        let issued = finish(&grace, 0).await;
        assert_eq!(issued, json!({"id": issued["id"], "title": "Rustacean", "student": {"id": ada_id}}));
        for (client, nth) in [(&ada, 1), (&grace, 1), (&w.service(), 0)] {
            assert_eq!(finish(client, nth).await, issued);
        }
        mutate(&admin, "deleteCertificate", "certificate { id }", json!({"id": issued["id"]})).await;
        assert_eq!(finish(&ada, 1).await, Value::Null, "what is deleted is gone");
        w.finish().await;
    }

    async fn courses_are_filtered_by_teacher_and_by_student(w: World) {
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        let (hedy_id, hedy) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (eve_id, eve) = join(&w, Role::Student).await;
        let parent = parent_of(&w, ada_id).await;
        let mut made: Vec<Course> = Vec::new();
        for teacher in [&grace, &grace, &hedy, &grace] {
            made.push(course(teacher, 1).await);
            w.tick(chrono::TimeDelta::seconds(1));
        }
        for nth in [0, 1, 2] {
            enroll(&ada, &made[nth], None).await;
        }
        enroll(&eve, &made[2], None).await;
        leave(&ada, &made[1], None).await;
        let ids = |nths: &[usize]| nths.iter().map(|nth| made[*nth].id.clone()).collect::<Vec<_>>();
        for client in [&ada, &eve, &parent, &hedy, &w.service()] {
            assert_eq!(told(client, json!({})).await, ids(&[3, 2, 1, 0]));
            assert_eq!(told(client, json!({"teacher": grace_id})).await, ids(&[3, 1, 0]));
            assert_eq!(told(client, json!({"teacher": Uuid::new_v4()})).await, ids(&[]));
            assert_eq!(told(client, json!({"teacher": ada_id})).await, ids(&[]));
        }
        // Hedy sees the whole record of a student who is enrolled in one of her courses.
        for client in [&ada, &parent, &grace, &hedy, &w.service()] {
            assert_eq!(told(client, json!({"student": ada_id})).await, ids(&[2, 0]));
            assert_eq!(told(client, json!({"student": ada_id, "teacher": hedy_id})).await, ids(&[2]));
        }
        for (client, student) in [(&eve, ada_id), (&parent, eve_id), (&grace, eve_id), (&ada, eve_id)] {
            let theirs = client.ask(COURSES, json!({"student": student})).await;
            let missing = client.ask(COURSES, json!({"student": Uuid::new_v4()})).await;
            assert_eq!(theirs.data(), missing.data());
            assert_eq!(theirs.data()["courses"]["totalCount"], 0);
        }
        let first = grace.ask(COURSES, json!({"teacher": grace_id, "first": 2})).await;
        let page = &first.data()["courses"];
        assert_eq!((&page["totalCount"], &page["pageInfo"]["hasNextPage"]), (&json!(3), &json!(true)));
        let asked = json!({"teacher": grace_id, "first": 2, "after": page["pageInfo"]["endCursor"]});
        let rest = grace.ask(COURSES, asked).await;
        assert_eq!(rest.data()["courses"]["nodes"], json!([{"id": made[0].id}]));
        for bad in [json!({"teacher": "x"}), json!({"student": ""}), json!({"first": 101})] {
            assert_eq!(grace.ask(COURSES, bad.clone()).await.code(), "INVALID_INPUT", "{bad}");
        }
        w.finish().await;
    }

    async fn only_participants_of_a_course_read_its_comments(w: World) {
        let (_, grace) = join(&w, Role::Teacher).await;
        let (_, hedy) = join(&w, Role::Teacher).await;
        let (_, admin) = join(&w, Role::Admin).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (eve_id, eve) = join(&w, Role::Student).await;
        let (_, ben) = join(&w, Role::Student).await;
        let parent = parent_of(&w, ada_id).await;
        let (_, stranger) = join(&w, Role::Parent).await;
        let rust = course(&grace, 2).await;
        let other = course(&hedy, 1).await;
        w.upsert(ada_id, json!({"email": "ada@school.example"})).await;
        for student in [&ada, &eve] {
            enroll(student, &rust, None).await;
        }
        enroll(&ben, &other, None).await;
        let lesson = json!({"id": rust.lessons[0]});
        comment(&ada, &rust.lessons[0], "First! 🎉").await;
        w.tick(chrono::TimeDelta::minutes(1));
        comment(&eve, &rust.lessons[0], "שלום\nעולם").await;
        comment(&eve, &rust.lessons[1], "Elsewhere").await;
        let shown = async |client: &Client| client.ask(COMMENTS, lesson.clone()).await.data()["comments"].clone();
        for (client, email) in [(&ada, true), (&grace, true), (&admin, true), (&parent, true), (&eve, false)] {
            let page = shown(client).await;
            let email = if email { json!("ada@school.example") } else { Value::Null };
            assert_eq!(page["totalCount"], 2);
            assert_eq!(page["nodes"], json!([
                {"id": page["nodes"][0]["id"], "body": "שלום\nעולם", "writtenAt": "2026-01-15T12:01:00.000Z",
                 "author": {"id": eve_id, "email": null}},
                {"id": page["nodes"][1]["id"], "body": "First! 🎉", "writtenAt": "2026-01-15T12:00:00.000Z",
                 "author": {"id": ada_id, "email": email}},
            ]));
        }
        for client in [&hedy, &ben, &stranger] {
            let missing = client.ask(COMMENTS, json!({"id": Uuid::new_v4()})).await;
            assert_eq!(client.ask(COMMENTS, lesson.clone()).await.data(), missing.data());
            assert_eq!(missing.data()["comments"], Value::Null);
        }
        assert_eq!(w.service().ask(COMMENTS, lesson.clone()).await.code(), "FORBIDDEN");
        leave(&ada, &rust, None).await;
        for client in [&ada, &parent] {
            assert_eq!(shown(client).await, Value::Null, "who has left, and whose child has, takes no part");
        }
        assert_eq!(shown(&eve).await["totalCount"], 2);
        for bad in [json!({"id": "x"}), json!({"id": rust.id, "first": 101}), json!({"id": rust.id, "after": "!"})] {
            assert_eq!(eve.ask(COMMENTS, bad.clone()).await.code(), "INVALID_INPUT", "{bad}");
        }
        w.finish().await;
    }

    async fn comments_are_paged_newest_first_at_a_price_that_does_not_grow(w: World) {
        let (_, grace) = join(&w, Role::Teacher).await;
        let rust = course(&grace, 1).await;
        let mut written = Vec::new();
        let write = async |nth: usize| {
            let (_, student) = join(&w, Role::Student).await;
            enroll(&student, &rust, None).await;
            let body = format!("Comment {nth}");
            comment(&student, &rust.lessons[0], &body).await;
            body
        };
        written.push(write(0).await);
        let whole = json!({"id": rust.lessons[0]});
        let one = price(&w, &grace, COMMENTS, &whole).await;
        for nth in 1..20 {
            // Several have the same time, so ids decide their order.
            if nth % 4 == 0 {
                w.tick(chrono::TimeDelta::seconds(1));
            }
            written.push(write(nth).await);
        }
        assert_eq!(price(&w, &grace, COMMENTS, &whole).await, one);
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let answer = grace.ask(COMMENTS, json!({"id": rust.lessons[0], "first": 7, "after": after})).await;
            let page = &answer.data()["comments"];
            assert_eq!(page["totalCount"], 20);
            found.extend(page["nodes"].as_array().unwrap().iter().map(|node| {
                (text(&node["writtenAt"]), text(&node["id"]), text(&node["body"]))
            }));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert!(found.windows(2).all(|pair| (&pair[0].0, &pair[0].1) > (&pair[1].0, &pair[1].1)), "{found:?}");
        let mut bodies: Vec<String> = found.into_iter().map(|(.., body)| body).collect();
        bodies.sort();
        written.sort();
        assert_eq!(bodies, written);
        w.finish().await;
    }

    async fn personal_fields_are_visible_with_the_record(w: World) {
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        let (_, hedy) = join(&w, Role::Teacher).await;
        let (ben_id, ben) = join(&w, Role::Student).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&grace, 1).await;
        enroll(&ada, &rust, None).await;
        let fields = json!({"displayName": "Ada", "email": "ada@school.example", "timezone": "Europe/Oslo",
            "locale": "nb-NO", "referredBy": ben_id});
        w.upsert(ada_id, fields).await;
        let query = "query($id: ID!) { leaderboard { standing(userId: $id) { user {
            displayName email timezone locale referredBy { id email } } } } me { id email timezone locale referredBy { id } } }";
        let event = json!({"userId": ada_id, "activity": "question_answered", "attributes": {"correct": true}});
        w.service().record(event).await;
        for (client, is_seen) in [(&ada, true), (&grace, true), (&hedy, false), (&ben, false)] {
            let answer = client.ask(query, json!({"id": ada_id})).await;
            let user = &answer.data()["leaderboard"]["standing"]["user"];
            let (email, zone) = (json!("ada@school.example"), json!("Europe/Oslo"));
            let whole = json!({"displayName": "Ada", "email": email, "timezone": zone, "locale": "nb-NO",
                "referredBy": {"id": ben_id, "email": null}});
            let name = json!({"displayName": "Ada", "email": null, "timezone": null, "locale": null, "referredBy": null});
            assert_eq!(*user, if is_seen { whole } else { name });
        }
        let own = grace.ask(query, json!({"id": ada_id})).await;
        let me = json!({"id": grace_id, "email": null, "timezone": "UTC", "locale": null, "referredBy": null});
        assert_eq!(own.data()["me"], me);
        w.finish().await;
    }
}
