//! Responses per second to two documents of a front end, compared with a bare axum handler that reads similar rows of the
//! same database and computes no progress, and on SQLite with graphql-yoga (if Node.js is installed).
//! `cargo bench --bench reads`, or `-- sqlite --seconds 10`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

mod bare;
mod peer;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::figures::table;
use tests::{Arguments, Client, Database, Process, School};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use uuid::Uuid;

const SCHOOL: School = School::CROWD;
/// The number of callers. Each has a separate connection and student.
const CALLERS: u64 = 16;
/// The duration of the warm-up before each measurement.
const WARM: Duration = Duration::from_secs(1);

const ME: &str = "{ me { displayName xp } }";
const PAGE: &str = "{
    me { displayName xp level { number xpIntoLevel xpForNext } streak { current longest } }
    earned(first: 20) { nodes { earnedAt achievement { key name rarity } } }
    inProgress(first: 10) { nodes { current target percent achievement { key name } } }
    nextAchievements { current target achievement { key name } }
    summary { totalEarned currentRank nextRank } }";

/// The name, the document, and the route of the bare handler; one row of the table each.
const DOCUMENTS: [(&str, &str, &str); 2] = [("me", ME, "me"), ("a learner's page", PAGE, "page")];

#[tokio::main]
async fn main() {
    let arguments = Arguments::of_process();
    if let Some(url) = arguments.text("database") {
        return bare::serve(url).await;
    }
    let seconds = Duration::from_secs(arguments.value("seconds", 6));
    println!("Answers per second to {CALLERS} callers, {} s each\n", seconds.as_secs());
    for backend in arguments.backends() {
        // Turns off the cost budget.
        let unlimited = [("limits.cost_per_minute", "0")];
        let Some((database, server)) = SCHOOL.serve(backend, &unlimited).await else { continue };
        copy_metrics_to_all(&server, &database).await;
        let (handler, bare) = bare::start(&database.url()).await;
        let yoga = peer::start(&database.url()).await;
        let mut rows = Vec::new();
        for (name, document, route) in DOCUMENTS {
            let ours = ours(&server, document, WARM).await;
            assert!(ours > 0.0, "the server answers");
            let ours = self::ours(&server, document, seconds).await;
            theirs(&bare, route, WARM).await;
            let bare = theirs(&bare, route, seconds).await;
            let mut row =
                vec![name.to_owned(), format!("{ours:.0}"), format!("{bare:.0}"), ratio(ours, bare)];
            match &yoga {
                Some((_, url)) => {
                    yogas(url, document, WARM).await;
                    let yoga = yogas(url, document, seconds).await;
                    row.extend([format!("{yoga:.0}"), ratio(ours, yoga)]);
                }
                None => row.extend(["-".to_owned(), "-".to_owned()]),
            }
            rows.push(row);
        }
        let heads = [&format!("{backend:?}"), "Plaudit", "bare axum", "ratio", "graphql-yoga", "ratio"];
        println!("{}", table(&heads, &rows));
        drop((handler, yoga));
        server.kill().await;
        database.drop().await;
    }
}

/// Records events for the busiest student, and copies their metrics to all students.
async fn copy_metrics_to_all(server: &Process, database: &Database) {
    let service = server.client("lessons", Role::Service);
    let event = |nth: u64| {
        json!({"userId": School::busiest(), "activity": "question_answered",
        "attributes": {"correct": !nth.is_multiple_of(3)}})
    };
    service.record_all(&(0..100).map(event).collect::<Vec<_>>()).await;
    School::copy_metrics(database, School::busiest()).await;
}

/// Answers per second of our server.
async fn ours(server: &Process, document: &str, seconds: Duration) -> f64 {
    let ask = async |client: &Client| {
        let answer = client.ask(document, json!({})).await;
        assert!(answer.data()["me"]["xp"].is_i64(), "{:?}", answer.body);
    };
    let clients = (0..CALLERS).map(|nth| server.client(&student(nth).to_string(), Role::Student));
    per_second(clients.collect(), seconds, ask).await
}

/// Answers per second of the bare handler.
async fn theirs(url: &str, route: &str, seconds: Duration) -> f64 {
    let ask = async |(http, url): &(reqwest::Client, String)| {
        let response = http.post(url).json(&json!({"query": ""})).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        assert!(answer["me"]["xp"].is_i64(), "{answer}");
    };
    let callers = (0..CALLERS).map(|nth| (tests::http(), format!("{url}/{route}/{}", student(nth))));
    per_second(callers.collect(), seconds, ask).await
}

/// Answers per second of graphql-yoga.
async fn yogas(url: &str, document: &str, seconds: Duration) -> f64 {
    let ask = async |(http, student): &(reqwest::Client, Uuid)| {
        let request =
            http.post(url).header("x-person", student.to_string()).json(&json!({"query": document}));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["data"]["me"]["xp"].is_i64() && answer["errors"].is_null(), "{answer}");
    };
    let callers = (0..CALLERS).map(|nth| (tests::http(), student(nth)));
    per_second(callers.collect(), seconds, ask).await
}

fn ratio(ours: f64, theirs: f64) -> String {
    format!("{:.2}", ours / theirs)
}

/// The first line of a process: the address at which it serves.
async fn address_of(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    lines.next_line().await.unwrap().expect("it prints its address")
}

fn student(nth: u64) -> Uuid {
    SCHOOL.student(nth * 101)
}

async fn per_second<C>(callers: Vec<C>, seconds: Duration, ask: impl AsyncFn(&C)) -> f64 {
    let start = Instant::now();
    let answers = join_all(callers.iter().map(async |caller| {
        let mut answers = 0_u32;
        while start.elapsed() < seconds {
            ask(caller).await;
            answers += 1;
        }
        f64::from(answers)
    }));
    answers.await.iter().sum::<f64>() / start.elapsed().as_secs_f64()
}
