//! Order, batches, repeats and the number of senders do not matter: five thousand events of a small school result in the
//! same state, however they are sent.

mod school;

use std::sync::Arc;

use futures_util::future::join_all;
use plaudit::check::Report;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tests::{Backend, World};

/// A way to send the events.
struct Way {
    name: &'static str,
    /// The order: as they happened, or shuffled with this seed.
    shuffled: Option<u64>,
    batch: usize,
    connections: usize,
}

const WAYS: [Way; 5] = [
    Way { name: "in order, by 1,000", shuffled: None, batch: 1_000, connections: 1 },
    Way { name: "shuffled, by 1,000", shuffled: Some(1), batch: 1_000, connections: 1 },
    Way { name: "shuffled, by 1,000 at once", shuffled: Some(2), batch: 1_000, connections: 16 },
    Way { name: "shuffled, by 7 at once", shuffled: Some(3), batch: 7, connections: 16 },
    Way { name: "shuffled, one by one at once", shuffled: Some(4), batch: 1, connections: 16 },
];

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_end_in_the_same_state() {
    let events = Arc::new(school::events());
    assert_eq!(events.len(), 5_000);
    let runs = [Backend::Sqlite, Backend::Postgres].into_iter().flat_map(|backend| {
        let events = &events;
        WAYS.iter().map(move |way| tokio::spawn(run(backend, way, Arc::clone(events))))
    });
    let reports: Vec<Ended> = join_all(runs).await.into_iter().filter_map(Result::unwrap).collect();

    let first = &reports[0];
    assert_eq!(first.report.flagged.len(), 0, "nothing was earned and lost that came as it happened");
    assert!(first.achievements > 50, "only {} of the achievements were part of this", first.achievements);
    for ended in &reports {
        assert_eq!(ended.report.digest, first.report.digest, "{} ends otherwise", ended.name);
        assert_eq!(ended.events, first.events, "{} keeps another number of events", ended.name);
    }
    let lost: usize = reports.iter().map(|ended| ended.report.flagged.len()).sum();
    assert!(
        lost > 10,
        "only {lost} runs were broken by a late wrong answer: flagged awards were hardly part of this"
    );
}

struct Ended {
    name: String,
    report: Report,
    events: i64,
    achievements: i64,
}

async fn run(backend: Backend, way: &'static Way, events: Arc<Vec<Value>>) -> Option<Ended> {
    // Ten servers run at once here, and a late event reads the history of its person.
    let w = World::with(backend, |config| {
        config.limits.request_seconds = 300;
        config.database_statement_seconds = 120;
        config.database_acquire_seconds = 120;
    })
    .await?;
    school::open(&w).await;
    let mut twice: Vec<&Value> = events.iter().chain(events.iter()).collect();
    match way.shuffled {
        Some(seed) => twice.shuffle(&mut StdRng::seed_from_u64(seed)),
        None => twice = events.iter().flat_map(|event| [event, event]).collect(),
    }
    let batches: Vec<Vec<Value>> =
        twice.chunks(way.batch).map(|some| some.iter().copied().cloned().collect()).collect();
    let service = w.service();
    let senders = (0..way.connections).map(|sender| {
        let (service, batches) = (service.clone(), &batches);
        async move {
            for batch in batches.iter().skip(sender).step_by(way.connections) {
                send(&service, batch).await;
            }
        }
    });
    join_all(senders).await;
    let name = format!("{backend:?}, {}", way.name);
    let events = w.database.number("SELECT count(*) FROM events").await;
    let achievements = w.database.number("SELECT count(DISTINCT achievement_id) FROM awards").await;
    let report = w.finish().await;
    Some(Ended { name, report, events, achievements })
}

async fn send(service: &tests::Client, batch: &[Value]) {
    if let [event] = batch {
        assert_eq!(service.record(event.clone()).await["userErrors"], json!([]));
        return;
    }
    let answer = service.record_all(batch).await;
    assert_eq!(answer["userErrors"], json!([]));
    for result in answer["results"].as_array().unwrap() {
        assert_eq!(result["userErrors"], json!([]), "{result}");
    }
}
