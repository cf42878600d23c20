//! Who may do what to whom: every caller sends every request about every person, and the results must match one table.
//! The table is printed and committed, so that a head teacher can read it.

mod answer;
mod goals;
mod paths;
mod school;
mod table;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use plaudit::auth::Role;
use plaudit::config::Config;
use serde_json::{Value, json};
use tests::{Backend, Frame, Packs, World};
use uuid::Uuid;

use answer::{counts, holds, innermost, record};
use goals::Goal;
use paths::paths;
use school::{Caller, School};
use table::{ERASED, Fit, Read, Row, TABLE, Who};

/// All fields of a person that are not public.
const RECORD: &str = "email timezone locale referredBy { id } xp level { number } streak { longest } earned { totalCount } inProgress { totalCount } summary { totalEarned } children { id }";

/// The observed result: allowed, or the answer's error.
type Outcome = String;

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_may_do_exactly_what_the_table_allows_on_sqlite() {
    ask_everything(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_may_do_exactly_what_the_table_allows_on_postgres() {
    ask_everything(Backend::Postgres).await;
}

#[test]
#[expect(clippy::print_stdout, reason = "whoever runs it reads the table")]
fn the_table_in_the_repository_is_the_one_that_is_asked() {
    let text = written::table();
    println!("{text}");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/policy.md");
    if std::env::var("PLAUDIT_WRITE_POLICY").as_deref() == Ok("1") {
        std::fs::write(file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        kept == text,
        "api/policy.md is out of date: run this test with PLAUDIT_WRITE_POLICY=1 and read the difference"
    );
}

/// A field that is not in the table has no policy, and this test fails until it gets one.
#[tokio::test(flavor = "multi_thread")]
async fn every_field_and_every_id_that_leads_to_a_person_has_a_row() {
    let w = World::on(Backend::Sqlite).await.expect("SQLite is always there");
    let wanted = paths(&w).await;
    let rows: BTreeSet<String> =
        TABLE.iter().map(|row| row.path.split(' ').next().unwrap().to_owned()).collect();
    let without: Vec<_> = wanted.iter().filter(|path| !rows.contains(*path)).collect();
    assert_eq!(without, Vec::<&String>::new(), "these have no row in the table");
    let fields: BTreeSet<&str> = wanted.iter().map(|path| path.split('(').next().unwrap()).collect();
    let gone: Vec<_> = rows.iter().filter(|row| !fields.contains(row.split('(').next().unwrap())).collect();
    assert_eq!(gone, Vec::<&String>::new(), "these rows are about no field of the schema");
    w.finish().await;
}

/// A secret achievement, earned by doing this activity once.
fn secret(name: &str, activity: &str) -> Value {
    json!({
        "name": name, "description": "A secret.", "requirement": "Find it", "category": "odd", "rarity": "rare",
        "secret": true, "rule": {"kind": "count", "activity": activity, "target": 1},
    })
}

async fn ask_everything(backend: Backend) {
    let packs = Packs::of(&json!({
        "pack": "diary", "name": "Diary", "description": "What people say of themselves.", "version": 1,
        "categories": [{"key": "odd", "name": "Odd"}],
        "achievements": [secret("Found", "found"), secret("Hidden", "hidden")],
        "activities": [{"key": "noted", "description": "Noted by oneself.", "selfReportable": true},
                       {"key": "found", "description": "Found."}, {"key": "hidden", "description": "Never found."}],
    }));
    let beside = packs.setting();
    let change = |config: &mut Config| {
        config.catalogs.push(beside);
        // One caller opens a socket per question, faster than the server notices that they are closed.
        config.limits.sockets_per_user = 1_000;
    };
    let Some(w) = World::with(backend, change).await else { return };
    let school = School::found(&w).await;
    let mut wrong = Vec::new();
    for row in TABLE {
        ask_row(&w, &school, row, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} answers are not what the table says:\n{}", wrong.len(), wrong.join("\n"));
    w.finish().await;
}

/// One row: first every request that must be denied, between two snapshots of the whole database; then the others.
async fn ask_row(w: &World, school: &School, row: &Row, wrong: &mut Vec<String>) {
    let (mut denied, mut allowed) = (Vec::new(), Vec::new());
    for caller in &school.callers {
        for goal in school.goals(row.of) {
            let is_allowed = expected(school, row, caller.role, &goal) == "ok";
            if is_allowed { &mut allowed } else { &mut denied }.push((caller, goal));
        }
    }
    w.server.settle().await.unwrap();
    let before = w.database.contents().await;
    let mut of_missing = BTreeMap::new();
    for (caller, goal) in &denied {
        let bytes = check(w, school, row, caller, goal, wrong).await;
        if reported_as_missing(school, row, caller.role, goal) {
            if !of_missing.contains_key(name(caller)) {
                let nowhere = Uuid::new_v4().to_string();
                of_missing.insert(name(caller), ask(w, school, row, caller, goal, &nowhere).await.1);
            }
            let missing = &of_missing[name(caller)];
            if *missing != bytes {
                let role = name(caller);
                wrong.push(format!(
                    "{}: {role} about {}: {bytes}, but {missing} of a missing id",
                    row.path, goal.who
                ));
            }
        }
    }
    let after = w.database.contents().await;
    let changed: Vec<_> = after.keys().filter(|table| before.get(*table) != after.get(*table)).collect();
    if !changed.is_empty() {
        wrong.push(format!("{}: what was denied changed {changed:?} all the same", row.path));
    }
    // The caller with the fewest rights goes first, because erased people cannot be queried any more.
    for (caller, goal) in allowed.iter().rev() {
        check(w, school, row, caller, goal, wrong).await;
    }
}

/// Sends the request, and compares the result with the table; returns the bytes.
async fn check(
    w: &World,
    school: &School,
    row: &Row,
    caller: &Caller,
    goal: &Goal,
    wrong: &mut Vec<String>,
) -> String {
    let (observed, bytes) = ask(w, school, row, caller, goal, &goal.id).await;
    let wanted = expected(school, row, caller.role, goal);
    if observed != wanted {
        let role = name(caller);
        wrong.push(format!("{}: {role} about {}: {observed}, not {wanted}: {bytes}", row.path, goal.who));
    }
    bytes
}

fn name(caller: &Caller) -> &'static str {
    caller.role.map_or("nobody", Role::as_str)
}

/// The result according to the table.
fn expected(school: &School, row: &Row, role: Option<Role>, goal: &Goal) -> &'static str {
    let Some(role) = role else { return "UNAUTHENTICATED" };
    if row.fit == Fit::Learners && (goal.role != Role::Student || goal.erased) {
        return if row.read == Read::List { "absent" } else { "not there" };
    }
    if goal.erased {
        return of_erased(row, role).unwrap_or_else(|| denied(row, cell(row, role)));
    }
    let ties = school.ties(role, row.of, goal);
    let granted = match cell(row, role) {
        Who::No => return "FORBIDDEN",
        Who::All => true,
        Who::Only(only) => only.iter().any(|tie| ties.contains(tie)),
    };
    if row.never.iter().any(|tie| ties.contains(tie)) {
        return "FORBIDDEN";
    }
    if granted {
        return match row.fit {
            Fit::Students(code) if goal.role != Role::Student => code,
            Fit::Guardians(code) if goal.role == Role::Student => code,
            Fit::Staff(code) if matches!(goal.role, Role::Student | Role::Parent) => code,
            _ => "ok",
        };
    }
    denied(row, cell(row, role))
}

/// The expected result for an erased person, if it differs from that for a missing one.
fn of_erased(row: &Row, role: Role) -> Option<&'static str> {
    let left = ERASED.iter().find(|left| left.path == row.path && left.to.contains(&role));
    left.map(|left| left.told)
}

/// The expected result for a missing person.
fn denied(row: &Row, cell: Who) -> &'static str {
    match row.read {
        _ if cell == Who::No => "FORBIDDEN",
        Read::Null if row.path.starts_with("Subscription") || row.path.starts_with("AchievementEarned") => {
            "NOT_FOUND"
        }
        Read::Null => "null",
        Read::Errors => "NOT_FOUND",
        Read::List => "absent",
        Read::Record => "name only",
    }
}

