//! The length of answers, and the sizes of pages.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, Frame, World, on_both};
use uuid::Uuid;

use super::{message, world};

const CATALOG: &str = "{ catalog { categories { achievements { key name description } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_refused_with_the_settings_name() {
    let w = world(|limits| limits.answer_bytes = 4_096).await;
    let client = w.person(Uuid::new_v4(), Role::Student);
    let refused = client.ask(CATALOG, json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (200, "TOO_COMPLEX"), "{}", refused.body);
    assert_eq!(refused.body["data"], Value::Null);
    let words = "The answer has more than 4096 bytes (limits.answer_bytes). Ask for fewer rows or fields.";
    assert_eq!(message(&refused.body), words);

    let mut socket = client.socket().await;
    socket.subscribe("1", CATALOG, json!({})).await;
    let Frame::Message(told) = socket.frame().await else { panic!("the socket goes on") };
    assert_eq!((&told["type"], &told["id"]), (&json!("error"), &json!("1")));
    assert_eq!(told["payload"][0]["message"], words);
    assert_eq!(told["payload"][0]["extensions"]["code"], "TOO_COMPLEX");
    // The refused operation has ended, and its id is free.
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.next("1").await["data"], json!({"__typename": "Query"}));
    assert_eq!(socket.frame().await, Frame::Message(json!({"type": "complete", "id": "1"})));
    w.finish().await;
}

async fn list(client: &Client, query: &str, variables: Value) -> Vec<Value> {
    let answer = client.ask(query, variables).await;
    let mut list = answer.data();
    while let Some(inner) = list.as_object().and_then(|object| object.values().next()) {
        list = inner;
    }
    list.as_array().expect("a list").clone()
}

async fn create(client: &Client, title: &str, lessons: &[String]) -> Value {
    let query = "mutation($input: CreateCourseInput!) { createCourse(input: $input) { course { id } userErrors { message } } }";
    let answer = client.ask(query, json!({"input": {"title": title, "lessons": lessons}})).await;
    answer.data()["createCourse"]["course"]["id"].clone()
}

async fn child(w: &World, parent: Uuid, name: &str) -> Uuid {
    let id = Uuid::new_v4();
    w.upsert(id, json!({"displayName": name})).await;
    let link = "mutation($parent: ID!, $id: ID!) { linkGuardian(input: {parentId: $parent, studentId: $id}) { linked } }";
    w.service().ask(link, json!({"parent": parent, "id": id})).await.data();
    id
}

