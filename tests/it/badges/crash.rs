//! The server is killed between any two steps of an award and of a revocation: all of it is stored, or nothing.

use std::fs;

use plaudit::auth::Role;
use plaudit::config::Config;
use serde_json::{Value, json};
use tests::{Backend, Client, Database, Gate, Process, Stop};
use uuid::Uuid;

use super::{AWARD, badge};
use crate::courses::{course, enroll, mutate, text};

/// The rows of the two actions: awards, revoked ones, flagged ones, XP, its entries, feed places, messages, audit entries.
const TRACES: [&str; 8] = [
    "SELECT count(*) FROM awards",
    "SELECT count(*) FROM awards WHERE revoked_at IS NOT NULL",
    "SELECT count(*) FROM awards WHERE flagged",
    "SELECT CAST(coalesce(sum(xp), 0) AS bigint) FROM totals",
    "SELECT count(*) FROM xp_entries",
    "SELECT count(*) FROM feed",
    "SELECT count(*) FROM outbox",
    "SELECT count(*) FROM audit_log WHERE act IN ('award_badge', 'revoke_award')",
];
/// Before the award.
const NOTHING: [i64; 8] = [0; 8];
/// After an award of 100 XP, which results in three more awards with 110 XP together.
const AWARDED: [i64; 8] = [4, 0, 0, 210, 3, 5, 5, 1];
/// After its revocation: its XP is reversed, and the three resulting awards are flagged.
const REVOKED: [i64; 8] = [4, 1, 3, 110, 4, 6, 6, 2];

/// A teacher who can award a badge to a student.
struct School {
    database: Database,
    config: Config,
    teacher: Uuid,
    badge: String,
    student: Uuid,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_statements_leaves_all_or_nothing_on_postgres() {
    let Some(school) = School::found(Backend::Postgres).await else { return };
    kill_everywhere(&school, NOTHING, AWARDED, async |client| school.grant_badge(&client).await).await;
    let award = text(&school.grant_badge(&school.serve().await.1).await["id"]);
    kill_everywhere(&school, AWARDED, REVOKED, async |client| school.revoke_award(&client, &award).await)
        .await;
}

/// Kills the server before each statement of the transaction in turn, and finally before it receives the commit's result.
async fn kill_everywhere(
    school: &School,
    before: [i64; 8],
    after: [i64; 8],
    act: impl AsyncFn(Client) -> Value,
) {
    // So that no later server delivers the remaining messages of an earlier one.
    school.database.execute("UPDATE outbox SET planned_at = created_at WHERE planned_at IS NULL").await;
    let untouched = school.database.contents().await;
    let (mut statements, mut commits) = (0, false);
    while !commits {
        statements += 1;
        commits = school.kill_at(Stop::Before(statements), &act).await;
        assert_eq!(school.database.contents().await, untouched, "killed before statement {statements}");
        assert_eq!(traces(&school.database).await, before);
    }
    eprintln!("killed before each of {statements} statements of the transaction, and after its commit");
    assert!(statements > 10, "{statements} statements are too few for what is written");
    school.kill_at(Stop::Committed, &act).await;
    school.expect_whole(after).await;
    // A client without a response sends again, and nothing more changes.
    let (server, client) = school.serve().await;
    act(client).await;
    server.kill().await;
    school.expect_whole(after).await;
}

/// After a kill, a SQLite file has the part of its log that was written until then. The test checks each such part.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_writes_leaves_all_or_nothing_on_sqlite() {
    let Some(school) = School::found(Backend::Sqlite).await else { return };
    let (server, client) = school.serve().await;
    let (file, log) = (school.database.file(), school.database.file().with_extension("db-wal"));
    let (kept, started) = (fs::read(&file).unwrap(), fs::read(&log).unwrap());
    let award = text(&school.grant_badge(&client).await["id"]);
    let given = fs::read(&log).unwrap();
    school.revoke_award(&client, &award).await;
    let taken = fs::read(&log).unwrap();
    server.kill().await;
    assert!(fs::read(&file).unwrap() == kept && taken.starts_with(&started), "the log was begun anew");

