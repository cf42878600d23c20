//! A search for the most expensive document: random documents from the schema, then changes of the most expensive ones,
//! by the processor time of the server and its database.
//! `cargo bench --bench search`, or `-- sqlite --minutes 10 --seed 7 --people 5000`.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

mod document;
mod generator;
mod schema;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use document::Document;
use generator::Generator;
use plaudit::auth::Role;
use rand::SeedableRng;
use rand::rngs::StdRng;
use schema::Schema;
use serde_json::{Value, json};
use tests::figures::{milliseconds, table};
use tests::{Arguments, Backend, Client, Expensive, Meter, Process, School};

/// The limits of one document.
const PROCESSOR: Duration = Duration::from_millis(500);
const BYTES: usize = 4 * 1024 * 1024;
/// The number of documents that are changed, and of documents that are printed at the end.
const POOL: usize = 24;
const WORST: usize = 10;
/// The maximum number of documents in the pool with the same leading field.
const ALIKE: usize = 3;
/// The number of random documents before the first change.
const AT_RANDOM: usize = 60;
/// The number of measurements of a candidate for the pool. The lowest one counts.
const RUNS: usize = 3;

/// Budgets per minute are disabled, because one caller sends thousands of documents.
const SETTINGS: [(&str, &str); 1] = [("limits.cost_per_minute", "0")];

/// A document and its measured cost.
struct Measured {
    document: Document,
    processor: Duration,
    bytes: usize,
}

impl Measured {
    /// The price: the share of the limits, so that processor time and bytes are comparable.
    fn price(&self) -> u128 {
        let part = |taken: u128, most: u128| taken.saturating_mul(1_000) / most;
        let bytes = [self.bytes, BYTES].map(|bytes| u128::try_from(bytes).unwrap_or(u128::MAX));
        part(self.processor.as_micros(), PROCESSOR.as_micros()) + part(bytes[0], bytes[1])
    }

    fn is_allowed(&self) -> bool {
        self.processor <= PROCESSOR && self.bytes <= BYTES
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::of_process();
    let minutes = arguments.value("minutes", 5);
    let seed = arguments.value("seed", 1);
    let people = arguments.value("people", School::LARGE.people);
    let school = School { people, events: people * 10, awards: people * 4, ..School::LARGE };
    let mut is_bounded = true;
    for backend in arguments.backends() {
        let start = Instant::now();
        let Some((database, server)) = school.serve(backend, &SETTINGS).await else { continue };
        if backend == Backend::Postgres {
            // Parallel workers exit before their processor time can be read.
            database.execute(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET max_parallel_workers_per_gather = 0', current_database()); END $$",
            )
            .await;
        }
        give_metrics(&school, &database, &server).await;
        println!("{backend:?}: {people} people, seed {seed}, ready after {} s", start.elapsed().as_secs());
        let keys = achievements(&server).await;
        let schema = Schema::parse(&plaudit::schema_sdl());
        let generator = Generator::new(schema, school, keys, StdRng::seed_from_u64(seed));
        let meter = Meter::of(server.id(), &database);
        let search =
            Search { server: &server, meter, generator, pool: Vec::new(), seen: HashSet::new(), refused: 0 };
        is_bounded &= search.run(Duration::from_secs(minutes * 60)).await;
        server.kill().await;
        database.drop().await;
    }
    println!("Every document within {} ms and {BYTES} bytes: {is_bounded}", PROCESSOR.as_millis());
    if is_bounded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Records one event of many activities for one student, and copies the metrics to all students.
async fn give_metrics(school: &School, database: &tests::Database, server: &Process) {
    let person = school.student(0);
    let activities = [
        ("question_answered", json!({"correct": true, "level": "B1", "skill": "grammar"})),
        ("lesson_completed", json!({"lesson": "one"})),
        ("code_run", json!({"language": "rust", "lines": 3})),
        ("ai_explain", json!({"language": "rust"})),
        ("snippet_create", json!({"language": "rust"})),
        ("session_join", json!({})),
        ("lesson_watched", json!({"lesson": "one"})),
        ("comment_written", json!({})),
        ("test_taken", json!({"points": 5})),
    ];
    let events: Vec<Value> = activities
        .into_iter()
        .map(|(activity, attributes)| json!({"userId": person, "activity": activity, "attributes": attributes}))
        .collect();
    server.client("lessons", Role::Service).record_all(&events).await;
    School::copy_metrics(database, person).await;
}

async fn achievements(server: &Process) -> Vec<String> {
    let client = client(server, Role::SuperAdmin);
    let answer = client.ask("{ catalog { categories { achievements { key } } } }", json!({})).await;
    let categories = answer.data().pointer("/catalog/categories").and_then(Value::as_array).cloned();
    let categories = categories.unwrap_or_default();
    let all = categories.iter().filter_map(|category| category.get("achievements")?.as_array()).flatten();
    all.filter_map(|achievement| achievement.get("key")?.as_str().map(str::to_owned)).collect()
}

fn client(server: &Process, role: Role) -> Client {
    server.client(&Expensive::subject(role).to_string(), role)
}

/// A search on one database.
struct Search<'a> {
    server: &'a Process,
    meter: Meter<'a>,
    generator: Generator,
    /// The most expensive documents, the most expensive first.
    pool: Vec<Measured>,
    seen: HashSet<Document>,
    refused: usize,
}

impl Search<'_> {
    /// Searches for this duration and prints the worst documents; returns whether all are within the limits.
    async fn run(mut self, duration: Duration) -> bool {
        let start = Instant::now();
        let mut told = Instant::now();
        let mut waiting: Vec<Document> = Expensive::all()
            .into_iter()
            .filter_map(|known| Document::parse(&self.generator.schema, known.role, &known.text))
            .collect();
        println!("  {} known documents to begin with", waiting.len());
        for tried in 0_usize.. {
            if start.elapsed() > duration {
                break;
            }
            let document = match waiting.pop() {
                Some(known) => known,
                None if tried < AT_RANDOM || tried.is_multiple_of(5) || self.pool.is_empty() => {
                    self.generator.document()
                }
                None => {
                    // Documents far beyond the limit are already found, and their changes take long to measure.
                    let near = |measured: &&Measured| measured.processor <= 2 * PROCESSOR;
                    let parents: Vec<&Measured> = self.pool.iter().filter(near).collect();
                    let place = self.generator.early_place(parents.len());
                    match parents.get(place) {
                        Some(parent) => self.generator.changed(&parent.document),
                        None => self.generator.document(),
                    }
                }
            };
            if self.seen.insert(document.clone()) {
                self.consider(document).await;
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let (processor, bytes) = self
                    .pool
                    .first()
                    .map_or_else(Default::default, |worst| (milliseconds(worst.processor), worst.bytes));
                println!(
                    "  {:>4} s: {tried} documents, {} refused, the worst {processor} ms and {bytes} bytes",
                    start.elapsed().as_secs(),
                    self.refused
                );
            }
        }
        self.print();
        self.pool.iter().all(Measured::is_allowed)
    }