on_both! {
    async fn the_lessons_of_a_course_come_by_pages(w: World) {
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let titles: Vec<String> = (1..=230).map(|number| format!("Lesson {number}")).collect();
        let long = create(&admin, "Long", &titles).await;
        create(&admin, "Short", &titles[..2]).await;
        let query = "query($id: ID!, $first: Int, $after: Int) { node(id: $id) { ... on Course { lessons(first: $first, after: $after) { position } } } }";
        let positions = async |first: Value, after: Value| {
            let rows = list(&admin, query, json!({"id": long, "first": first, "after": after})).await;
            rows.iter().map(|row| row["position"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let all: Vec<i64> = (1..=230).collect();
        assert_eq!(positions(Value::Null, Value::Null).await, all[..100]);
        assert_eq!(positions(json!(100), json!(100)).await, all[100..200]);
        assert_eq!(positions(json!(100), json!(200)).await, all[200..]);
        assert_eq!(positions(json!(3), json!(5)).await, [6, 7, 8]);
        assert_eq!(positions(json!(3), json!(230)).await, [0_i64; 0]);
        let refused = admin.ask(query, json!({"id": long, "first": 101})).await;
        assert_eq!(refused.code(), "INVALID_INPUT");
        // The limit applies to each course separately.
        let both = admin.ask("{ courses { nodes { title lessons(first: 2) { position } } } }", json!({})).await;
        let two = json!([{"position": 1}, {"position": 2}]);
        let mut nodes = both.data()["courses"]["nodes"].as_array().unwrap().clone();
        nodes.sort_by_key(|node| node["title"].as_str().unwrap().to_owned());
        assert_eq!(nodes, [json!({"title": "Long", "lessons": two}), json!({"title": "Short", "lessons": two})]);
        w.finish().await;
    }

    async fn children_badges_and_certificates_come_in_bounded_lists(w: World) {
        let parent = Uuid::new_v4();
        w.upsert(parent, json!({"displayName": "Paul", "role": "PARENT"})).await;
        let client = w.person(parent, Role::Parent);
        let mut children = Vec::new();
        for name in ["Ada", "Bea", "Cy"] {
            children.push(child(&w, parent, name).await);
        }
        let query = "query($first: Int, $after: String) { me { children(first: $first, after: $after) { displayName } } }";
        let named = |names: &[&str]| names.iter().map(|name| json!({"displayName": name})).collect::<Vec<_>>();
        assert_eq!(list(&client, query, json!({})).await, named(&["Ada", "Bea", "Cy"]));
        assert_eq!(list(&client, query, json!({"first": 2})).await, named(&["Ada", "Bea"]));
        assert_eq!(list(&client, query, json!({"after": children[1]})).await, named(&["Cy"]));
        for bad in [json!({"first": 101}), json!({"after": parent}), json!({"after": "x"})] {
            assert_eq!(client.ask(query, bad).await.code(), "INVALID_INPUT");
        }

        let admin = w.person(Uuid::new_v4(), Role::Admin);
        for number in 1..=3 {
            w.tick(chrono::TimeDelta::seconds(1));
            let name = format!("Badge {number}");
            let badge = "mutation($input: CreateBadgeInput!) { createBadge(input: $input) { achievement { id } userErrors { message } } }";
            let badge = admin.ask(badge, json!({"input": {"name": name, "iconUrl": "https://school.example/a.svg"}})).await;
            let badge = badge.data()["createBadge"]["achievement"]["id"].clone();
            for student in &children[..2] {
                let award = "mutation($input: AwardBadgeInput!) { awardBadge(input: $input) { award { id } userErrors { message } } }";
                let input = json!({"studentId": student, "badgeId": badge});
                assert!(admin.ask(award, json!({"input": input})).await.data()["awardBadge"]["award"].is_object());
                let issue = "mutation($input: CreateCertificateInput!) { createCertificate(input: $input) { certificate { id } userErrors { message } } }";
                let input = json!({"studentId": student, "title": name, "issuedBy": "School", "issuedDate": "2026-01-15"});
                let issued = admin.ask(issue, json!({"input": input})).await;
                assert!(issued.data()["createCertificate"]["certificate"].is_object());
            }
        }
        let query = "query($a: ID!, $b: ID!) {
            a: studentAchievements(studentId: $a) { certificates(first: 2) { title } badges(first: 2) { achievement { name } } }
            b: studentAchievements(studentId: $b) { certificates { title } badges { achievement { name } } } }";
        let answer = admin.ask(query, json!({"a": children[0], "b": children[1]})).await;
        let titles = |numbers: &[u8]| numbers.iter().map(|n| json!({"title": format!("Badge {n}")})).collect::<Vec<_>>();
        let badges = |numbers: &[u8]| {
            numbers.iter().map(|n| json!({"achievement": {"name": format!("Badge {n}")}})).collect::<Vec<_>>()
        };
        assert_eq!(answer.data(), &json!({
            "a": {"certificates": titles(&[3, 2]), "badges": badges(&[3, 2])},
            "b": {"certificates": titles(&[3, 2, 1]), "badges": badges(&[3, 2, 1])},
        }));
        w.finish().await;
    }

    async fn the_catalogue_comes_by_pages_of_achievements(w: World) {
        let client = w.person(Uuid::new_v4(), Role::Student);
        let query = "query($first: Int, $after: String) { catalog(first: $first, after: $after) {
            totalCount categories { key achievements { key } } } }";
        let page = async |variables: Value| client.ask(query, variables).await.data()["catalog"].clone();
        let keys = |page: &Value| {
            let categories = page["categories"].as_array().unwrap().iter();
            let of = categories.flat_map(|category| category["achievements"].as_array().unwrap());
            of.map(|one| one["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let whole = page(json!({})).await;
        let total = whole["totalCount"].as_u64().unwrap();
        assert_eq!(u64::try_from(keys(&whole).len()).unwrap(), total);
        let mut met = Vec::new();
        let mut after = Value::Null;
        loop {
            let some = page(json!({"first": 10, "after": after})).await;
            assert_eq!(some["totalCount"], total);
            let some = keys(&some);
            let Some(last) = some.last() else { break };
            assert!(some.len() <= 10, "{some:?}");
            after = json!(last);
            met.extend(some);
        }
        assert_eq!(met, keys(&whole));
        assert_eq!(client.ask(query, json!({"first": 501})).await.code(), "INVALID_INPUT");
        assert_eq!(client.ask(query, json!({"after": "aurora/none"})).await.code(), "INVALID_INPUT");
        w.finish().await;
    }
}
