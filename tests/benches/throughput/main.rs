//! Durable events and awards per second, compared in the same run with the rate of the same database alone: commits of one
//! row on SQLite, and the same statements without Plaudit on PostgreSQL (see [`replay`]). `cargo bench`, or
//! `cargo bench -- sqlite` for one database. PostgreSQL is measured if a server is available.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

mod replay;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use plaudit::auth::Role;
use plaudit::clock::Clock;
use plaudit::config::Config;
use sea_orm::{ConnectOptions, ConnectionTrait};
use serde_json::{Value, json};
use tests::{Arguments, Backend, Client, Database, Process};
use uuid::Uuid;

/// The duration of each measurement, and of the warm-up before it.
const MEASURED: Duration = Duration::from_secs(6);
const WARM: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 8;
const BATCH: u64 = 100;
/// The number of people with everyday events, and of people without an award.
const SCHOOL: u64 = 1_000;
const NEWCOMERS: u64 = 200_000;

/// The number of people with a long history, and of each person's events before the measurement.
const REGULARS: u64 = 200;
const HISTORY: u64 = 300;

/// Rates per second of one database.
struct Rates {
    /// The database without Plaudit.
    baseline: f64,
    events: f64,
    /// Events of 200 people: from their first event on, after 300 events each, and then out of order.
    fresh: f64,
    aged: f64,
    interleaved: f64,
    awards: f64,
    awards_of_two: Option<f64>,
}

#[tokio::main]
async fn main() {
    println!(
        "recordEvents of {BATCH} over {CONNECTIONS} connections, {} s each, per second\n",
        MEASURED.as_secs()
    );
    println!(
        "              baseline   events   events/baseline   fresh   after {HISTORY}   interleaved   awards, 1 process   awards, 2"
    );
    for backend in Arguments::of_process().backends() {
        let own = match backend {
            Backend::Sqlite => "one-row commits",
            Backend::Postgres => "events by the same statements",
        };
        let Some(rates) = measure(backend).await else { continue };
        let shown = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
        let ratio = format!("{:.2}", rates.events / rates.baseline);
        let aged = format!("{:.0} ({:.2})", rates.aged, rates.aged / rates.fresh);
        let interleaved = format!("{:.0} ({:.2})", rates.interleaved, rates.interleaved / rates.fresh);
        println!(
            "{:<11} {:>10.0} {:>8.0} {ratio:>17} {:>7.0} {aged:>11} {interleaved:>13} {:>19.0} {:>11}   (baseline: {own})",
            format!("{backend:?}"),
            rates.baseline,
            rates.events,
            rates.fresh,
            rates.awards,
            shown(rates.awards_of_two),
        );
    }
}

async fn measure(backend: Backend) -> Option<Rates> {
    Database::create(backend).await?.drop().await;
    let all = ["aurora", "tests", "code-lab", "course-portal"];
    let load = Load { backend, packs: &all, people: SCHOOL, processes: 1, before: 0, event: everyday };
    let own = match backend {
        Backend::Sqlite => one_row_commits().await,
        Backend::Postgres => replayed(load).await,
    };
    let events = served(load).await;
    let regulars = Load { people: REGULARS, event: regular, ..load };
    let fresh = served(regulars).await;
    let aged = served(Load { before: REGULARS * HISTORY, ..regulars }).await;
    let interleaved = served(Load { before: REGULARS * HISTORY, event: out_of_order, ..regulars }).await;
    let newcomers = Load { packs: &["aurora"], people: NEWCOMERS, event: first_answer, ..load };
    let awards = served(newcomers).await;
    let awards_of_two = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(served(Load { processes: 2, ..newcomers }).await),
    };
    Some(Rates { baseline: own, events, fresh, aged, interleaved, awards, awards_of_two })
}

/// The sent events, and the number of processes on one database.
#[derive(Clone, Copy)]
struct Load<'a> {
    backend: Backend,
    packs: &'a [&'a str],
    people: u64,
    processes: usize,
    /// The number of events that are sent before the measurement.
    before: u64,
    event: fn(u64) -> Value,
}

/// Events per second that the processes of this load record in a new database.
async fn served(load: Load<'_>) -> f64 {
    let Load { people, processes, before, event, .. } = load;
    let (database, config) = prepare(load).await;
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(Process::serve(&config).await);
    }
    let next = AtomicU64::new(0);
    while next.load(Ordering::Relaxed) * BATCH < before {
        send(&servers, &next, WARM, event).await;
    }
    send(&servers, &next, WARM, event).await;
    let rate = send(&servers, &next, MEASURED, event).await;
    assert!(next.load(Ordering::Relaxed) * BATCH < NEWCOMERS, "there are too few newcomers for this machine");
    expect_kept(&next, people, &database).await;
    for server in servers {
        server.kill().await;
    }
    database.drop().await;
    rate
}

/// A new database with the people and packs of this load, and the settings of its server.
async fn prepare(load: Load<'_>) -> (Database, Config) {
    let database = Database::create(load.backend).await.expect("it was there a moment ago");
    let mut config = tests::settings(&database);
    config.catalogs = load.packs.iter().map(|&pack| pack.to_owned()).collect();
    plaudit::start::migrate(&config, &Clock::System).await.expect("the tables are made");
    database.execute(&insert_people(load.backend, load.people)).await;
    (database, config)
}

/// Events per second of this load on PostgreSQL, by the statements of a server and without one.
async fn replayed(load: Load<'_>) -> f64 {
    let (database, mut config) = prepare(load).await;
    let recorder = replay::Recorder::before(&database.url()).await;
    config.database_url = recorder.url();
    let server = Process::serve(&config).await;
    send(&[server], &AtomicU64::new(0), MEASURED, load.event).await;
    let sent = recorder.end().await;
    database.drop().await;
    let (database, _) = prepare(load).await;
    let seconds = replay::replay(&sent, &database.url()).await;
    let events = database.number("SELECT count(*) FROM events").await;
    database.drop().await;
    events as f64 / seconds
}