    expect_one_change(&kept, &given, started.len(), NOTHING, AWARDED).await;
    expect_one_change(&kept, &taken, given.len(), AWARDED, REVOKED).await;
}

/// Checks every prefix of the log from `from` on, with whole frames and torn ones: the action is stored or not, and once
/// stored, it remains.
async fn expect_one_change(file: &[u8], log: &[u8], from: usize, before: [i64; 8], after: [i64; 8]) {
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap());
    let frame = 24 + usize::try_from(page).unwrap();
    assert_eq!((from - 32) % frame, 0, "the log ends with a frame");
    let whole = (log.len() - from) / frame;
    assert!(whole > 10, "{whole} frames are too few for what is written");
    let mut changed = false;
    for half in 0..=2 * whole {
        let database = Database::create(Backend::Sqlite).await.unwrap();
        fs::write(database.file(), file).unwrap();
        fs::write(database.file().with_extension("db-wal"), &log[..from + half * frame / 2]).unwrap();
        let found = traces(&database).await;
        changed |= found == after;
        assert_eq!(found, if changed { after } else { before }, "{half} halves of {whole} frames");
        expect_no_difference(&tests::settings(&database)).await;
    }
    assert!(changed, "all of the log is there, and the act is not");
}

impl School {
    async fn found(backend: Backend) -> Option<Self> {
        let database = Database::migrated(backend).await?;
        let config = tests::settings(&database);
        let (teacher, student) = (Uuid::new_v4(), Uuid::new_v4());
        let server = Process::serve(&config).await;
        let as_teacher = server.client(&teacher.to_string(), Role::Teacher);
        let course = course(&as_teacher, 1).await;
        enroll(&server.client(&student.to_string(), Role::Student), &course, None).await;
        let badge = badge(&server.client(&Uuid::new_v4().to_string(), Role::Admin), "Team Player", 100).await;
        server.kill().await;
        Some(Self { database, config, teacher, badge, student })
    }

    /// Starts a server; returns it and the teacher's client.
    async fn serve(&self) -> (Process, Client) {
        let server = Process::serve(&self.config).await;
        let client = server.client(&self.teacher.to_string(), Role::Teacher);
        (server, client)
    }

    /// Runs the action on a server that is killed where its transaction stops; returns whether that was at the commit.
    async fn kill_at(&self, stop: Stop, act: &impl AsyncFn(Client) -> Value) -> bool {
        let gate = Gate::before(&self.database).await;
        let config = Config { database_url: gate.url(&self.database), ..self.config.clone() };
        let server = Process::serve(&config).await;
        let client = server.client(&self.teacher.to_string(), Role::Teacher);
        gate.set(stop);
        let commits = tokio::select! {
            commits = gate.stopped() => commits,
            answer = act(client) => panic!("answered before {stop:?}: {answer}"),
        };
        server.kill().await;
        commits
    }

    async fn grant_badge(&self, client: &Client) -> Value {
        let input = json!({"badgeId": self.badge, "studentId": self.student});
        let given = mutate(client, "awardBadge", AWARD, input).await;
        assert_eq!(given["userErrors"], json!([]));
        given["award"].clone()
    }

    async fn revoke_award(&self, client: &Client, award: &str) -> Value {
        super::revoke_award(client, &json!({"id": award}), "A mistake").await
    }

    async fn expect_whole(&self, wanted: [i64; 8]) {
        assert_eq!(traces(&self.database).await, wanted);
        expect_no_difference(&self.config).await;
    }
}

async fn traces(database: &Database) -> [i64; 8] {
    let mut found = [0; 8];
    for (sql, found) in TRACES.iter().zip(&mut found) {
        *found = database.number(sql).await;
    }
    found
}

async fn expect_no_difference(config: &Config) {
    let report = plaudit::check::run(config).await.expect("the database can be checked");
    let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(differences, Vec::<String>::new());
}
