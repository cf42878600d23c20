//! The server's memory during and after idle connections, parked bodies, unread answers and bad requests.
//! `cargo bench --bench memory`, or `-- sqlite --load unread` for the loads with this word in their name. Exits with 1
//! if a bound is exceeded.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

mod load;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use load::Load;
use plaudit::auth::Role;
use serde_json::json;
use tests::figures::{mebibytes, table};
use tests::{Arguments, Backend, Expensive, Meter, Process, School};

const SCHOOL: School = School::CROWD;
const MIB: u64 = 1 << 20;
/// The memory that may remain after each load, within the time below.
const AFTERWARDS: u64 = 64 * MIB;
const UNTIL_BACK: Duration = Duration::from_secs(30);

/// Settings for the loads: all connections are accepted, and idle connections stay open during the measurement.
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

/// Prints the table of one database; returns whether every bound held.
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
    let arguments = Arguments::of_process();
    let word = arguments.text("load").unwrap_or_default();
    for load in Load::ALL.into_iter().filter(|load| load.name().contains(word)) {
        meter.reset_peak();
        let told = load.run(&server, &SCHOOL, &largest.0).await;
        let (_, peak) = meter.memory();
        let most = idle + AFTERWARDS + allowance(load);
        let after = settled(&meter, idle + AFTERWARDS).await;
        is_within &= peak <= most && after <= idle + AFTERWARDS;
        let bytes = [peak, most, after, idle + AFTERWARDS].map(mebibytes);
        rows.push([vec![load.name().to_owned()], bytes.to_vec(), vec![told]].concat());
    }
    let load = format!("{backend:?}: load, MiB");
    println!("{}", table(&[&load, "peak", "bound", "after", "bound", "what the clients saw"], &rows));
    server.kill().await;
    database.drop().await;
    Some(is_within)
}

/// The memory that a load may add at its peak to the idle server's memory and the permitted rest of earlier loads.
fn allowance(load: Load) -> u64 {
    match load {
        // 24 KiB each.
        Load::IdleConnections => 240 * MIB,
        Load::ParkedBodies => 96 * MIB,
        // 4 MiB each, and 4 MiB for each of 20 answers in progress.
        Load::UnreadAnswers => 320 * MIB,
        Load::BadRequests => 64 * MIB,
    }
}

/// Sends requests on many connections at once, so that pools and caches reach their usual size.
async fn warm_up(server: &Process) {
    let callers = (0..50).map(|number| {
        let client = server.client(&SCHOOL.student(number).to_string(), Role::Student);
        async move {
            for _ in 0..5 {
                client.ask("{ me { xp } leaderboard { totalCount } }", json!({})).await;
            }
        }
    });
    join_all(callers).await;
}

/// The known document with the largest answer for a student, and its bytes.
async fn largest_answer(server: &Process) -> (Expensive, usize) {
    let mut largest: Option<(Expensive, usize)> = None;
    for document in Expensive::all().into_iter().filter(|document| document.role == Role::Student) {
        // Any student sends the document, so it must not depend on a specific student.
        let client = server.client(&SCHOOL.student(0).to_string(), Role::Student);
        let (status, text) = client.exchange(&document.text, json!({}), "largest").await;
        let bytes = if status == 200 { text.len() } else { 0 };
        if largest.as_ref().is_none_or(|(_, most)| bytes > *most) {
            largest = Some((document, bytes));
        }
    }
    largest.expect("a student sends at least one of the documents")
}

/// The resident memory when it is below this bound, or after the time limit.
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