/// Checks that every acknowledged event is stored and, if all people are new, that each has an award.
async fn expect_kept(next: &AtomicU64, people: u64, database: &Database) {
    let sent = i64::try_from(next.load(Ordering::Relaxed) * BATCH).unwrap();
    assert_eq!(database.number("SELECT count(*) FROM events").await, sent);
    if people == NEWCOMERS {
        let earned = "SELECT count(*) FROM feed WHERE kind = 'AWARD_EARNED'";
        assert_eq!(database.number(earned).await, sent);
    }
}

/// Sends batches for this duration; returns the number of answered events per second.
async fn send(servers: &[Process], next: &AtomicU64, duration: Duration, event: fn(u64) -> Value) -> f64 {
    let (started, before) = (Instant::now(), next.load(Ordering::Relaxed));
    let senders = (0..CONNECTIONS).map(|sender| {
        let client = servers[sender % servers.len()].client("bench", Role::Service);
        async move {
            while started.elapsed() < duration {
                record(&client, next.fetch_add(1, Ordering::Relaxed), event).await;
            }
        }
    });
    join_all(senders).await;
    let sent = (next.load(Ordering::Relaxed) - before) * BATCH;
    sent as f64 / started.elapsed().as_secs_f64()
}

async fn record(client: &Client, batch: u64, event: fn(u64) -> Value) {
    let events: Vec<Value> = (batch * BATCH..(batch + 1) * BATCH).map(event).collect();
    let query = "mutation($input: RecordEventsInput!) { recordEvents(input: $input) {
                   results { eventId userErrors { message } } userErrors { message } } }";
    let answer = client.ask(query, json!({"input": {"events": events}})).await;
    for result in answer.data()["recordEvents"]["results"].as_array().expect("results") {
        assert_eq!(result["userErrors"], json!([]));
    }
}

/// The everyday events of all people.
fn everyday(nth: u64) -> Value {
    of_one_of(SCHOOL, nth)
}

/// As [`everyday`], by fewer people.
fn regular(nth: u64) -> Value {
    of_one_of(REGULARS, nth)
}

/// As [`regular`], at times up to a minute apart, so that many events are late.
fn out_of_order(nth: u64) -> Value {
    let mut event = of_one_of(REGULARS, nth);
    let start: chrono::DateTime<chrono::Utc> = "2026-01-05T08:00:00Z".parse().unwrap();
    let milliseconds = nth * 50 + nth * 6_151 % 60_000;
    let at = start + Duration::from_millis(milliseconds);
    event["occurredAt"] = json!(at.to_rfc3339());
    event
}

fn of_one_of(people: u64, nth: u64) -> Value {
    // The stride is coprime to the number of people, so that a batch has events of about a hundred people.
    let person = Uuid::from_u128(u128::from(1 + nth * 7_919 % people));
    // The kind of an event does not depend on its person: each person has events of every kind.
    let kind = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (activity, attributes) = match kind % 10 {
        0..6 => (
            "question_answered",
            json!({"correct": !(kind / 10).is_multiple_of(4), "level": "B1", "skill": "grammar"}),
        ),
        6 => ("lesson_completed", json!({"lesson": format!("lesson {}", kind % 50)})),
        7 => ("code_run", json!({"language": "rust", "lines": kind % 80})),
        8 => ("lesson_watched", json!({"lesson": format!("lesson {}", kind % 50)})),
        _ => ("test_taken", json!({"points": kind % 30})),
    };
    json!({"id": format!("e{nth}"), "userId": person, "activity": activity, "attributes": attributes})
}

/// The first answer of a new person. Each earns the award First Steps.
fn first_answer(nth: u64) -> Value {
    let person = Uuid::from_u128(u128::from(1 + nth));
    json!({"id": format!("e{nth}"), "userId": person, "activity": "question_answered",
           "attributes": {"correct": false}})
}

/// SQL that inserts people 1 to `count` directly, because their registration is not measured.
fn insert_people(backend: Backend, count: u64) -> String {
    let columns = "people (id, display_name, search_name, role, timezone, created_at, updated_at)";
    match backend {
        Backend::Sqlite => format!(
            "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO {columns} SELECT unhex(printf('%032x', n)), 'Ada', 'ada', 'student', 'UTC',
               '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00' FROM n"
        ),
        Backend::Postgres => format!(
            "INSERT INTO {columns} SELECT lpad(to_hex(n), 32, '0')::uuid, 'Ada', 'ada', 'student', 'UTC',
               '2026-01-01Z', '2026-01-01Z' FROM generate_series(1, {count}) n"
        ),
    }
}

/// Commits of one row per second, over one connection to an SQLite file.
async fn one_row_commits() -> f64 {
    let database = Database::create(Backend::Sqlite).await.expect("a file can be made");
    let mut options = ConnectOptions::new(database.url());
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    for setup in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE rows (id integer PRIMARY KEY, body text)",
    ] {
        connection.execute_unprepared(setup).await.unwrap();
    }
    let (started, mut commits) = (Instant::now(), 0_u32);
    while started.elapsed() < MEASURED {
        connection
            .execute_unprepared("INSERT INTO rows (body) VALUES ('one row, one commit')")
            .await
            .unwrap();
        commits += 1;
    }
    let rate = f64::from(commits) / started.elapsed().as_secs_f64();
    connection.close().await.unwrap();
    database.drop().await;
    rate
}
