//! The rules. Each checks one file and reports its faults.

use super::code::{definitions, names, reaches, uses, without_comments};

/// Maximum number of lines of a file.
const MOST_LINES: usize = 400;

/// Modules of the server, and the modules that they must not use.
const ABOVE: [(&str, &[&str]); 7] = [
    ("store", &["app", "pipeline", "registry", "delivery", "graphql", "http", "start"]),
    ("auth", &["app", "store", "pipeline", "registry", "delivery", "graphql", "http", "start"]),
    ("render", &["app", "store", "auth", "pipeline", "registry", "delivery", "graphql", "http", "start"]),
    ("pipeline", &["registry", "delivery", "graphql", "http", "start"]),
    ("registry", &["delivery", "graphql", "http", "start"]),
    ("delivery", &["pipeline", "registry", "graphql", "http", "start"]),
    ("graphql", &["http", "start"]),
];

/// Meaningless name endings. `Service` is missing here because it is one of our roles.
const EMPTY_ENDS: [&str; 12] = [
    "Manager",
    "Helper",
    "Helpers",
    "Util",
    "Utils",
    "Common",
    "Core",
    "Handler",
    "Processor",
    "Impl",
    "Data",
    "Info",
];
const EMPTY_FILES: [&str; 8] =
    ["utils", "util", "common", "helpers", "helper", "core", "services", "managers"];
const EMPTY_BEGINNINGS: [&str; 3] = ["do_", "process_", "handle_"];

/// All faults of a file, each with the rule and the path.
pub(super) fn faults(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |broken: bool, rule: &str| {
        if broken {
            found.push(format!("{path}: {rule}"));
        }
    };
    fault(
        path.split('/').any(|part| EMPTY_FILES.contains(&part.trim_end_matches(".rs"))),
        "a name that says nothing: call the file after what is in it",
    );
    if path == "api/engine/Cargo.toml" {
        let impure = ["tokio", "sea-orm", "async-graphql", "axum", "reqwest"].iter();
        fault(
            impure.clone().any(|name| text.contains(name)),
            "the engine is pure: no runtime, no database, no network",
        );
    }
    if !path.starts_with("tests/it/tidy") {
        let homes =
            [["/ho", "me/"], ["/Us", "ers/"], ["/ro", "ot/"], ["/wo", "rk/"]].map(|parts| parts.concat());
        fault(
            homes.iter().any(|home| text.contains(home)),
            "nobody's machine is named: write a path anyone has",
        );
        let later = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"]].map(|parts| parts.concat());
        fault(
            later.iter().any(|word| text.contains(word)),
            "nothing is left for later: do it, or write an issue",
        );
        if path.ends_with(".rs") {
            found.extend(faults_of_code(path, text));
        }
    }
    found
}