/// Whether the denial must equal the answer for a missing id, byte for byte. Not for data of a person that everyone may
/// see, lists without an id, and errors whose reason concerns this person.
fn reported_as_missing(school: &School, row: &Row, role: Option<Role>, goal: &Goal) -> bool {
    if !row.ask.contains("$id") && !row.ask.contains("$key") {
        return false;
    }
    let Some(role) = role else { return true };
    let cell = cell(row, role);
    let hides = cell == Who::No || matches!(row.read, Read::Null | Read::Errors | Read::List);
    if goal.erased {
        return hides && of_erased(row, role).is_none();
    }
    let ties = school.ties(role, row.of, goal);
    let by_reason = row.never.iter().any(|tie| ties.contains(tie)) && cell != Who::No;
    let unfit = match cell {
        Who::All => true,
        Who::Only(only) => only.iter().any(|tie| ties.contains(tie)),
        Who::No => false,
    };
    !by_reason && !unfit && hides
}

fn cell(row: &Row, role: Role) -> Who {
    let place = school::ROLES.iter().position(|one| *one == role).unwrap();
    row.who[place]
}

/// Sends the request about a target as a caller; returns the result and the bytes of the answer.
async fn ask(
    w: &World,
    school: &School,
    row: &Row,
    caller: &Caller,
    goal: &Goal,
    id: &str,
) -> (Outcome, String) {
    if row.ask.starts_with("achievementEarned") {
        return follow(w, school, row, caller, goal, id).await;
    }
    let kind = if row.path.starts_with("Mutation") { "mutation" } else { "query" };
    let (declared, variables) = match row.ask {
        ask if ask.contains("$id") => ("($id: ID!)", json!({"id": id})),
        ask if ask.contains("$key") => ("($key: String!)", json!({"key": id})),
        _ => ("", json!({})),
    };
    let document = format!("{kind}{declared} {{ {} }}", school.fill(row.ask, caller.role));
    let (status, bytes) = caller.client.exchange(&document, variables, "the-matrix").await;
    let body: Value = serde_json::from_str(&bytes).unwrap();
    (judge(row, goal, &body), format!("{status} {bytes}"))
}

