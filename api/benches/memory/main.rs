//! The server's memory under idle connections, parked bodies, unread answers and bad requests, and afterwards.
//! `cargo bench --bench memory`, or `-- sqlite`. Exits with 1 if a bound is passed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

mod load;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use plaudit::auth::Role;
use serde_json::json;
use tests::figures::{mebibytes, table};
use tests::{Arguments, Backend, Expensive, Meter, Process, School};

const SCHOOL: School = School::CROWD;
const MIB: u64 = 1 << 20;
/// What each load may add to the memory of the idle server at its peak.
const FOR_IDLE_CONNECTIONS: u64 = 240 * MIB; // 24 KiB each
const FOR_PARKED_BODIES: u64 = 96 * MIB;
const FOR_UNREAD_ANSWERS: u64 = 320 * MIB; // 4 MiB each, and as much again for 20 that are being made
const FOR_BAD_REQUESTS: u64 = 64 * MIB;
/// What may remain after each load, within the time below.
const AFTERWARDS: u64 = 64 * MIB;
const UNTIL_BACK: Duration = Duration::from_secs(60);

/// Settings that the loads need: all connections fit, and idle ones are not closed while they are measured.
const SETTINGS: [(&str, &str); 3] = [
    ("limits.connections", "12000"),
    ("limits.header_seconds", "120"),
    ("limits.connections_per_address", "12000"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut is_within = true;
    for backend in Arguments::of_process().backends() {
        is_within &= measure(backend).await.unwrap_or(true);
    }
    println!("Every load within its bounds: {is_within}");
    if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table of one database; whether every bound held.
async fn measure(backend: Backend) -> Option<bool> {
    let (database, server) = SCHOOL.serve(backend, &SETTINGS).await?;
    let meter = Meter::of(server.id(), &database);
    warm_up(&server).await;
    let (idle, _) = meter.memory();
    let largest = largest_answer(&server).await;
    println!(
        "{backend:?}: {} MiB idle; the largest answer has {} bytes: {}",
        mebibytes(idle),
        largest.1,
        largest.0.name
    );
    let mut rows = Vec::new();
    let mut is_within = true;
    for load in ["10,000 idle connections", "300 parked bodies", "60 unread answers", "50,000 bad requests"] {
        meter.reset_peak();
        let (added, told) = match load {
            "10,000 idle connections" => (FOR_IDLE_CONNECTIONS, load::idle_connections(&server).await),
            "300 parked bodies" => (FOR_PARKED_BODIES, load::parked_bodies(&server).await),
            "60 unread answers" => {
                (FOR_UNREAD_ANSWERS, load::unread_answers(&server, &SCHOOL, &largest.0).await)
            }
            _ => (FOR_BAD_REQUESTS, load::bad_requests(&server).await),
        };
        let (_, peak) = meter.memory();
        let after = settled(&meter, idle + AFTERWARDS).await;
        is_within &= peak <= idle + added && after <= idle + AFTERWARDS;
        let bytes = [peak, idle + added, after, idle + AFTERWARDS].map(mebibytes);
        rows.push([vec![load.to_owned()], bytes.to_vec(), vec![told]].concat());
    }
    let load = format!("{backend:?}: load, MiB");
    println!("{}", table(&[&load, "peak", "bound", "after", "bound", "what the clients saw"], &rows));
    server.kill().await;
    database.drop().await;
    Some(is_within)
}

/// A few requests of each kind, so that what is allocated once is.
async fn warm_up(server: &Process) {
    let client = server.client(&SCHOOL.student(0).to_string(), Role::Student);
    for _ in 0..100 {
        client.ask("{ me { xp } leaderboard { totalCount } }", json!({})).await;
    }
}

/// The known document with the largest answer for a student, and its bytes.
async fn largest_answer(server: &Process) -> (Expensive, usize) {
    let mut largest: Option<(Expensive, usize)> = None;
    for document in Expensive::all().into_iter().filter(|document| document.role == Role::Student) {
        let client = server.client(&document.subject.to_string(), document.role);
        // What one minute of a caller may cost does not matter here; the address of an answer is its document.
        let (status, text) = client.exchange(&document.text, json!({}), "largest").await;
        let bytes = if status == 200 { text.len() } else { 0 };
        if largest.as_ref().is_none_or(|(_, most)| bytes > *most) {
            largest = Some((document, bytes));
        }
    }
    largest.expect("a student sends at least one of the documents")
}

/// The resident memory once it is below this bound, or when the time for that has passed.
async fn settled(meter: &Meter<'_>, bound: u64) -> u64 {
    let start = Instant::now();
    loop {
        let (resident, _) = meter.memory();
        if resident <= bound || start.elapsed() > UNTIL_BACK {
            return resident;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
