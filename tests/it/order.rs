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
    /// The sizes of requests, in turn.
    sizes: &'static [usize],
    connections: usize,
}

/// The property for all permutations and splits is that of the engine (`api/engine/tests/it/order.rs`). Here it is that
/// of the whole server: one sender, many senders of large batches, and many senders of small batches and single events.
const WAYS: [Way; 3] = [
    Way { name: "in order, by 1,000", shuffled: None, sizes: &[1_000], connections: 1 },
    Way { name: "shuffled, by 1,000 at once", shuffled: Some(2), sizes: &[1_000], connections: 16 },
    Way {
        name: "shuffled, by 1 to 20 at once",
        shuffled: Some(3),
        sizes: &[1, 7, 1, 20, 1, 1, 3],
        connections: 16,
    },
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
    // Six servers run at once here, and a late event reads the history of its person.
    let w = World::with(backend, |config| {
        config.limits.request_seconds = 300;
        config.database_statement_seconds = 120;
        config.database_acquire_seconds = 120;
    })
    .await?;
    school::open(&w).await;
    // Every third event is sent twice.
    let repeated = |nth: usize| if nth.is_multiple_of(3) { 2 } else { 1 };
    let mut sent: Vec<&Value> = events
        .iter()
        .enumerate()
        .flat_map(|(nth, event)| std::iter::repeat_n(event, repeated(nth)))
        .collect();
    if let Some(seed) = way.shuffled {
        sent.shuffle(&mut StdRng::seed_from_u64(seed));
    }
    let mut batches: Vec<Vec<Value>> = Vec::new();
    let mut rest = sent.as_slice();
    for size in way.sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, after) = rest.split_at(rest.len().min(*size));
        batches.push(batch.iter().copied().cloned().collect());
        rest = after;
    }
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
