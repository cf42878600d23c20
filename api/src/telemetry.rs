//! The server's metrics, as Prometheus text. Every label has a fixed set of values, so the number of series does not
//! grow. `OPERATIONS.md` describes each metric; a test compares the names.

mod operations;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use self::operations::Operations;
use crate::app::App;
use crate::refusal::Code;

/// A label and its value.
type Label<V> = [(&'static str, V); 1];
/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Telemetry(Arc<Metrics>);

#[derive(Debug, Default)]
struct Metrics {
    registry: Registry,
    loop_age: Family<Label<String>, Seconds>,
    loop_late: Family<Label<String>, Gauge>,
    lanes_busy: Gauge,
    transactions: Counter,
    events_recorded: Counter,
    refusals: Family<Label<&'static str>, Counter>,
    connections: Gauge,
    sockets: Gauge,
    subscriptions: Gauge,
    bytes: Family<Label<&'static str>, Gauge>,
    pool: Family<[(&'static str, &'static str); 2], Gauge>,
    pool_waiting: Gauge,
    pool_wait: Counter<f64, AtomicU64>,
    outbox_oldest: Seconds,
    /// When the oldest undelivered message was created, in milliseconds since 1970; 0 if there is none.
    oldest_message: AtomicI64,
    feed_lag: Gauge,
    deliveries: Family<[(&'static str, &'static str); 2], Counter>,
    deliveries_due: Family<Label<&'static str>, Gauge>,
    delivery_oldest: Family<Label<&'static str>, Seconds>,
    operations: Operations,
}

/// A resource that is counted while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// A connection of the main listener.
    Connection,
    /// A WebSocket.
    Socket,
    /// A batcher lane with a running transaction.
    /// Counts in a gauge until it is dropped.
    Lane,
}

/// Bytes that the server holds for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Bodies of requests that are being received or executed.
    Requests,
    /// Answers that are not sent yet.
    Answers,
}

impl Bytes {
    const ALL: [Self; 2] = [Self::Requests, Self::Answers];

    fn label(self) -> Label<&'static str> {
        match self {
            Self::Requests => [("of", "requests")],
            Self::Answers => [("of", "answers")],
        }
    }
}

/// Counts in a gauge until it is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub(crate) struct Counted {
    gauge: Gauge,
    amount: i64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec_by(self.amount);
    }
}