fn faults_of_code(path: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let is = |name: &str| names(&code, name);
    let within = |folder: &str| path.starts_with(folder);
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    let mut found = Vec::new();
    let mut fault = |broken: bool, rule: &str| {
        if broken {
            found.push(format!("{path}: {rule}"));
        }
    };

    fault(!text.starts_with("//!"), "every file begins with `//!` and says what it is for");
    fault(text.lines().count() > MOST_LINES, "a file has at most 400 lines: find the two things it is about");

    if within("api/engine/src/") {
        let impure = [
            "tokio",
            "sea_orm",
            "async_graphql",
            "axum",
            "SystemTime",
            "Instant",
            "std::fs",
            "std::net",
            "std::env",
        ];
        fault(
            impure.iter().any(|name| is(name)),
            "the engine is pure: no runtime, no database, no clock, no files",
        );
    } else if !within("api/engine/") {
        let near = ["api/src/store/", "entity/", "migration/", "tests/"];
        let database = near.iter().any(|folder| within(folder));
        fault(is("sea_orm") && !database, "only the store names sea_orm, and entity and migration below it");
        let web = ["axum", "tower_http", "hyper", "hyper_util"].iter().any(|name| is(name));
        let serves = within("api/src/http/") || within("tests/benches/");
        fault(web && !serves, "only http names axum, tower_http and hyper");
        // The search for expensive documents reads the schema's text.
        let transport =
            within("api/src/graphql/") || within("api/src/http/") || within("tests/benches/search/");
        fault(is("async_graphql") && !transport, "only the transport names async_graphql: graphql and http");
        fault(
            is("SystemTime::now") || is("Utc::now") && path != "api/src/clock.rs",
            "only the clock asks the time",
        );
    }
    if within("api/src/") {
        let store = within("api/src/store/");
        fault(uses(&code, "entity") && !store, "only the store names entity: take its rows");
        let sql = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "]
            .iter()
            .any(|word| code.contains(&format!("\"{word}")));
        fault(sql && !store, "SQL is written in the store");
        let writes = [
            "awards::insert(",
            "ledger::insert(",
            "totals::put(",
            "metrics::put(",
            "feed::append(",
            "outbox::insert(",
        ];
        fault(
            path != "api/src/pipeline/persist.rs" && writes.iter().any(|call| code.contains(call)),
            "only persist writes awards, XP, totals, metrics, the feed and the outbox",
        );
        let opens = code.contains(".begin()")
            || code.contains(".begin_recording()")
            || code.contains(".begin_with_options(");
        let may = ["store", "pipeline", "registry", "delivery"].map(|name| format!("api/src/{name}/"));
        fault(
            opens && !may.iter().any(|folder| within(folder)),
            "who may open a transaction: pipeline, registry, delivery",
        );
        for (module, above) in ABOVE {
            let here = within(&format!("api/src/{module}/")) || path == format!("api/src/{module}.rs");
            for other in above.iter().filter(|other| here && !is_test && reaches(&code, other)) {
                fault(
                    true,
                    &format!("{module} does not know {other}: what lies above is told by return values"),
                );
            }
        }
        fault(
            within("api/src/graphql/") && !is_test && answers_strings(&code),
            "a resolver answers a Fault, never async_graphql::Result: no foreign error reaches a client",
        );
        let may_go = [
            "metrics",
            "metric_members",
            "active_days",
            "person_days",
            "outbox",
            "deliveries",
            "delivery_messages",
            "board_log",
        ];
        let kept = may_go
            .iter()
            .fold(code.clone(), |code, table| code.replace(&format!("{table}::Entity::delete_many"), ""));
        let deletes =
            ["::delete", "DELETE FROM", "TRUNCATE", ".delete("].iter().any(|word| kept.contains(word));
        fault(
            deletes && store,
            "nothing is deleted, but metrics and days that are folded anew and what was delivered: void, revoke, reverse",
        );
    }
    let ours = |crates: &[&str]| crates.iter().any(|name| uses(&code, name));
    fault(
        within("migration/") && ours(&["entity", "engine", "plaudit"]),
        "migration knows nothing of ours: history does not change",
    );
    fault(
        within("entity/") && ours(&["engine", "plaudit", "migration"]),
        "entity knows nothing of ours, only sea_orm",
    );
    // One test compares the entities with the tables.
    let compares_tables = path == "tests/it/tables.rs";
    fault(
        within("tests/") && (ours(&["engine", "migration"]) || ours(&["entity"]) && !compares_tables),
        "tests know the public face and HTTP only",
    );
    // A crash can happen at any time, so only that test has to let time pass.
    let sleeps = code.contains("sleep(") && path != "tests/it/crash.rs";
    fault(within("tests/it/") && sleeps, "a test does not sleep: move the clock, or wait for an answer");

    for (kind, name) in definitions(&code) {
        let empty = match kind {
            "fn" => EMPTY_BEGINNINGS.iter().any(|start| name.starts_with(start)) || name.ends_with("_inner"),
            "mod" => EMPTY_FILES.contains(&name),
            // The trait for HTTP bodies requires this name.
            "type" if name == "Data" && within("api/src/http/") => false,
            _ => EMPTY_ENDS.iter().any(|end| name.ends_with(end)),
        };
        fault(empty, &format!("a name that says nothing: {kind} {name}"));
    }
    found
}

/// Whether errors of other crates could reach a client unchanged.
fn answers_strings(code: &str) -> bool {
    let imported = code.split("use async_graphql::").skip(1).any(|rest| {
        let imports = rest.split(';').next().unwrap_or_default();
        names(imports, "Result")
    });
    imported || names(code, "async_graphql::Result") || code.contains("Display for Fault")
}
