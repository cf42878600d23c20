//! The server is killed again and again while eight writers send: each acknowledged event is stored once, with all its
//! consequences.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use plaudit::auth::Role;
use plaudit::config::Config;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use tests::{Backend, Client, Database, Process};
use tokio::sync::Semaphore;
use uuid::Uuid;

const ROUNDS: usize = 50;
const WRITERS: usize = 8;
const PEOPLE: u128 = 12;
/// Inconsistent rows that a crash must never leave behind.
const ORPHANS: &str = "SELECT count(*) FROM awards a WHERE
       (a.xp_bonus > 0 AND NOT EXISTS (SELECT 1 FROM xp_entries x WHERE x.award_id = a.id))
    OR NOT EXISTS (SELECT 1 FROM feed f WHERE f.award_id = a.id)
    OR NOT EXISTS (SELECT 1 FROM outbox o WHERE o.award_id = a.id)
    OR NOT EXISTS (SELECT 1 FROM events e WHERE e.id = a.event_id)";

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_and_doubles_nothing_on_sqlite() {
    crash_again_and_again(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_and_doubles_nothing_on_postgres() {
    crash_again_and_again(Backend::Postgres).await;
}

/// A sender that repeats unacknowledged events with the same ids.
struct Writer {
    name: usize,
    random: StdRng,
    sent: usize,
    unanswered: Vec<Value>,
    /// How often each acknowledged event was reported as new; duplicates were acknowledged too.
    acknowledged: BTreeMap<String, usize>,
}

async fn crash_again_and_again(backend: Backend) {
    let Some(database) = Database::migrated(backend).await else { return };
    let config = tests::settings(&database);
    let seed = seed();
    eprintln!("PLAUDIT_TEST_SEED={seed} sends and crashes the same way again");
    let mut random = StdRng::seed_from_u64(seed);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|name| Writer::new(name, seed)).collect();

    for round in 0..ROUNDS {
        let server = Process::serve(&config).await;
        let client = server.client("school", Role::Service);
        if round == 0 {
            register(&client).await;
        }
        // The crash can happen at any moment of a round: before the first response, during commits, or later.
        let (answers, moment) =
            (random.random_range(0..40), Duration::from_millis(random.random_range(0..20)));
        let answered = Semaphore::new(0);
        let writing = join_all(writers.iter_mut().map(|writer| writer.write(&client, &answered)));
        let crash = async {
            let _ = answered.acquire_many(answers).await;
            tokio::time::sleep(moment).await;
            server.kill().await;
        };
        tokio::join!(writing, crash);
        expect_whole(&config, &database, &writers, round).await;
    }

    let server = Process::serve(&config).await;
    let client = server.client("school", Role::Service);
    for writer in &mut writers {
        writer.resend(&client).await.expect("nobody pulls the plug any more");
    }
    server.kill().await;
    expect_whole(&config, &database, &writers, ROUNDS).await;
    let sent: usize = writers.iter().map(|writer| writer.sent).sum();
    let acknowledged: usize = writers.iter().map(|writer| writer.acknowledged.len()).sum();
    let interrupted =
        writers.iter().flat_map(|writer| writer.acknowledged.values()).filter(|new| **new == 0).count();
    assert_eq!(acknowledged, sent);
    let kept = "SELECT count(*) FROM events WHERE source = 'school'";
    assert_eq!(database.number(kept).await, i64::try_from(sent).unwrap());
    eprintln!(
        "{backend:?}: {sent} events, {interrupted} of them kept just before a crash and acknowledged after it"
    );
    assert!(
        sent > ROUNDS * WRITERS,
        "only {sent} events were sent: the crashes came too early to say anything"
    );
}

fn seed() -> u64 {
    let given = std::env::var("PLAUDIT_TEST_SEED").ok();
    given.map_or_else(rand::random, |seed| seed.parse().expect("PLAUDIT_TEST_SEED is a number"))
}

async fn register(client: &Client) {
    for nth in 1..=PEOPLE {
        let input = json!({"id": Uuid::from_u128(nth), "displayName": "Ada"});
        let query =
            "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
        let answer = client.ask(query, json!({"input": input})).await;
        assert_eq!(answer.data()["upsertUser"]["userErrors"], json!([]));
    }
}

impl Writer {
    fn new(name: usize, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_add(1 + u64::try_from(name).unwrap()));
        Self { name, random, sent: 0, unanswered: Vec::new(), acknowledged: BTreeMap::new() }
    }

    /// Sends until the server has ended.
    async fn write(&mut self, client: &Client, answered: &Semaphore) {
        while self.resend(client).await.is_ok() {
            answered.add_permits(1);
            let count = self.random.random_range(1..12);
            self.unanswered = (0..count).map(|_| self.event()).collect();
        }
    }

    /// Repeats the unacknowledged events until they are acknowledged or the server has ended.
    async fn resend(&mut self, client: &Client) -> reqwest::Result<()> {
        if self.unanswered.is_empty() {
            return Ok(());
        }
        let query = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) {
                       results { duplicate userErrors { message } } userErrors { message } } }";
        let answer = client.try_ask(query, json!({"input": {"events": self.unanswered}})).await?;
        let results = answer.data()["recordEvents"]["results"].as_array().expect("results");
        for (event, result) in self.unanswered.drain(..).zip(results) {
            assert_eq!(result["userErrors"], json!([]));
            let new = usize::from(result["duplicate"] == false);
            *self.acknowledged.entry(id(&event)).or_default() += new;
        }
        Ok(())
    }

    fn event(&mut self) -> Value {
        self.sent += 1;
        let person = Uuid::from_u128(self.random.random_range(1..=PEOPLE));
        let (activity, attributes) = match self.random.random_range(0..4) {
            0 => ("code_run", json!({"language": "rust", "lines": self.random.random_range(0..60)})),
            1 => ("lesson_watched", json!({"lesson": format!("{}", self.random.random_range(0..30))})),
            _ => ("question_answered", json!({"correct": self.random.random_bool(0.9)})),
        };
        json!({"id": format!("{}-{}", self.name, self.sent), "userId": person,
               "activity": activity, "attributes": attributes})
    }
}

