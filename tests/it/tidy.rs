//! The architecture rules of the code: forbidden dependencies, names and texts. Each failure names the rule and the
//! file.

use std::path::Path;

pub(crate) mod code;
mod rules;

use rules::faults;

#[test]
fn source_files_follow_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = code::files(root);
    assert!(files.len() > 150, "only {} files were found", files.len());
    let found: Vec<String> = files.iter().flat_map(|file| faults(&file.path, &file.text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_documents_name_only_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = code::files(root);
    let mut named = 0;
    for document in ["api/ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let words = text.split('`').filter(|word| word.matches('_').count() >= 4);
        let words =
            words.filter(|word| word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'));
        for word in words {
            named += 1;
            let definition = format!("fn {word}(");
            let exists =
                files.iter().any(|file| file.path.ends_with(".rs") && file.text.contains(&definition));
            assert!(exists, "{document} names {word}, which does not exist");
        }
    }
    assert!(named > 50, "only {named} names were found");
}

#[test]
fn every_rule_detects_its_violation() {
    for (path, text, rule) in [
        ("api/engine/src/a.rs", "use tokio::sync::Mutex;", "the engine is pure"),
        ("api/engine/src/a.rs", "let at = std::time::SystemTime::now();", "the engine is pure"),
        ("api/engine/src/a.rs", "let text = std::fs::read(path);", "the engine is pure"),
        ("api/engine/Cargo.toml", "[dependencies]\nsea-orm.workspace = true", "the engine is pure"),
        ("api/src/start.rs", "use sea_orm::Database;", "only the store names sea_orm"),
        ("api/src/graphql/a.rs", "fn a(db: &sea_orm::DatabaseConnection) {}", "only the store names sea_orm"),
        ("api/src/graphql/a.rs", "use axum::Router;", "only http names axum"),
        ("api/src/store/a.rs", "use tower_http::cors::Any;", "only http names axum"),
        ("api/src/registry/a.rs", "use async_graphql::ID;", "only the transport names async_graphql"),
        (
            "entity/src/a.rs",
            "#[derive(async_graphql::SimpleObject)]",
            "only the transport names async_graphql",
        ),
        ("api/src/graphql/a.rs", "use entity::people;", "only the store names entity"),
        ("api/src/graphql/a.rs", "let sql = \"SELECT 1\";", "SQL is written in the store"),
        ("api/src/registry/a.rs", "awards::insert(txn, rows).await?;", "only persist writes"),
        ("api/src/graphql/a.rs", "let txn = app.db.begin().await?;", "who may open a transaction"),
        ("api/src/demo.rs", "let txn = db.begin_with_options(options).await?;", "who may open a transaction"),
        ("api/src/pipeline/a.rs", "crate::delivery::relay::plan_due(app)", "pipeline does not know delivery"),
        ("api/src/pipeline/a.rs", "use crate::graphql::fault::Fault;", "pipeline does not know graphql"),
        ("api/src/store/a.rs", "use crate::pipeline;", "store does not know pipeline"),
        ("api/src/store/a.rs", "use crate::{clock::Clock, pipeline};", "store does not know pipeline"),
        ("api/src/delivery/a.rs", "use crate::registry::people;", "delivery does not know registry"),
        ("api/src/registry/a.rs", "use crate::http::Site;", "registry does not know http"),
        ("api/src/graphql/a.rs", "use crate::http::Site;", "graphql does not know http"),
        ("api/src/render/a.rs", "use crate::app::App;", "render does not know app"),
        ("migration/src/a.rs", "use entity::people;", "migration knows nothing of ours"),
        ("entity/src/a.rs", "use engine::Event;", "entity knows nothing of ours"),
        ("tests/it/a.rs", "use entity::people;", "tests know the public face"),
        ("api/src/store/a.rs", "events::Entity::delete_many()", "nothing is deleted"),
        ("api/src/store/a.rs", "let sql = \"DELETE FROM awards\";", "nothing is deleted"),
        ("api/src/store/a.rs", "let sql = \"TRUNCATE xp_entries\";", "nothing is deleted"),
        ("api/src/pipeline/a.rs", "let now = chrono::Utc::now();", "only the clock asks the time"),
        ("tests/it/a.rs", "let now = SystemTime::now();", "only the clock asks the time"),
        ("api/src/graphql/a.rs", "fn a() -> async_graphql::Result<i32> {}", "a resolver answers a Fault"),
        ("api/src/graphql/a.rs", "use async_graphql::{Context, Result};", "a resolver answers a Fault"),
        ("api/src/graphql/a.rs", "impl std::fmt::Display for Fault {", "a resolver answers a Fault"),
        ("tests/it/a.rs", "tokio::time::sleep(Duration::from_secs(1)).await;", "a test does not sleep"),
        ("api/src/helpers/a.rs", "", "a name that says nothing"),
        ("api/src/utils.rs", "", "a name that says nothing"),
        ("api/src/a.rs", "pub(crate) struct AwardManager {", "a name that says nothing"),
        ("api/src/a.rs", "trait EventHandler {", "a name that says nothing"),
        ("api/src/a.rs", "async fn handle_event(event: Event) {", "a name that says nothing"),
        ("api/src/a.rs", "fn record_inner() {", "a name that says nothing"),
        ("api/src/a.rs", "// TODO: later", "nothing is left for later"),
        ("README.md", "see /home/me/notes", "nobody's machine is named"),
    ] {
        let whole = if path.ends_with(".rs") { format!("//! A file.\n{text}\n") } else { text.to_owned() };
        let found = faults(path, &whole);
        let [fault] = found.as_slice() else { panic!("{path}: {text}: {found:?}") };
        assert!(fault.contains(rule) && fault.contains(path), "{fault} does not name {rule:?} and {path}");
    }
    let silent = faults("api/src/a.rs", "use std::fmt;\n");
    assert!(silent.len() == 1 && silent[0].contains("what it is for"), "{silent:?}");
    let long = faults("api/src/a.rs", &format!("//! A file.\n{}", "\n".repeat(400)));
    assert!(long.len() == 1 && long[0].contains("400 lines"), "{long:?}");
}

#[test]
fn allowed_code_has_no_fault() {
    for (path, text) in [
        ("api/src/store/a.rs", "use sea_orm::EntityTrait;\nuse entity::people;\nlet sql = \"SELECT 1\";"),
        (
            "api/src/store/metrics.rs",
            "metrics::Entity::delete_many(); metric_members::Entity::delete_many(); outbox::Entity::delete_many();",
        ),
        ("api/src/http/a.rs", "use axum::Router;\nuse async_graphql::Executor;\nuse crate::graphql::schema;"),
        (
            "api/src/graphql/a.rs",
            "// Not sea_orm, nor axum, nor crate::http.\nuse async_graphql::ServerResult;",
        ),
        ("api/src/pipeline/a.rs", "let txn = app.db.begin().await?;\nuse crate::store;"),
        ("api/src/registry/a.rs", "use crate::pipeline;\nuse crate::auth::policy;"),
        ("api/src/clock.rs", "Utc::now()"),
        ("api/src/a.rs", "enum Role { Service }\nstruct Datum;\nfn undo_it() {}\nstruct Information;"),
        ("api/src/http/tests.rs", "fn a() -> async_graphql::Result<i32> {}"),
    ] {
        assert_eq!(faults(path, &format!("//! A file.\n{text}\n")), Vec::<String>::new(), "{path}");
    }
}
