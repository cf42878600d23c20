//! What asking for lists costs, exactly: a list that costs no more than a field lets one request ask for
//! everything at once.

use std::collections::BTreeSet;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, World};
use uuid::Uuid;

use super::{list, name, types};

/// The limit that every document below is filled up to.
const LIMIT: usize = 2_000;

/// Documents, each with the lists it asks for and what it costs; `...` is where fields of cost 1 go.
const DOCUMENTS: [(&[&str], usize, &str); 21] = [
    (&["Catalog.categories"], 1 + 1 + 10 * 2, "{ catalog { totalCount categories { key } } ... }"),
    (
        &["Catalog.categories", "Category.achievements"],
        1 + 10 * (20 * 2 + 1),
        "{ catalog { categories { achievements { key } } } ... }",
    ),
    (&["Query.nextAchievements"], 20 * 2, "{ nextAchievements { current } ... }"),
    (&["Query.inProgress"], 7 * 2, "{ inProgress(first: 7) { current } ... }"),
    (&["Query.inProgress"], 20 * 2, "{ inProgress { current } ... }"),
    (&["User.inProgress"], 1 + 7 * 2, "{ me { inProgress(first: 7) { current } } ... }"),
    (&["Query.earned"], 7 * (1 + 1 + 1), "{ earned(first: 7) { nodes { id } } ... }"),
    (&["Query.earned"], 7 * (1 + 1), "{ earned(last: 7) { totalCount } ... }"),
    (&["User.earned"], 1 + 100 * (1 + 1 + 1), "{ me { earned(first: 100) { edges { cursor } } } ... }"),
    (
        &["Leaderboard.standings"],
        1 + 7 * (1 + 2 + 1),
        "{ leaderboard { standings(first: 7) { nodes { rank score } } } ... }",
    ),
    (
        &["RecordEventPayload.awards", "RecordEventPayload.userErrors"],
        1 + 5 * 2 + 5 * 2,
        "mutation { recordEvent(input: {userId: \"\", activity: \"\"}) { awards { id } userErrors { code } ... } }",
    ),
    (
        &[
            "RecordEventsPayload.results",
            "RecordEventsPayload.userErrors",
            "RecordEventResult.awards",
            "RecordEventResult.userErrors",
        ],
        1 + 100 * (2 * 2 + 2 * 2 + 1) + 5 * 2 + 1,
        "mutation { recordEvents(input: {events: []}) {
            results { awards { id } userErrors { code } } userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (
        &["UpsertUserPayload.userErrors"],
        1 + 5 * 2 + 1,
        "mutation { upsertUser(input: {id: \"\", displayName: \"\"}) { userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (&["Query.certificates"], 7 * (1 + 1 + 1), "{ certificates(first: 7) { nodes { id } } ... }"),
    (&["Query.auditLog"], 7 * (1 + 1 + 1), "{ auditLog(first: 7) { nodes { id } } ... }"),
    (
        &["StudentAchievements.certificates", "StudentAchievements.badges"],
        1 + 100 * 2 + 100 * 2,
        "{ studentAchievements(studentId: \"2f1c6f6e-0b5c-4c67-9d5e-7a4f4a6f1b11\") {
            certificates { id } badges { id } } ... }",
    ),
    (
        &["CreateCertificatePayload.userErrors"],
        1 + 5 * 2 + 1,
        "mutation { createCertificate(input: {studentId: \"\", title: \"\", issuedBy: \"\", issuedDate: \"\"}) { userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (
        &["UpdateCertificatePayload.userErrors"],
        1 + 5 * 2 + 1,
        "mutation { updateCertificate(input: {id: \"\"}) { userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (
        &["DeleteCertificatePayload.userErrors"],
        1 + 5 * 2 + 1,
        "mutation { deleteCertificate(input: {id: \"\"}) { userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (
        &["ExportPersonPayload.userErrors"],
        1 + 5 * 2 + 1,
        "mutation { exportPerson(input: {userId: \"\"}) { userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (
        &["ErasePersonPayload.userErrors"],
        1 + 5 * 2 + 1,
        "mutation { erasePerson(input: {userId: \"\"}) { userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
];

/// Whether the documents are admitted where the limit is this.
async fn admitted(limit: usize) -> Vec<bool> {
    let world = World::with(Backend::Sqlite, |config| {
        config.limits.complexity = limit;
        (config.limits.nodes, config.limits.tokens, config.limits.query_bytes) = (5_000, 50_000, 100_000);
    });
    let w = world.await.expect("SQLite is always there");
    // Who may ask for everything.
    let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
    let mut answers = Vec::new();
    for (_, cost, document) in DOCUMENTS {
        let field = if document.starts_with("mutation") { "eventId " } else { "feedCursor " };
        let answer = head.ask(&document.replace("...", &field.repeat(LIMIT - cost)), json!({})).await;
        let refused = answer.body["errors"][0]["extensions"]["code"] == "TOO_COMPLEX";
        if refused {
            let message = format!("The operation costs more than {limit} (complexity). Ask for fewer rows.");
            assert_eq!(answer.body["errors"][0]["message"], message, "{document}");
        } else {
            answer.data();
        }
        answers.push(!refused);
    }
    w.finish().await;
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_costs_what_it_may_bring() {
    let fits = DOCUMENTS.map(|(_, _, document)| (document, true));
    let answers: Vec<_> = DOCUMENTS.iter().map(|one| one.2).zip(admitted(LIMIT).await).collect();
    assert_eq!(answers, fits, "these cost more than they say");
    let too_much = DOCUMENTS.map(|(_, _, document)| (document, false));
    let answers: Vec<_> = DOCUMENTS.iter().map(|one| one.2).zip(admitted(LIMIT - 1).await).collect();
    assert_eq!(answers, too_much, "these cost less than they say");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_of_the_schema_is_forgotten_above() {
    let mut lists = BTreeSet::new();
    let types = types().await;
    for one in &types {
        // The pages of a connection cost where they are asked for; see `earned` and `standings` above.
        for field in list(&one["fields"]).iter().filter(|_| !name(one).ends_with("Connection")) {
            let kind =
                if field["type"]["kind"] == "NON_NULL" { &field["type"]["ofType"] } else { &field["type"] };
            let paged = super::written(kind).ends_with("Connection");
            if kind["kind"] == "LIST" || paged {
                lists.insert(format!("{}.{}", name(one), name(field)));
            }
        }
    }
    // A path of a few words, with nothing below it.
    assert!(lists.remove("UserError.field"));
    let listed = DOCUMENTS.iter().flat_map(|(lists, ..)| *lists).map(|list| (*list).to_owned());
    assert_eq!(lists, listed.collect(), "each list has a document that shows its cost");
    assert_ne!(types, Vec::<Value>::new());
}
