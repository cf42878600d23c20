//! Deliveries beside recording, in turn: events per second without any delivery due; with 10,000 requests due to webhooks that
//! never answer; and with the same webhooks, which also get each new award. And mails per minute to a server that accepts at
//! once. `cargo bench --bench deliveries -- sqlite`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use plaudit::auth::Role;
use plaudit::clock::Clock;
use plaudit::config::{Config, MailTarget};
use serde_json::{Value, json};
use tests::{Arguments, Backend, Client, Database, MailServer, Process, Receiver, Reply};
use uuid::Uuid;

/// The duration of each measurement, and how often each is repeated.
const MEASURED: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
const CONNECTIONS: usize = 8;
const BATCH: u64 = 100;
/// Deliveries that are due while recording is measured, and the webhooks that share them.
const DUE: u64 = 10_000;
const WEBHOOKS: u64 = 5;
/// Mails that are measured.
const MAILS: u64 = 1_000;

#[tokio::main]
async fn main() {
    println!(
        "             events/s: nothing due   {DUE} requests due   and each award for {WEBHOOKS} webhooks   mails a minute"
    );
    for backend in Arguments::of_process().backends() {
        if Database::create(backend).await.is_none() {
            continue;
        }
        let [idle, busy, told] = recording(backend).await;
        let mails = mails(backend).await;
        let beside = |rate: f64| format!("{rate:.0} ({:.2})", rate / idle);
        println!(
            "{:<12} {idle:>22.0} {:>20} {:>34} {mails:>16.0}",
            format!("{backend:?}"),
            beside(busy),
            beside(told)
        );
    }
}

/// What happens beside the recording.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Requests of the past are due.
    Due,
    /// And each new award becomes more of them.
    Told,
}

/// Events per second beside each of these: the means of several rounds in turn, each on a new database with the same events
/// before.
async fn recording(backend: Backend) -> [f64; 3] {
    let mut rates = [0.0; 3];
    for _ in 0..ROUNDS {
        for (beside, rate) in [Beside::Nothing, Beside::Due, Beside::Told].into_iter().zip(&mut rates) {
            *rate += record_beside(backend, beside).await / ROUNDS as f64;
        }
    }
    rates
}

