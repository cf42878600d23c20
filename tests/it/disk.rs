//! The disk under a SQLite file fills up and gets free space again: each acknowledged action is stored once, and the
//! server works again without a restart. The file size limit makes writes fail without root rights.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use plaudit::auth::Role;
use plaudit::config::Config;
use serde_json::{Value, json};
use tests::{Backend, Client, Database, Process, command, command_on_disk_of};
use uuid::Uuid;

use crate::faults::{AWARD, ERASE, REVOKE, SOON, acknowledged, badge, person, ready};

const RECORD_ALL: &str = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) { results { eventId duplicate userErrors { code } } userErrors { code } } }";
/// Bytes of a page and its header in the log.
const FRAME: u64 = 4_096 + 24;

/// Sends these events and returns whether they were acknowledged.
async fn record(client: &Client, names: &[String], person: Uuid) -> bool {
    let events: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "userId": person, "activity": "comment_written"}))
        .collect();
    let answer = client.ask(RECORD_ALL, json!({"input": {"events": events}})).await;
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

/// The end of the database's log.
fn log_bytes(database: &Database) -> u64 {
    std::fs::metadata(database.file().with_extension("db-wal")).expect("the database has a log").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_during_any_write_loses_and_doubles_nothing() {
    let database = Database::migrated(Backend::Sqlite).await.expect("a folder can be made");
    let config = tests::settings(&database);
    let server = Process::serve(&config).await;
    let client = server.client("school", Role::Service);
    let admin = server.client(&Uuid::new_v4().to_string(), Role::Admin);
    let ada = person(&client).await;

    let mut acknowledged = BTreeSet::new();
    let (mut failed, mut frames) = (0, 0);
    let mut nth = 0;
    let mut names = || -> Vec<String> {
        nth += 1;
        (0..20).map(|event| format!("{nth}-{event}")).collect()
    };
    // Each attempt has room for one more frame of the transaction, until all of it fits.
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
}

/// A school on a disk that fills up.
struct School {
    database: Database,
    config: Config,
    server: Process,
    service: Client,
    admin: Client,
}

impl School {
    async fn open() -> Self {
        let database = Database::migrated(Backend::Sqlite).await.expect("a folder can be made");
        let config = tests::settings(&database);
        let server = Process::serve(&config).await;
        let service = server.client("school", Role::Service);
        let admin = server.client(&Uuid::new_v4().to_string(), Role::SuperAdmin);
        acknowledged(&admin, "{ me { id } }", Value::Null).await;
        Self { database, config, server, service, admin }
    }

    /// Runs this action on a disk with room for one more frame each time, until all of its writes fit. An unacknowledged
    /// action is repeated once there is room. Returns how often it ran.
    async fn fill_at_each_frame(&self, document: &str, prepare: impl AsyncFn() -> Value) -> i64 {
        for frames in 0.. {
            let input = prepare().await;
            self.server.limit_files(Some(log_bytes(&self.database) + frames * FRAME)).await;
            let answer = self.admin.ask(document, json!({"input": input})).await;
            self.server.limit_files(None).await;
            let failed = answer.body.to_string().contains("\"UNAVAILABLE\"");
            acknowledged(&self.admin, document, input).await;
            if !failed {
                assert!(frames > 2, "{frames} frames are too few for what is written");
                return i64::try_from(frames).unwrap() + 1;
            }
        }
        unreachable!("the frames have no end");
    }

    /// Kills the server; then this query returns `expected`, and all data is consistent.
    async fn expect_whole(self, found: &str, expected: i64) {
        self.server.kill().await;
        assert_eq!(self.database.number(found).await, expected, "{found}");
        let report = plaudit::check::run(&self.config).await.expect("the database can be checked");
        assert_eq!(report.differences, Vec::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_during_an_award_leaves_all_of_it_or_nothing() {
    let school = School::open().await;
    let badge = badge(&school.admin).await;
    let gift = async || json!({"badgeId": badge, "studentId": person(&school.service).await});
    let done = school.fill_at_each_frame(AWARD, gift).await;
    school.expect_whole("SELECT count(*) FROM awards WHERE cause = 'PERSON'", done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_during_a_revocation_leaves_all_of_it_or_nothing() {
    let school = School::open().await;
    let badge = badge(&school.admin).await;
    let mistake = async || {
        let gift = json!({"badgeId": badge, "studentId": person(&school.service).await});
        let given = acknowledged(&school.admin, AWARD, gift).await;
        json!({"awardId": given["awardBadge"]["award"]["id"], "reason": "A mistake"})
    };
    let done = school.fill_at_each_frame(REVOKE, mistake).await;
    school.expect_whole("SELECT count(*) FROM awards WHERE revoked_at IS NOT NULL", done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_during_an_erasure_leaves_all_of_it_or_nothing() {
    let school = School::open().await;
    let leaver = async || json!({"userId": person(&school.service).await});
    let done = school.fill_at_each_frame(ERASE, leaver).await;
    school.expect_whole("SELECT count(*) FROM people WHERE erased_at IS NOT NULL", done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_during_a_publication_publishes_all_of_it_or_nothing() {
    let database = Database::migrated(Backend::Sqlite).await.expect("a folder can be made");
    let config = tests::settings(&database);
    let mut fewer = config.clone();
    fewer.catalogs.retain(|pack| pack != "tests");
    let version = "SELECT max(version) FROM publications";
    // With fewer frames, SQLite cannot create the index of the log.
    let (mut frames, mut failed) = (9, 0);
    loop {
        let published = command_on_disk_of(frames * FRAME, &fewer, &["migrate"]).await;
        let succeeded = published.status.success();
        let expected = if succeeded { 2 } else { 1 };
        assert_eq!(database.number(version).await, expected, "{frames} frames: {published:?}");
        if succeeded {
            break;
        }
        failed += 1;
        frames += 2;
    }
    assert!(failed > 2, "{frames} frames were enough");
    assert_eq!(plaudit::check::run(&config).await.unwrap().differences, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_fails_while_the_disk_is_full_and_recovers() {
    let school = School::open().await;
    let ada = person(&school.service).await;
    assert_eq!(ready(&school.server).await, 200);
    school.server.limit_files(Some(log_bytes(&school.database))).await;
    assert!(!record(&school.service, &["full".to_owned()], ada).await);
    let told = tokio::time::timeout(SOON, async { while ready(&school.server).await != 503 {} }).await;
    told.expect("readiness tells soon that nothing can be written");
    school.server.limit_files(None).await;
    let told = tokio::time::timeout(SOON, async { while ready(&school.server).await != 200 {} }).await;
    told.expect("readiness tells soon that there is room again");
    record_soon(&school.service, &["room".to_owned()], ada).await;
    school.expect_whole("SELECT count(*) FROM events WHERE source = 'school'", 1).await;
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
    person(&client).await;
    let mode = |end: &str| {
        let file = database.file().with_extension(end);
        std::fs::metadata(file).expect("the file exists").permissions().mode() & 0o777
    };
    assert_eq!(["db", "db-wal", "db-shm"].map(mode), [0o600; 3]);
    server.kill().await;

    // A file that others can read is not changed; the server warns about it.
    std::fs::set_permissions(database.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = Process::serve(&config).await;
    let warned = server.log.iter().any(|line| line.contains("other users of this machine can read"));
    assert!(warned, "{:#?}", server.log);
    assert_eq!(mode("db"), 0o644);
    server.kill().await;
}