/// Every acknowledged event is stored; unacknowledged ones may be stored; no other event exists; and all consequences
/// are consistent.
async fn expect_whole(config: &Config, database: &Database, writers: &[Writer], round: usize) {
    let connection = database.connect().await;
    let kept = kept(&connection).await;
    connection.close().await.unwrap();
    let mut open = BTreeSet::new();
    for writer in writers {
        for (id, new) in &writer.acknowledged {
            assert!(kept.contains(id), "round {round}: {id} was acknowledged and is lost");
            assert!(*new <= 1, "round {round}: {id} was new {new} times");
        }
        open.extend(writer.unanswered.iter().map(id));
    }
    let acknowledged = |id: &String| writers.iter().any(|writer| writer.acknowledged.contains_key(id));
    let strange: Vec<_> = kept.iter().filter(|id| !open.contains(*id) && !acknowledged(id)).collect();
    assert_eq!(strange, Vec::<&String>::new(), "round {round}: nobody sent these");
    assert_eq!(database.number(ORPHANS).await, 0, "round {round}");
    let report = plaudit::check::run(config).await.expect("the database can be checked");
    let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(differences, Vec::<String>::new(), "round {round}");
}

async fn kept(connection: &DatabaseConnection) -> BTreeSet<String> {
    let query = sea_orm::Statement::from_string(
        connection.get_database_backend(),
        "SELECT external_id FROM events WHERE source = 'school'",
    );
    let rows = connection.query_all_raw(query).await.expect("the events can be read");
    rows.iter().map(|row| row.try_get_by_index(0).expect("an id is text")).collect()
}

fn id(event: &Value) -> String {
    event["id"].as_str().expect("an event has an id").to_owned()
}
