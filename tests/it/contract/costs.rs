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
const DOCUMENTS: [(&[&str], usize, &str); 22] = [
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
    (&["Query.certificates"], 7 * (1 + 1 + 1), "{ certificates(first: 7) { nodes { id } } ... }"),
    (&["Query.auditLog"], 7 * (1 + 1 + 1), "{ auditLog(first: 7) { nodes { id } } ... }"),
    (
        &["StudentAchievements.certificates", "StudentAchievements.badges"],
        1 + 100 * 2 + 100 * 2,
        "{ studentAchievements(studentId: \"2f1c6f6e-0b5c-4c67-9d5e-7a4f4a6f1b11\") {
            certificates { id } badges { id } } ... }",
    ),
    (&["Query.people"], 7 * (1 + 1 + 1), "{ people(first: 7) { nodes { id } } ... }"),
    (
        &["Query.comments"],
        7 * (1 + 1 + 1),
        "{ comments(lessonId: \"2f1c6f6e-0b5c-4c67-9d5e-7a4f4a6f1b11\", first: 7) { nodes { id } } ... }",
    ),
    (&["Query.courses"], 7 * (1 + 1 + 1), "{ courses(first: 7) { nodes { id } } ... }"),
    (
        &["Course.lessons", "Course.students"],
        1 + 20 * 2 + 7 * (1 + 1 + 1) + 1,
        "{ courses(first: 1) { nodes { lessons { id } students(first: 7) { nodes { id } } } } ... }",
    ),
    (&["User.children"], 1 + 5 * 2, "{ me { children { id } } ... }"),
    (
        &["AwardBadgesPayload.results", "AwardBadgesPayload.userErrors", "AwardResult.userErrors"],
        1 + 100 * (2 * 2 + 1) + 5 * 2 + 1,
        "mutation { awardBadges(input: {badgeId: \"\", rows: []}) {
            results { userErrors { code } } userErrors { code } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
    (
        &["CompleteLessonPayload.awards", "WriteCommentPayload.awards"],
        1 + 5 * 2 + 1 + 5 * 2 + 1,
        "mutation { completeLesson(input: {lessonId: \"\"}) { awards { id } }
            writeComment(input: {lessonId: \"\", body: \"\"}) { awards { id } }
            recordEvent(input: {userId: \"\", activity: \"\"}) { ... } }",
    ),
];

/// Mutations whose payload has no list but its errors, and what they are asked with.
const ONLY_ERRORS: [(&str, &str); 17] = [
    ("UpsertUser", "id: \"\", displayName: \"\""),
    ("LinkGuardian", "parentId: \"\", studentId: \"\", linked: true"),
    ("CreateCourse", "title: \"\", lessons: []"),
    ("UpdateCourse", "id: \"\""),
    ("Enroll", "courseId: \"\", enrolled: true"),
    ("CompleteLesson", "lessonId: \"\""),
    ("WriteComment", "lessonId: \"\", body: \"\""),
    ("CreateBadge", "name: \"\", iconUrl: \"https://school.example/a.svg\""),
    ("UpdateBadge", "id: \"\""),
    ("RetireBadge", "id: \"\""),
    ("AwardBadge", "studentId: \"\", badgeId: \"\""),
    ("RevokeAward", "awardId: \"\", reason: \"\""),
    ("CreateCertificate", "studentId: \"\", title: \"\", issuedBy: \"\", issuedDate: \"\""),
    ("UpdateCertificate", "id: \"\""),
    ("DeleteCertificate", "id: \"\""),
    ("ExportPerson", "userId: \"\""),
    ("ErasePerson", "userId: \"\""),
];

/// All documents: those above, and one for each mutation that answers errors only.
fn documents() -> Vec<(Vec<String>, usize, String)> {
    let above = DOCUMENTS.iter().map(|(lists, cost, document)| {
        (lists.iter().map(|list| (*list).to_owned()).collect(), *cost, (*document).to_owned())
    });
    let errors = ONLY_ERRORS.iter().map(|(name, input)| {
        let field = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
        let document = format!(
            "mutation {{ {field}(input: {{{input}}}) {{ userErrors {{ code }} }} \
             recordEvent(input: {{userId: \"\", activity: \"\"}}) {{ ... }} }}"
        );
        (vec![format!("{name}Payload.userErrors")], 1 + 5 * 2 + 1, document)
    });
    above.chain(errors).collect()
}

/// Whether the documents are admitted where the limit is this.
async fn admitted(limit: usize) -> Vec<(String, bool)> {
    let world = World::with(Backend::Sqlite, |config| {
        config.limits.complexity = limit;
        (config.limits.nodes, config.limits.tokens, config.limits.query_bytes) = (5_000, 50_000, 100_000);
    });
    let w = world.await.expect("SQLite is always there");
    // Who may ask for everything.
    let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
    let mut answers = Vec::new();
    for (_, cost, document) in documents() {
        let field = if document.starts_with("mutation") { "eventId " } else { "feedCursor " };
        let answer = head.ask(&document.replace("...", &field.repeat(LIMIT - cost)), json!({})).await;
        let refused = answer.body["errors"][0]["extensions"]["code"] == "TOO_COMPLEX";
        if refused {
            let message = format!("The operation costs more than {limit} (complexity). Ask for fewer rows.");
            assert_eq!(answer.body["errors"][0]["message"], message, "{document}");
        } else {
            answer.data();
        }
        answers.push((document, !refused));
    }
    w.finish().await;
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_costs_what_it_may_bring() {
    let all = |admitted: bool| documents().into_iter().map(|one| (one.2, admitted)).collect::<Vec<_>>();
    assert_eq!(admitted(LIMIT).await, all(true), "these cost more than they say");
    assert_eq!(admitted(LIMIT - 1).await, all(false), "these cost less than they say");
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
    let listed = documents().into_iter().flat_map(|(lists, ..)| lists);
    assert_eq!(lists, listed.collect(), "each list has a document that shows its cost");
    assert_ne!(types, Vec::<Value>::new());
}
