//! The README shows what a new user gets: its API examples run on the demo's school.

use plaudit::auth::Role;
use plaudit::demo;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

const README: &str = include_str!("../../README.md");

/// One example of the API section.
struct Sample {
    document: String,
    variables: Value,
    answer: Value,
}

/// The example below this heading: a document, its variables and its answer, each in its own block.
fn sample(heading: &str) -> Sample {
    let api = README.split_once("\n## API\n").expect("the README has an API section").1;
    let api = api.split("\n## ").next().unwrap();
    let below = api.split_once(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
    let below = below.split("\n### ").next().unwrap();
    let blocks: Vec<&str> = below.split("```").skip(1).step_by(2).collect();
    let [document, variables, answer] = blocks.as_slice() else {
        panic!("{heading} has a document, its variables and its answer")
    };
    let data = |block: &str| serde_json::from_str(block.strip_prefix("json\n").expect("JSON")).expect("JSON");
    Sample {
        document: document.strip_prefix("graphql\n").expect("a document").to_owned(),
        variables: data(variables),
        answer: data(answer),
    }
}

impl Sample {
    /// Sends the request as this caller; the answer must be that of the example.
    async fn expect(&self, client: &Client) {
        let answer = client.ask(&self.document, self.variables.clone()).await;
        assert_eq!(json!({"data": abridged(answer.data(), &self.answer["data"])}), self.answer);
    }
}

/// The answer, shortened where the README shortens it: a text that ends with … stands for all that start like it.
fn abridged(answer: &Value, shown: &Value) -> Value {
    match (answer, shown) {
        (Value::Object(fields), Value::Object(shown)) => fields
            .iter()
            .map(|(name, value)| (name.clone(), abridged(value, shown.get(name).unwrap_or(&Value::Null))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        (Value::Array(items), Value::Array(shown)) => {
            let shown = shown.iter().chain(std::iter::repeat(&Value::Null));
            items.iter().zip(shown).map(|(item, shown)| abridged(item, shown)).collect()
        }
        (Value::String(text), Value::String(cut)) => {
            let begins = cut.strip_suffix('…').is_some_and(|begin| text.starts_with(begin));
            if begins { shown.clone() } else { answer.clone() }
        }
        _ => answer.clone(),
    }
}

/// One of the demo's people.
fn member(w: &World, nth: u32, role: Role) -> Client {
    let id: Uuid = format!("0198c0de-0000-7000-8000-{nth:012}").parse().unwrap();
    w.person(id, role)
}

on_both! {
    async fn the_examples_give_the_documented_answers(w: World) {
        assert_eq!(demo::fill(&w.server.app).await, Ok(true));
        let teacher = member(&w, 3, Role::Teacher);
        sample("Issue a certificate").expect(&teacher).await;
        sample("Award a badge").expect(&teacher).await;
        for reader in [teacher.clone(), member(&w, 5, Role::Student), member(&w, 13, Role::Parent)] {
            sample("List a student's certificates and badges").expect(&reader).await;
        }
        for reader in [teacher, member(&w, 15, Role::Student), member(&w, 2, Role::Admin)] {
            sample("Show a student's progress").expect(&reader).await;
        }
        assert_eq!(demo::fill(&w.server.app).await, Ok(false), "starting again keeps the data");
        w.finish().await;
    }

    async fn the_demos_student_earns_the_first_award_with_the_printed_command(w: World) {
        assert_eq!(demo::fill(&w.server.app).await, Ok(true));
        let welcome = demo::welcome(&w.server.app, w.server.address);
        let bodies: Vec<Value> = welcome
            .lines()
            .filter_map(|line| line.strip_prefix("curl ")?.split_once(" -d '")?.1.strip_suffix('\''))
            .map(|body| serde_json::from_str(body).unwrap())
            .collect();
        let [record, ask] = bodies.as_slice() else { panic!("two lines to paste beside `watch`: {welcome}") };
        let me = async || {
            let answer = member(&w, 5, Role::Student).ask(ask["query"].as_str().unwrap(), json!({})).await;
            answer.data()["me"].clone()
        };
        let before = json!({"displayName": "Noor Rahman", "role": "STUDENT", "xp": 0, "level": {"number": 1},
            "earned": {"nodes": []}});
        assert_eq!(me().await, before);
        let recorded = w.service().ask(record["query"].as_str().unwrap(), record["variables"].clone()).await;
        let first = json!({"achievement": {"name": "First Steps"}, "xpBonus": 50});
        let told = json!({"xpGained": 60, "awards": [first], "userErrors": []});
        assert_eq!(recorded.data()["recordEvent"], told);
        assert_eq!(me().await["xp"], 60);
        w.finish().await;
    }

    async fn the_demos_school_has_courses(w: World) {
        assert_eq!(demo::fill(&w.server.app).await, Ok(true));
        let query = "{ courses { nodes { title teacher { displayName } students { nodes { displayName } } } }
            certificates { nodes { title issuedBy student { displayName } } } me { children { displayName } } }";
        let seen = async |nth: u32, role: Role| member(&w, nth, role).ask(query, json!({})).await.data().clone();
        let named = |name: &str| json!({"displayName": name});
        let people = |names: &[&str]| json!({"nodes": names.iter().map(|name| named(name)).collect::<Vec<_>>()});
        let course = |title: &str, teacher: &str, students: &[&str]| {
            json!({"title": title, "teacher": named(teacher), "students": people(students)})
        };
        let certificate = |title: &str, issuer: &str, student: &str| {
            json!({"title": title, "issuedBy": issuer, "student": named(student)})
        };
        let english = ["Ada Kowalska", "Elif Demir", "Hana Nováková", "Lucía Fernández", "Noor Rahman"];
        let (ingrid, mateo) = ("Ingrid Sørensen", "Mateo Vargas");
        assert_eq!(seen(3, Role::Teacher).await, json!({
            "courses": {"nodes": [course("Rust from Scratch", mateo, &[]), course("Everyday English", ingrid, &english)]},
            "certificates": {"nodes": [certificate("Everyday English, A2", ingrid, "Ada Kowalska")]},
            "me": {"children": []},
        }));
        assert_eq!(seen(13, Role::Parent).await, json!({
            "courses": {"nodes": [course("Rust from Scratch", mateo, &[]), course("Everyday English", ingrid, &["Noor Rahman"])]},
            "certificates": {"nodes": []},
            "me": {"children": [named("Noor Rahman")]},
        }));
        w.finish().await;
    }
}