async fn record_beside(backend: Backend, beside: Beside) -> f64 {
    let is_busy = beside != Beside::Nothing;
    let (database, config) = prepare(backend, |_| {}).await;
    let receiver = Receiver::start().await;
    receiver.plan(vec![Reply::Stall; DUE as usize]);
    let settings = [("webhooks.allowed_networks", "127.0.0.0/8")];
    let server = Process::serve_with(&config, &settings).await;
    // Each first answer of a person earns an award, which is a message.
    send(&server, DUE / WEBHOOKS / BATCH, 0).await;
    if is_busy {
        for _ in 0..WEBHOOKS {
            redeliver(&server, &receiver.url()).await;
        }
        let due = i64::try_from(DUE).unwrap();
        while database.number("SELECT count(*) FROM deliveries").await < due {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    if beside == Beside::Due {
        // From now on, the webhooks get nothing new.
        let types = "UPDATE webhooks SET types = '[\"person.erased\"]'";
        database.execute(types).await;
    }
    let next = AtomicU64::new(1_000_000);
    let started = Instant::now();
    let senders = (0..CONNECTIONS).map(|_| {
        let (client, next) = (server.client("bench", Role::Service), &next);
        async move {
            while started.elapsed() < MEASURED {
                record(&client, next.fetch_add(1, Ordering::Relaxed)).await;
            }
        }
    });
    join_all(senders).await;
    let rate = ((next.load(Ordering::Relaxed) - 1_000_000) * BATCH) as f64 / started.elapsed().as_secs_f64();
    if is_busy {
        let open = "SELECT count(*) FROM deliveries WHERE settled_at IS NULL AND buried_at IS NULL";
        assert!(database.number(open).await > i64::try_from(DUE).unwrap() / 2, "the requests are still due");
    }
    server.kill().await;
    rate
}

/// Mails per minute, from the recording of the events to the last mail.
async fn mails(backend: Backend) -> f64 {
    let server = MailServer::start().await;
    let (_database, config) = prepare(backend, |config| server.receive(config)).await;
    let Some(MailTarget::Smtp(target)) = &config.mail.target else { panic!("mails go to a server") };
    let url = format!("smtp://{}:{}", target.host, target.port);
    let process = Process::serve_with(&config, &[("mail.url", url.as_str())]).await;
    let started = Instant::now();
    send(&process, MAILS / BATCH, 0).await;
    while server.mails().len() < MAILS as usize {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    process.kill().await;
    MAILS as f64 / minutes
}

/// A new database with people who have addresses, and the settings of its server.
async fn prepare(backend: Backend, change: impl FnOnce(&mut Config)) -> (Database, Config) {
    let database = Database::create(backend).await.expect("it was there a moment ago");
    let mut config = tests::settings(&database);
    config.catalogs = vec!["aurora".to_owned()];
    config.worker = true;
    change(&mut config);
    plaudit::start::migrate(&config, &Clock::System).await.expect("the tables are made");
    let columns = "people (id, display_name, search_name, role, email, timezone, created_at, updated_at)";
    let people = DUE.max(MAILS);
    database
        .execute(&match backend {
            Backend::Sqlite => format!(
                "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {people})
                 INSERT INTO {columns} SELECT unhex(printf('%032x', n)), 'Ada', 'ada', 'student', 'a' || n || '@b.example', 'UTC',
                   '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00' FROM n"
            ),
            Backend::Postgres => format!(
                "INSERT INTO {columns} SELECT lpad(to_hex(n), 32, '0')::uuid, 'Ada', 'ada', 'student', 'a' || n || '@b.example',
                   'UTC', '2026-01-01Z', '2026-01-01Z' FROM generate_series(1, {people}) n"
            ),
        })
        .await;
    (database, config)
}

/// Creates a webhook for what has happened until now.
async fn redeliver(server: &Process, url: &str) {
    let admin = server.client(&Uuid::new_v4().to_string(), Role::Admin);
    let create = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } userErrors { message } } }";
    let input = json!({"url": url, "types": ["AWARD_EARNED"], "description": "It never answers"});
    let answer = admin.ask(create, json!({"input": input})).await;
    let id = answer.data()["createWebhook"]["webhook"]["id"].clone();
    let since = (Clock::System.now() - chrono::TimeDelta::hours(1)).to_rfc3339();
    let again = "mutation($input: RedeliverWebhookInput!) { redeliverWebhook(input: $input) { userErrors { message } } }";
    let answer = admin.ask(again, json!({"input": {"webhookId": id, "since": since}})).await;
    assert_eq!(answer.data()["redeliverWebhook"]["userErrors"], json!([]));
}

/// Sends this number of batches.
async fn send(server: &Process, batches: u64, first: u64) {
    let client = server.client("bench", Role::Service);
    for batch in first..first + batches {
        record(&client, batch).await;
    }
}

/// Records a batch: the answers of people in turn.
async fn record(client: &Client, batch: u64) {
    let event = |nth: u64| {
        let person = Uuid::from_u128(u128::from(1 + nth % DUE));
        json!({"id": format!("e{nth}"), "userId": person, "activity": "question_answered", "attributes": {"correct": false}})
    };
    let events: Vec<Value> = (batch * BATCH..(batch + 1) * BATCH).map(event).collect();
    let query = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) {
                   results { eventId userErrors { message } } userErrors { message } } }";
    let answer = client.ask(query, json!({"input": {"events": events}})).await;
    for result in answer.data()["recordEvents"]["results"].as_array().expect("results") {
        assert_eq!(result["userErrors"], json!([]));
    }
}