fn judge(row: &Row, goal: &Goal, body: &Value) -> Outcome {
    if let Some(code) = body["errors"][0]["extensions"]["code"].as_str() {
        return code.to_owned();
    }
    let field = body["data"].as_object().unwrap().values().next().unwrap();
    let said = match row.read {
        Read::Null if innermost(field).is_null() => "null",
        Read::Null => "ok",
        Read::Errors => {
            let errors = [&field["userErrors"], &field["results"][0]["userErrors"]];
            errors.into_iter().find_map(|errors| errors[0]["code"].as_str()).unwrap_or("ok")
        }
        Read::List if holds(field, &goal.person) || counts(field) => "ok",
        Read::List => "absent",
        Read::Record => return record(field, &goal.person),
    };
    said.to_owned()
}

/// The same over a socket: a subscription to one person's awards, or to those of all people.
async fn follow(
    w: &World,
    school: &School,
    row: &Row,
    caller: &Caller,
    goal: &Goal,
    id: &str,
) -> (Outcome, String) {
    let mut socket = caller.client.at(w.url()).socket().await;
    if row.read == Read::Null {
        let document = format!("subscription($id: ID!) {{ {} }}", school.fill(row.ask, caller.role));
        socket.subscribe("1", &document, json!({"id": id})).await;
        let mut frame = socket.frame().await;
        let outcome = code_of(&frame).unwrap_or_else(|| "ok".to_owned());
        if let Frame::Message(message) = &mut frame {
            forget_request(message);
        }
        return (outcome, format!("{frame:?}"));
    }
    let course = if row.path.ends_with("(courseId)") { ", courseId: \"@HALL\"" } else { "" };
    let ask = format!("achievementEarned(after: \"@START\"{course}) {{ award {{ id user {{ id }} }} }}");
    let document = format!("subscription {{ {} }}", school.fill(&ask, caller.role));
    socket.subscribe("1", &document, json!({})).await;
    let last = &school.sentinels[usize::from(caller.role == Some(Role::Student))];
    let mut told = false;
    loop {
        let frame = socket.frame().await;
        if let Some(code) = code_of(&frame) {
            return (code, format!("{frame:?}"));
        }
        let Frame::Message(message) = frame else { unreachable!("an end has a code") };
        let award = &message["payload"]["data"]["achievementEarned"]["award"];
        told |= award["user"]["id"] == json!(goal.person);
        if award["id"] == json!(last) {
            return (if told { "ok" } else { "absent" }.to_owned(), String::new());
        }
    }
}

/// Removes the request id, which differs between sockets.
fn forget_request(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_request),
        Value::Object(fields) => {
            fields.remove("requestId");
            fields.values_mut().for_each(forget_request);
        }
        _ => {}
    }
}

fn code_of(frame: &Frame) -> Option<String> {
    match frame {
        Frame::Message(message) => {
            let payload = &message["payload"];
            let error = if message["type"] == "error" { &payload[0] } else { &payload["errors"][0] };
            error["extensions"]["code"].as_str().map(str::to_owned)
        }
        Frame::Closed(closed) => Some(format!("{closed:?}")),
    }
}
