//! The documents of the README's API section do what stands beside them.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use crate::courses::{course, enroll, mutate};

const README: &str = include_str!("../../README.md");

/// One sample of the API section.
struct Sample {
    document: String,
    variables: Value,
    answer: Value,
}

/// The sample below this heading: a document, its variables and its answer, each in a block of its own.
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
    /// Asks as this caller; the answer is the one beside it.
    async fn expect(&self, client: &Client) {
        let answer = client.ask(&self.document, self.variables.clone()).await;
        assert_eq!(json!({"data": abridged(answer.data(), &self.answer["data"])}), self.answer);
    }

    /// The person this sample is about.
    fn student(&self) -> Uuid {
        let variables = &self.variables;
        let id = variables["input"]["studentId"].as_str().or_else(|| variables["studentId"].as_str());
        id.expect("a student").parse().unwrap()
    }
}

/// The answer, cut where the README cuts it: a text that ends in … stands for all that begin like it.
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

/// Noor and a teacher of hers, as the demo has them.
async fn class(w: &World, student: Uuid) -> (Client, Client) {
    w.upsert(student, json!({"displayName": "Noor Rahman"})).await;
    let teacher = Uuid::new_v4();
    w.upsert(teacher, json!({"displayName": "Ingrid Sørensen", "role": "TEACHER"})).await;
    let (teacher, student) = (w.person(teacher, Role::Teacher), w.person(student, Role::Student));
    let english = course(&teacher, 1).await;
    enroll(&student, &english, None).await;
    (teacher, student)
}

on_both! {
    async fn the_samples_for_certificates_and_badges_do_what_stands_beside_them(w: World) {
        let (certificate, award) = (sample("Issue a certificate"), sample("Award a badge"));
        let both = sample("What a student has been given");
        assert_eq!((certificate.student(), award.student()), (both.student(), both.student()));
        let (teacher, student) = class(&w, both.student()).await;
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let input = json!({"name": "Team Player", "iconUrl": "https://cdn.school.example/team-player.svg", "xpBonus": 25});
        let made = mutate(&admin, "createBadge", "achievement { id }", input).await;
        assert_eq!(made["achievement"]["id"], award.variables["input"]["badgeId"], "an id follows from its key");
        certificate.expect(&teacher).await;
        award.expect(&teacher).await;
        for client in [&teacher, &student, &admin] {
            both.expect(client).await;
        }
        w.finish().await;
    }

    async fn the_sample_for_progress_says_what_is_held_what_is_next_and_what_is_missing(w: World) {
        let progress = sample("How far somebody is");
        let student = progress.student();
        w.upsert(student, json!({"displayName": "Noor Rahman"})).await;
        let lesson = |nth: i64| json!({"userId": student, "activity": "lesson_watched", "attributes": {"lesson": format!("lesson-{nth}")}});
        for event in (1..=5).map(lesson).chain([json!({"userId": student, "activity": "comment_written"})]) {
            assert_eq!(w.service().record(event).await["userErrors"], json!([]));
            w.tick(chrono::TimeDelta::minutes(1));
        }
        progress.expect(&w.person(student, Role::Student)).await;
        progress.expect(&w.service()).await;
        w.finish().await;
    }
}
