//! The disk under an SQLite file fills up and is emptied again: what was acknowledged is there, once, and the
//! server serves again without a restart. The limit on the size of files makes writes fail without rights.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use plaudit::auth::Role;
use plaudit::clock::Clock;
use serde_json::{Value, json};
use tests::{Backend, Client, Database, Process, command, command_on_disk_of};
use uuid::Uuid;

/// How soon the server has to serve again.
const SOON: Duration = Duration::from_secs(15);
const RECORD: &str = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) { results { eventId duplicate userErrors { code } } userErrors { code } } }";
const UPSERT: &str =
    "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { code } } }";
const REVOKE: &str =
    "mutation($input: RevokeAwardInput!) { revokeAward(input: $input) { userErrors { code } } }";
/// Bytes of a page and its head in the log.
const FRAME: u64 = 4_096 + 24;

/// Sends these events and returns whether they were acknowledged.
async fn record(client: &Client, names: &[String], person: Uuid) -> bool {
    let events: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "userId": person, "activity": "comment_written"}))
        .collect();
    let answer = client.ask(RECORD, json!({"input": {"events": events}})).await;
    if answer.body.get("errors").is_some() {
        assert_eq!(answer.code(), "UNAVAILABLE", "{}", answer.body);
        return false;
    }
    let payload = &answer.body["data"]["recordEvents"];
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let results = payload["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["eventId"].is_string()), "{payload}");
    true
}

async fn record_soon(client: &Client, names: &[String], person: Uuid) {
    let recording = async { while !record(client, names, person).await {} };
    tokio::time::timeout(SOON, recording).await.expect("the server records again soon");
}

/// Where the log of the database ends now.
fn log_bytes(database: &Database) -> u64 {
    std::fs::metadata(database.file().with_extension("db-wal")).expect("the database has a log").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_during_any_write_loses_and_doubles_nothing() {
    let database = Database::create(Backend::Sqlite).await.expect("a folder can be made");
    let config = tests::settings(&database);
    plaudit::start::migrate(&config, &Clock::System).await.expect("the tables are made");
    let server = Process::serve(&config).await;
    let client = server.client("school", Role::Service);
    let admin = server.client(&Uuid::new_v4().to_string(), Role::Admin);
    let ada = Uuid::new_v4();
    let registered = client.ask(UPSERT, json!({"input": {"id": ada, "displayName": "Ada"}})).await;
    assert_eq!(registered.data()["upsertUser"]["userErrors"], json!([]));

    let mut acknowledged = BTreeSet::new();
    let (mut failed, mut frames) = (0, 0);
    let mut nth = 0;
    let mut names = || -> Vec<String> {
        nth += 1;
        (0..20).map(|event| format!("{nth}-{event}")).collect()
    };
    // One frame more of the transaction fits each time, until all of it does.
    loop {
        let sent = names();
        server.limit_files(Some(log_bytes(&database) + frames * FRAME)).await;
        let kept = record(&client, &sent, ada).await;
        server.limit_files(None).await;
        // A refusal rolls back on the connection that has just failed.
        let refused =
            admin.ask(REVOKE, json!({"input": {"awardId": Uuid::new_v4(), "reason": "None"}})).await;
        let code = &refused.data()["revokeAward"]["userErrors"][0]["code"];
        assert_eq!(code, "NOT_FOUND", "{}", refused.body);
        let more = names();
        record_soon(&client, &more, ada).await;
        acknowledged.extend(more);
        if kept {
            acknowledged.extend(sent);
            break;
        }
        failed += 1;
        frames += 1;
    }
    eprintln!("{failed} transactions failed on a full disk, {} events were acknowledged", acknowledged.len());
    assert!(failed > 3, "{failed} frames are too few for what is written");
    let first: Vec<String> = acknowledged.iter().take(5).cloned().collect();
    server.kill().await;

    let kept = "SELECT count(DISTINCT external_id) FROM events WHERE source = 'school'";
    let found = database.number(kept).await;
    assert_eq!(found, i64::try_from(acknowledged.len()).unwrap(), "what was acknowledged, and nothing else");
    assert_eq!(database.number("SELECT count(*) FROM events WHERE source = 'school'").await, found);
    let report = plaudit::check::run(&config).await.expect("the database can be checked");
    assert_eq!(report.differences, Vec::new());

    let server = Process::serve(&config).await;
    let client = server.client("school", Role::Service);
    assert!(record(&client, &first, ada).await);
    server.kill().await;
    assert_eq!(database.number(kept).await, found);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_stops_in_the_middle_leaves_a_database_that_starts_again() {
    let mut stopped = 0;
    for frames in [1, 4, 12, 24, 48, 72, 96, 120] {
        let database = Database::create(Backend::Sqlite).await.expect("a folder can be made");
        let config = tests::settings(&database);
        let first = command_on_disk_of(frames * FRAME, &config, &["migrate"]).await;
        stopped += usize::from(!first.status.success());
        let second = command(&config, &["migrate"]).await;
        assert!(second.status.success(), "after a stop at {frames} frames: {second:?}");
        assert_eq!(plaudit::check::run(&config).await.unwrap().differences, Vec::new());
        database.drop().await;
    }
    assert!(stopped >= 4, "only {stopped} migrations stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_reads_a_database_file_that_the_server_creates() {
    let database = Database::create(Backend::Sqlite).await.expect("a folder can be made");
    let mut config = tests::settings(&database);
    config.database_url = format!("{}&cache=private", config.database_url);
    let server = Process::serve(&config).await;
    let client = server.client("school", Role::Service);
    let registered = client.ask(UPSERT, json!({"input": {"id": Uuid::new_v4(), "displayName": "Ada"}})).await;
    assert_eq!(registered.data()["upsertUser"]["userErrors"], json!([]));
    let mode = |end: &str| {
        let file = database.file().with_extension(end);
        std::fs::metadata(file).expect("the file exists").permissions().mode() & 0o777
    };
    assert_eq!(["db", "db-wal", "db-shm"].map(mode), [0o600; 3]);
    server.kill().await;

    // A file that others can read stays as it is, and is warned of.
    std::fs::set_permissions(database.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = Process::serve(&config).await;
    let warned = server.log.iter().any(|line| line.contains("other users of this machine can read"));
    assert!(warned, "{:#?}", server.log);
    assert_eq!(mode("db"), 0o644);
    server.kill().await;
    database.drop().await;
}
