//! Courses, from the first enrolment to the last lesson: the resulting awards, who may do what in them, and whose records
//! become visible through them.

mod guardians;
mod input;
mod lists;
mod played;
mod read;
mod rights;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World};
use uuid::Uuid;

/// A created course.
pub(crate) struct Course {
    pub(crate) id: String,
    pub(crate) lessons: Vec<String>,
}

/// Calls a mutation with one input; returns its payload with the user errors.
pub(crate) async fn mutate(client: &Client, name: &str, select: &str, input: Value) -> Value {
    let answer = client.ask(&document(name, select), json!({"input": input})).await;
    answer.data()[name].clone()
}

/// Calls a mutation that must be refused in one field; returns that error.
pub(crate) async fn refused(client: &Client, name: &str, input: &Value) -> Value {
    let payload = mutate(client, name, "", input.clone()).await;
    let [error] = payload["userErrors"].as_array().unwrap().as_slice() else {
        panic!("{name} {input} is refused in one field, not {payload}")
    };
    error.clone()
}

/// Calls a mutation that must be refused as a whole; returns the code.
pub(crate) async fn forbidden(client: &Client, name: &str, input: Value) -> String {
    client.ask(&document(name, ""), json!({"input": input})).await.code().to_owned()
}

fn document(name: &str, select: &str) -> String {
    let (first, rest) = name.split_at(1);
    let input = format!("{}{rest}Input", first.to_uppercase());
    format!(
        "mutation($input: {input}!) {{ {name}(input: $input) {{ {select} userErrors {{ field code message reason }} }} }}"
    )
}

/// A person with this role who has signed in.
pub(crate) async fn join(w: &World, role: Role) -> (Uuid, Client) {
    let id = Uuid::new_v4();
    let client = w.person(id, role);
    assert_eq!(client.ask("{ me { id } }", json!({})).await.data()["me"]["id"], json!(id));
    (id, client)
}

/// Creates a course with `lessons` lessons.
pub(crate) async fn course(client: &Client, lessons: usize) -> Course {
    let titles: Vec<String> = (1..=lessons).map(|nth| format!("Lesson {nth}")).collect();
    let input = json!({"title": "Rust", "lessons": titles});
    let made = mutate(client, "createCourse", "course { id lessons { id position } }", input).await;
    assert_eq!(made["userErrors"], json!([]));
    let made = &made["course"];
    let lessons = made["lessons"].as_array().unwrap();
    let positions: Vec<i64> = lessons.iter().map(|lesson| lesson["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, (1..=i64::try_from(titles.len()).unwrap()).collect::<Vec<_>>());
    Course { id: text(&made["id"]), lessons: lessons.iter().map(|lesson| text(&lesson["id"])).collect() }
}

/// Enrols a student, by default the caller.
pub(crate) async fn enroll(client: &Client, course: &Course, student: Option<Uuid>) {
    let input = json!({"courseId": course.id, "studentId": student});
    let payload = mutate(client, "enroll", "enrolled course { id }", input).await;
    assert_eq!(payload, json!({"enrolled": true, "course": {"id": course.id}, "userErrors": []}));
}

/// Ends an enrolment.
pub(crate) async fn leave(client: &Client, course: &Course, student: Option<Uuid>) {
    let input = json!({"courseId": course.id, "studentId": student, "enrolled": false});
    let payload = mutate(client, "enroll", "enrolled", input).await;
    assert_eq!(payload, json!({"enrolled": false, "userErrors": []}));
}

/// Completes a lesson; returns the keys of the resulting awards of the course pack.
pub(crate) async fn complete(client: &Client, lesson: &str, student: Option<Uuid>) -> Vec<String> {
    let input = json!({"lessonId": lesson, "studentId": student});
    let payload =
        mutate(client, "completeLesson", "lesson { id } awards { achievement { key } }", input).await;
    assert_eq!((&payload["userErrors"], &payload["lesson"]["id"]), (&json!([]), &json!(lesson)));
    keys(&payload["awards"])
}

/// Writes a comment; returns the keys of the resulting awards of the course pack.
pub(crate) async fn comment(client: &Client, lesson: &str, body: &str) -> Vec<String> {
    let input = json!({"lessonId": lesson, "body": body});
    let payload = mutate(client, "writeComment", "awards { achievement { key } }", input).await;
    assert_eq!(payload["userErrors"], json!([]));
    keys(&payload["awards"])
}

fn keys(awards: &Value) -> Vec<String> {
    let keys = awards.as_array().unwrap().iter().map(|award| text(&award["achievement"]["key"]));
    keys.filter_map(|key| key.strip_prefix("course-portal/").map(str::to_owned)).collect()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