impl Telemetry {
    /// All metrics, with the value zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Metrics::default();
        metrics.register();
        for code in Code::ALL {
            drop(metrics.refusals.get_or_create(&[("code", code.as_str())]));
        }
        for channel in ["mail", "webhook"] {
            for outcome in ["delivered", "retried", "buried"] {
                drop(metrics.deliveries.get_or_create(&[("channel", channel), ("outcome", outcome)]));
            }
        }
        for bytes in Bytes::ALL {
            drop(metrics.bytes.get_or_create(&bytes.label()));
        }
        Self(Arc::new(metrics))
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, code: Code) {
        self.0.refusals.get_or_create(&[("code", code.as_str())]).inc();
    }

    /// Counts one of these as open until the guard is dropped.
    pub(crate) fn open(&self, what: Open) -> Counted {
        let gauge = match what {
            Open::Connection => &self.0.connections,
            Open::Socket => &self.0.sockets,
            Open::Lane => &self.0.lanes_busy,
        };
        hold(gauge, 1)
    }

    /// Counts these bytes until the guard is dropped.
    pub(crate) fn bytes(&self, of: Bytes, amount: usize) -> Counted {
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        hold(&self.0.bytes.get_or_create_owned(&of.label()), amount)
    }

    /// Counts a transaction that recorded `events` new events.
    pub(crate) fn recorded(&self, events: usize) {
        self.0.transactions.inc();
        self.0.events_recorded.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
    }

    /// Stores when the oldest undelivered message was created.
    pub(crate) fn oldest_message(&self, created_at: Option<DateTime<Utc>>) {
        let millis = created_at.map_or(0, |at| at.timestamp_millis());
        self.0.oldest_message.store(millis, Ordering::Relaxed);
    }

    /// Counts an executed query or mutation, by its type and root fields.
    pub(crate) fn executed(&self, name: &str, took: Duration) {
        let operations = &self.0.operations;
        let label = [("operation", operations.label(name))];
        operations.seconds.get_or_create_owned(&label).observe(took.as_secs_f64());
    }

    /// Counts an attempt to deliver on this channel, by its outcome: `delivered`, `retried` or `buried`.
    pub(crate) fn delivered(&self, channel: &'static str, outcome: &'static str) {
        self.0.deliveries.get_or_create(&[("channel", channel), ("outcome", outcome)]).inc();
    }

    /// Stores the number of due deliveries of this channel, and for how long the oldest has waited.
    pub(crate) fn waiting_deliveries(&self, channel: &'static str, due: i64, waited: TimeDelta) {
        self.0.deliveries_due.get_or_create(&[("channel", channel)]).set(due);
        let seconds = u32::try_from(waited.num_seconds().max(0)).unwrap_or(u32::MAX);
        self.0.delivery_oldest.get_or_create(&[("channel", channel)]).set(f64::from(seconds));
    }

    /// Reads the values of other parts: the loops, the pools, the feed. Waits for nothing.
    pub(crate) fn observe(&self, app: &App) {
        let metrics = &*self.0;
        let late = app.pulse.late();
        for age in app.pulse.ages() {
            let is_late = i64::from(late.contains(&age.name));
            let label = [("loop", age.name)];
            metrics.loop_age.get_or_create(&label).set(age.since.as_secs_f64());
            metrics.loop_late.get_or_create(&label).set(is_late);
        }
        let unread = i64::try_from(app.turns.unread()).unwrap_or(i64::MAX);
        metrics.bytes.get_or_create(&Bytes::Answers.label()).set(unread);
        metrics.subscriptions.set(i64::try_from(app.hub.listeners()).unwrap_or(i64::MAX));
        metrics.feed_lag.set(app.hub.lag(app.bus.head()));
        let oldest = metrics.oldest_message.load(Ordering::Relaxed);
        let age = app.clock.now().timestamp_millis().saturating_sub(oldest).max(0);
        let age = if oldest == 0 { 0 } else { u32::try_from(age / 1_000).unwrap_or(u32::MAX) };
        metrics.outbox_oldest.set(f64::from(age));
        let pools = app.db.pools();
        for pool in &pools {
            for (state, connections) in [("idle", pool.open.saturating_sub(pool.used)), ("in_use", pool.used)]
            {
                let gauge = metrics.pool.get_or_create(&[("pool", pool.name), ("state", state)]);
                gauge.set(i64::try_from(connections).unwrap_or(i64::MAX));
            }
        }
        let waiting = pools.iter().map(|pool| pool.waiting).sum::<usize>();
        metrics.pool_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let waited: Duration = pools.iter().map(|pool| pool.waited).sum();
        metrics.pool_wait.inner().store(waited.as_secs_f64().to_bits(), Ordering::Relaxed);
    }

    /// All metrics as text, in Prometheus format 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Encoding fails only if the writer fails, and a string does not.
        if encode(&mut text, &self.0.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

fn hold(gauge: &Gauge, amount: i64) -> Counted {
    gauge.inc_by(amount);
    Counted { gauge: gauge.clone(), amount }
}

impl Metrics {
    fn register(&mut self) {
        let mut registry = Registry::with_prefix("plaudit");
        let r = &mut registry;
        r.register(
            "loop_age_seconds",
            "Seconds since the loop's last successful turn",
            self.loop_age.clone(),
        );
        r.register(
            "loop_late",
            "1 while the loop has not finished a turn by its deadline",
            self.loop_late.clone(),
        );
        r.register("lanes_busy", "Batcher lanes with a transaction under way", self.lanes_busy.clone());
        r.register("transactions", "Recording transactions committed", self.transactions.clone());
        r.register("events_recorded", "New events committed by them", self.events_recorded.clone());
        r.register("refusals", "Errors answered, by code", self.refusals.clone());
        r.register("connections_open", "Connections of the main listener", self.connections.clone());
        r.register("sockets_open", "WebSockets", self.sockets.clone());
        r.register("subscriptions_open", "Subscriptions that follow the feed", self.subscriptions.clone());
        r.register("bytes_in_flight", "Bytes held for clients", self.bytes.clone());
        r.register("pool_connections", "Database connections, by pool and state", self.pool.clone());
        r.register("pool_waiting", "Callers that wait for a connection", self.pool_waiting.clone());
        r.register("pool_wait_seconds", "Seconds that callers have waited for one", self.pool_wait.clone());
        r.register(
            "outbox_oldest_seconds",
            "Age of the oldest message whose deliveries are not planned",
            self.outbox_oldest.clone(),
        );
        r.register("feed_lag", "Feed positions committed but not read by the hub", self.feed_lag.clone());
        r.register("deliveries", "Attempts to deliver, by channel and outcome", self.deliveries.clone());
        r.register("deliveries_due", "Deliveries that are due, by channel", self.deliveries_due.clone());
        r.register(
            "graphql_seconds",
            "Seconds of an operation, by its name",
            self.operations.seconds.clone(),
        );
        r.register(
            "delivery_oldest_seconds",
            "Seconds that the oldest delivery that was due once has waited, by channel",
            self.delivery_oldest.clone(),
        );
        self.registry = registry;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../OPERATIONS.md");

    fn value(telemetry: &Telemetry, series: &str) -> Option<String> {
        let text = telemetry.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(str::to_owned)
    }

    #[test]
    fn every_metric_is_documented_and_every_documented_metric_exists() {
        let telemetry = Telemetry::new();
        let loops = [("loop", "hub".to_owned())];
        drop(telemetry.0.loop_age.get_or_create(&loops));
        drop(telemetry.0.loop_late.get_or_create(&loops));
        drop(telemetry.0.pool.get_or_create(&[("pool", "writer"), ("state", "idle")]));
        telemetry.delivered("mail", "delivered");
        telemetry.waiting_deliveries("mail", 0, TimeDelta::zero());
        telemetry.executed("query me", Duration::ZERO);
        let text = telemetry.text();
        let coded: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let table = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `plaudit_"));
        let documented: Vec<String> = table
            .map(|line| format!("plaudit_{}", line.split(['`', '{']).next().unwrap_or_default()))
            .collect();
        assert_eq!(documented.iter().map(String::as_str).collect::<BTreeSet<_>>(), coded);
    }

    #[test]
    fn the_dashboard_and_the_alerts_name_only_metrics_that_exist() {
        let texts = [include_str!("../deploy/grafana.json"), include_str!("../deploy/alerts.yaml")];
        for text in texts {
            let mut names = 0;
            for part in text.split("plaudit_").skip(1) {
                let end = part.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                let name = format!("plaudit_{}", part.split_at(end.unwrap_or(part.len())).0);
                let name = ["_bucket", "_count", "_sum"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .unwrap_or(&name);
                assert!(DOCUMENT.contains(&format!("| `{name}")), "{name} is not in OPERATIONS.md");
                names += 1;
            }
            assert!(names > 8);
        }
    }

    #[test]
    fn every_code_of_a_refusal_has_a_series_from_the_start() {
        let telemetry = Telemetry::new();
        telemetry.refused(Code::RateLimited);
        for code in Code::ALL {
            let series = format!("plaudit_refusals_total{{code=\"{}\"}}", code.as_str());
            let expected = if code == Code::RateLimited { "1" } else { "0" };
            assert_eq!(value(&telemetry, &series).as_deref(), Some(expected), "{series}");
        }
    }

    #[test]
    fn open_resources_are_counted_until_their_guard_is_dropped() {
        let telemetry = Telemetry::new();
        let sockets = || value(&telemetry, "plaudit_sockets_open").unwrap();
        let bytes = || value(&telemetry, "plaudit_bytes_in_flight{of=\"answers\"}").unwrap();
        let held = (telemetry.open(Open::Socket), telemetry.open(Open::Socket));
        let answer = telemetry.bytes(Bytes::Answers, 300);
        assert_eq!((sockets(), bytes()), ("2".to_owned(), "300".to_owned()));
        drop(held.0);
        drop(answer);
        assert_eq!((sockets(), bytes()), ("1".to_owned(), "0".to_owned()));
    }

    #[test]
    fn transactions_and_their_events_are_counted() {
        let telemetry = Telemetry::new();
        telemetry.recorded(3);
        telemetry.recorded(0);
        assert_eq!(value(&telemetry, "plaudit_transactions_total").as_deref(), Some("2"));
        assert_eq!(value(&telemetry, "plaudit_events_recorded_total").as_deref(), Some("3"));
    }
}
