//! The cost of a request as a caller sees it: exact at the limit, and in the message. Another test covers the table of
//! prices.

use plaudit::auth::Role;
use serde_json::json;
use tests::{Backend, World};
use uuid::Uuid;

/// The limit that every document below reaches.
const LIMIT: usize = 2_000;

/// Documents and their costs; `...` is replaced by fields of cost 1.
const DOCUMENTS: [(usize, &str); 15] = [
    (3 + 1 + 1 + 200 * 2, "{ catalog { totalCount categories { achievements { key } } } ... }"),
    (20 + 100, "{ nextAchievements { current } ... }"),
    (20 + 1 + 7, "{ inProgress(first: 7) { nodes { current } } ... }"),
    (3 + 1 + 1 + 1 + 100, "{ me { earned(first: 100) { edges { cursor } } } ... }"),
    (1 + 100 + 1 + 7 * 2, "{ leaderboard { standings(first: 7) { nodes { rank score } } } ... }"),
    (3 + 1 + 7, "{ certificates(first: 7) { nodes { id } } ... }"),
    (3 + 1 + 7 + 100 + 1, "{ courses(first: 7) { nodes { id } totalCount } ... }"),
    (3 + 1 + 7, "{ auditLog(first: 7) { nodes { id } } ... }"),
    (
        1 + (3 + 100) + (3 + 7),
        "{ studentAchievements(studentId: \"2f1c6f6e-0b5c-4c67-9d5e-7a4f4a6f1b11\") {
            certificates { id } badges(first: 7) { id } } ... }",
    ),
    (100 + 1 + 7, "{ people(first: 7) { nodes { id } } ... }"),
    (
        3 + 1 + (1 + 100) + (20 + 1 + 7),
        "{ courses(first: 1) { nodes { lessons { id } students(first: 7) { nodes { id } } } } ... }",
    ),
    (3 + 1 + 1 + 20, "{ me { children { id } } ... }"),
    (
        20 + 1 + 5,
        "mutation { linkGuardian(input: {parentId: \"\", studentId: \"\", linked: true}) { userErrors { code } } ... }",
    ),
    (
        4 + 1 + 20 + 5,
        "mutation { recordEvent(input: {userId: \"\", activity: \"\"}) { awards { id } userErrors { code } } ... }",
    ),
    (
        2 * 4 + 1 + 1,
        "mutation { recordEvents(input: {events: [{userId: \"\", activity: \"\"}, {userId: \"\", activity: \"\"}]}) {
            results { eventId awards { id } } } ... }",
    ),
];

/// Whether the documents are admitted under this limit.
async fn admitted(limit: usize) -> Vec<(&'static str, bool)> {
    let world = World::with(Backend::Sqlite, |config| {
        config.limits.complexity = limit;
        (config.limits.nodes, config.limits.tokens, config.limits.query_bytes) = (5_000, 50_000, 100_000);
    });
    let w = world.await.expect("SQLite is always there");
    // A super admin may query everything.
    let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
    let mut answers = Vec::new();
    for (cost, document) in DOCUMENTS {
        let filled = document.replace("...", &"__typename ".repeat(LIMIT - cost));
        let answer = head.ask(&filled, json!({})).await;
        let refused = answer.body["errors"][0]["extensions"]["code"] == "TOO_COMPLEX";
        if refused {
            let message = format!(
                "The operation costs {LIMIT} units, more than {limit} (limits.complexity). Ask for fewer rows, lists or counts."
            );
            let told = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(told.starts_with(&message), "{document}: {told}");
        } else {
            answer.data();
            let cost = json!({"requested": LIMIT, "limit": limit});
            assert_eq!(answer.body["extensions"], json!({"cost": cost}), "{document}");
        }
        answers.push((document, !refused));
    }
    w.finish().await;
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_costs_its_maximum_number_of_rows() {
    let all =
        |admitted: bool| DOCUMENTS.iter().map(|(_, document)| (*document, admitted)).collect::<Vec<_>>();
    assert_eq!(admitted(LIMIT).await, all(true), "these cost more than they say");
    assert_eq!(admitted(LIMIT - 1).await, all(false), "these cost less than they say");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_its_cost_over_http_and_on_a_socket() {
    let w = World::on(Backend::Sqlite).await.expect("SQLite is always there");
    let service = w.service();
    let limit = w.server.app.config.limits.complexity;
    let extensions = |requested: usize| json!({"cost": {"requested": requested, "limit": limit}});
    let feed = service.ask("{ feedCursor }", json!({})).await;
    assert_eq!(feed.body["extensions"], extensions(4));
    // The cost is known before the field fails, and before validation refuses the document.
    assert_eq!(service.ask("{ me { id } }", json!({})).await.body["extensions"], extensions(5));
    assert_eq!(service.ask("{ nothing }", json!({})).await.body["extensions"], extensions(1));
    for document in ["{", "{ feedCursor } { feedCursor }"] {
        assert_eq!(service.ask(document, json!({})).await.body.get("extensions"), None, "{document}");
    }
    let mut socket = service.socket().await;
    socket.subscribe("1", "{ feedCursor }", json!({})).await;
    assert_eq!(socket.next("1").await["extensions"], extensions(4));
    socket.subscribe("2", "subscription { achievementEarned { cursor } }", json!({})).await;
    w.followed_by(1).await;
    let ada = w.student("UTC").await;
    service
        .record(json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}}))
        .await;
    let tests::Frame::Message(complete) = socket.frame().await else { panic!("the socket goes on") };
    assert_eq!(complete, json!({"type": "complete", "id": "1"}));
    assert_eq!(socket.next("2").await.get("extensions"), None, "a subscription's messages have no cost");
    w.finish().await;
}