    /// Measures a document and keeps it if it is among the most expensive ones.
    async fn consider(&mut self, document: Document) {
        let Some(mut measured) = self.measure(document).await else { return };
        let bar = self.pool.get(POOL - 1).map_or(0, Measured::price);
        if measured.price() <= bar {
            return;
        }
        // The first run also warms up the caches. A very slow document needs no exact measurement.
        for _ in 1..RUNS {
            if measured.processor > 4 * PROCESSOR {
                break;
            }
            let Some(again) = self.measure(measured.document.clone()).await else { return };
            measured.processor = measured.processor.min(again.processor);
        }
        let price = measured.price();
        // Limit similar documents; otherwise the pool fills with variants of one document.
        let leading = measured.document.leading();
        let like = |other: &Measured| other.document.leading() == leading;
        if self.pool.iter().filter(|&other| like(other)).count() >= ALIKE {
            let Some(cheapest) = self.pool.iter().rposition(like) else { return };
            if self.pool.get(cheapest).is_some_and(|other| other.price() >= price) {
                return;
            }
            self.pool.remove(cheapest);
        }
        let place = self.pool.partition_point(|other| other.price() >= price);
        self.pool.insert(place, measured);
        self.pool.truncate(POOL);
    }

    /// Sends a document once. None if the server refuses the whole document.
    async fn measure(&mut self, document: Document) -> Option<Measured> {
        let client = client(self.server, document.role);
        self.meter.find_connections().await;
        let before = self.calm().await;
        let (status, text) = client.exchange(&document.text(), json!({}), "search").await;
        self.meter.find_connections().await;
        let processor = self.calm().await.saturating_sub(before);
        let is_refused =
            status.is_client_error() || text.starts_with("{\"errors\"") || text.starts_with("{\"data\":null");
        if is_refused {
            self.refused += 1;
            return None;
        }
        Some(Measured { document, processor, bytes: text.len() })
    }

    /// The processor time so far, after the server has finished the work of earlier documents.
    async fn calm(&self) -> Duration {
        let start = Instant::now();
        let mut before = self.meter.processor();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = self.meter.processor();
            if now.saturating_sub(before) < Duration::from_millis(2)
                || start.elapsed() > Duration::from_secs(20)
            {
                return now;
            }
            before = now;
        }
    }

    fn print(&self) {
        let rows: Vec<Vec<String>> = (1..)
            .zip(self.pool.iter().take(WORST))
            .map(|(place, worst)| {
                vec![
                    format!("{place}"),
                    worst.document.role.as_str().to_owned(),
                    milliseconds(worst.processor),
                    worst.bytes.to_string(),
                    worst.document.size().to_string(),
                    if worst.is_allowed() { "" } else { "beyond" }.to_owned(),
                ]
            })
            .collect();
        println!("{}", table(&["worst", "caller", "processor ms", "bytes", "fields", "limit"], &rows));
        for (place, worst) in (1..).zip(self.pool.iter().take(WORST)) {
            println!("# {place}\n# as: {}\n{}\n", worst.document.role.as_str(), worst.document.text());
        }
    }
}
