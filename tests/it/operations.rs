//! The operations listener: its metrics, and that it responds when the main listener is full.

use std::collections::BTreeSet;

use serde_json::json;
use tests::{Backend, World};
use tokio::net::TcpStream;

/// A world whose server has an operations listener.
async fn world(backend: Backend, connections: usize) -> Option<World> {
    World::with(backend, |config| {
        config.operations_listen = Some(([127, 0, 0, 1], 0).into());
        config.worker = true;
        config.limits.connections = connections;
    })
    .await
}

async fn get(w: &World, path: &str) -> (u16, String) {
    let address = w.server.operations.expect("the settings name an address");
    let response =
        tests::http().get(format!("http://{address}{path}")).send().await.expect("the listener answers");
    (response.status().as_u16(), response.text().await.expect("the answer is text"))
}

/// The values of these series.
async fn values(w: &World, series: &[&str]) -> Vec<String> {
    let (status, text) = get(w, "/metrics").await;
    assert_eq!(status, 200);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing:\n{text}")).to_owned()
    };
    series.iter().map(|name| value(name)).collect()
}

async fn check_metrics(backend: Backend, loops: &[&str], pools: &[&str]) {
    let Some(w) = world(backend, 100).await else { return };
    let ada = w.student("UTC").await;
    let event = |id: &str| json!({"id": id, "userId": ada, "activity": "comment_written"});
    w.service().record_all(&[event("1"), event("2")]).await;
    assert_eq!(w.service().record(event("2")).await["duplicate"], true);
    assert_eq!(w.nobody().ask("{ me { xp } }", json!({})).await.code(), "UNAUTHENTICATED");
    let socket = w.service().socket().await;
    let expected = [
        ("plaudit_transactions_total", "2"),
        ("plaudit_events_recorded_total", "2"),
        ("plaudit_refusals_total{code=\"UNAUTHENTICATED\"}", "1"),
        ("plaudit_refusals_total{code=\"INTERNAL\"}", "0"),
        ("plaudit_sockets_open", "1"),
        ("plaudit_subscriptions_open", "0"),
        ("plaudit_lanes_busy", "0"),
        ("plaudit_bytes_in_flight{of=\"answers\"}", "0"),
    ];
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let found = values(&w, &names).await;
    let found: Vec<_> = names.into_iter().zip(found.iter().map(String::as_str)).collect();
    assert_eq!(found, expected);

    let (_, text) = get(&w, "/metrics").await;
    let labels = |metric: &str, label: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| line.starts_with(&format!("{metric}{{")));
        let value =
            |line: &str| Some(line.split_once(&format!("{label}=\""))?.1.split('"').next()?.to_owned());
        lines.filter_map(value).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(labels("plaudit_loop_age_seconds", "loop"), set(loops));
    assert_eq!(labels("plaudit_pool_connections", "pool"), set(pools));
    drop(socket);
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_the_work_done_on_sqlite() {
    let loops = ["batcher lane 1", "catalogue", "database", "hub", "relay", "revocations", "webhook"];
    check_metrics(Backend::Sqlite, &loops, &["readers", "writers", "reserved", "tasks"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_the_work_done_on_postgresql() {
    let loops = [
        "batcher lane 1",
        "batcher lane 2",
        "catalogue",
        "database",
        "hub",
        "relay",
        "revocations",
        "webhook",
    ];
    check_metrics(Backend::Postgres, &loops, &["readers", "writers", "recorders", "reserved", "tasks"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_answers_there_when_the_main_listener_is_full() {
    let w = world(Backend::Sqlite, 1).await.unwrap();
    let held = TcpStream::connect(w.server.address).await.unwrap();
    // The only place is taken once the server has accepted the connection.
    while values(&w, &["plaudit_connections_open"]).await != ["1"] {}
    assert_eq!(get(&w, "/health/ready").await, (200, "{\"status\":\"ready\"}".to_owned()));
    assert_eq!(get(&w, "/health/live").await, (200, "{\"status\":\"live\"}".to_owned()));
    drop(held);
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_there_do_not_keep_out_a_probe() {
    let w = world(Backend::Sqlite, 100).await.unwrap();
    let address = w.server.operations.unwrap();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(get(&w, "/health/ready").await, (200, "{\"status\":\"ready\"}".to_owned()));
    drop(idle);
    w.finish().await;
}
