//! The effect of one person's attack on others: latencies of ten people's `me` and of a service's `recordEvent`.
//! `cargo bench --bench crowd`, or `-- sqlite --seconds 20 --attack exports`. Exits with 1 if a request failed or took
//! too long.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

mod attack;

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use attack::Attack;
use futures_util::future::{join, join_all};
use plaudit::auth::Role;
use serde_json::json;
use tests::figures::{Latencies, milliseconds, table};
use tests::{Arguments, Client, Process, School};
use tokio::process::Command;

const SCHOOL: School = School::CROWD;
/// People who call `me`, and the interval of each.
const PEOPLE: u64 = 10;
const PEOPLE_EVERY: Duration = Duration::from_millis(500);
const SERVICE_EVERY: Duration = Duration::from_millis(50);
/// The goal: no request fails, and 99 % are answered within this time.
const GOAL: Duration = Duration::from_millis(250);
/// A request without an answer within this time has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// The duration of an attack before the measurement starts, and the maximum time for the server's recovery.
const HEAD_START: Duration = Duration::from_secs(1);
const RECOVERY: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::of_process();
    let seconds = Duration::from_secs(arguments.value("seconds", 20));
    let chosen = arguments.text("attack").map(|name| Attack::parse(name).expect("the name of an attack"));
    if let Some(url) = arguments.text("url") {
        attack::run(chosen.expect("an attack"), url, seconds).await;
        return ExitCode::SUCCESS;
    }
    let mut is_reached = true;
    for backend in arguments.backends() {
        let Some((database, server)) = SCHOOL.serve(backend, &[]).await else { continue };
        let mut rows = Vec::new();
        let attacks = Attack::ALL.into_iter().filter(|attack| chosen.is_none_or(|chosen| chosen == *attack));
        for attack in std::iter::once(None).chain(attacks.map(Some)) {
            let (row, is_within) = measure(&server, attack, seconds).await;
            rows.extend(row);
            is_reached &= is_within;
        }
        server.kill().await;
        database.drop().await;
        let attack = format!("{backend:?}: attack");
        let headings =
            [&attack, "request", "number", "failed", "p50 ms", "p99 ms", "max ms", "attacker's answers"];
        println!("{}", table(&headings, &rows));
    }
    println!("Goal: no request failed, p99 at most {} ms. Reached: {is_reached}", GOAL.as_millis());
    if is_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The two rows of one attack, and whether both meet the goal.
async fn measure(server: &Process, attack: Option<Attack>, seconds: Duration) -> ([Vec<String>; 2], bool) {
    let attacker = attack.map(|attack| start(attack, &server.url, seconds + HEAD_START));
    if attack.is_some() {
        tokio::time::sleep(HEAD_START).await;
    }
    let (people, service) = join(people(server, seconds), service(server, seconds)).await;
    let told = match attacker {
        Some(attacker) => {
            let ended = tokio::time::timeout(PATIENCE, attacker.wait_with_output()).await;
            ended.map_or_else(
                |_| "did not end".to_owned(),
                |output| String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned(),
            )
        }
        None => String::new(),
    };
    recover(server).await;
    let is_within = [&people, &service].iter().all(|all| all.failed() == 0 && all.percentile(990) <= GOAL);
    let name = attack.map_or("none", Attack::name);
    ([row(name, "me", &people, told), row("", "recordEvent", &service, String::new())], is_within)
}

fn row(attack: &str, request: &str, latencies: &Latencies, told: String) -> Vec<String> {
    vec![
        attack.to_owned(),
        request.to_owned(),
        latencies.requests().to_string(),
        latencies.failed().to_string(),
        milliseconds(latencies.percentile(500)),
        milliseconds(latencies.percentile(990)),
        milliseconds(latencies.percentile(1_000)),
        told,
    ]
}

/// Starts the attacker as a process of the lowest priority, because in production another machine does its work.
fn start(attack: Attack, url: &str, seconds: Duration) -> tokio::process::Child {
    let own = std::env::current_exe().expect("a program knows its own file");
    Command::new("nice")
        .args(["-n", "19"])
        .arg(own)
        .args(["--attack", attack.name(), "--url", url, "--seconds", &seconds.as_secs().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("nice starts the attacker")
}

async fn people(server: &Process, seconds: Duration) -> Latencies {
    let callers = (0..PEOPLE).map(|number| async move {
        let client = server.client(&SCHOOL.student(number).to_string(), Role::Student);
        // The callers are spread over the interval.
        tokio::time::sleep(PEOPLE_EVERY * u32::try_from(number).unwrap() / 10).await;
        steadily(seconds, PEOPLE_EVERY, |_| {
            let client = client.clone();
            async move { is_data(&client, "{ me { id xp level { number } } }", json!({})).await }
        })
        .await
    });
    let mut all = Latencies::default();
    for latencies in join_all(callers).await {
        all.extend(&latencies);
    }
    all
}

async fn service(server: &Process, seconds: Duration) -> Latencies {
    let client = server.client("lessons", Role::Service);
    let mutation = "mutation($input: RecordEventInput!) { recordEvent(input: $input) { eventId userErrors { message } } }";
    steadily(seconds, SERVICE_EVERY, |number| {
        let client = client.clone();
        let input = json!({"userId": SCHOOL.student(100 + number), "activity": "question_answered",
                           "attributes": {"correct": true}});
        async move { is_data(&client, mutation, json!({"input": input})).await }
    })
    .await
}

/// Sends a request at each tick, whether or not earlier ones are answered, and measures each from its tick.
async fn steadily<F>(seconds: Duration, every: Duration, send: impl Fn(u64) -> F) -> Latencies
where
    F: Future<Output = bool> + Send + 'static,
{
    let start = Instant::now();
    let mut sent = Vec::new();
    for number in 0.. {
        let due = start + every * number;
        if due >= start + seconds {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let request = send(number.into());
        sent.push(tokio::spawn(async move {
            let is_good = tokio::time::timeout(PATIENCE, request).await.unwrap_or(false);
            (is_good, due.elapsed())
        }));
    }
    let mut latencies = Latencies::default();
    for request in sent {
        match request.await.unwrap() {
            (true, taken) => latencies.add(taken),
            (false, _) => latencies.add_failure(),
        }
    }
    latencies
}

/// Whether the answer has data and no errors.
async fn is_data(client: &Client, query: &str, variables: serde_json::Value) -> bool {
    match client.try_ask(query, variables).await {
        Ok(answer) => {
            let data = answer.body.get("data").and_then(|data| data.as_object());
            let fields = data.and_then(|data| data.values().next());
            let has_errors = answer.body.get("errors").is_some()
                || fields
                    .and_then(|fields| fields.get("userErrors"))
                    .is_some_and(|errors| errors != &json!([]));
            fields.is_some() && !has_errors
        }
        Err(_) => false,
    }
}

/// Waits until the server has finished the attack's work, so that it does not affect the next row.
async fn recover(server: &Process) {
    let client = server.client(&SCHOOL.student(0).to_string(), Role::Student);
    let calm = async {
        let mut quick = 0;
        while quick < 10 {
            let start = Instant::now();
            let is_good = is_data(&client, "{ me { id } }", json!({})).await;
            quick = if is_good && start.elapsed() < GOAL { quick + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(RECOVERY, calm).await.expect("the server recovers from the attack");
}
