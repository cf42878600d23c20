//! Sends the due deliveries of one channel: leases them, makes one attempt for each, and stores the results. Each channel is a
//! task of its own, so that a slow channel does not delay the others. No transaction is open during an attempt.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::retry::{Outcome, verdict};
use super::{disable, mail, webhook};
use crate::app::App;
use crate::pulse::{Beat, deadlines};
use crate::store::deliveries::{Channel, Lane, Row, Verdict};
use crate::store::{self, deliveries, webhooks};

/// How often a task looks for due deliveries.
const ROUND: Duration = Duration::from_millis(500);
/// Requests to one webhook at a time.
const AT_ONCE: usize = 4;
/// How much longer a lease is than the attempts that it is for.
const RESERVE: TimeDelta = TimeDelta::minutes(1);
/// Attempts with an unknown result after which a mail is not tried again, so that there is at most one duplicate.
const DOUBTS: i32 = 2;
const DOUBTFUL: &str = "two attempts ended without an answer of the mail server; it may have been delivered";

/// Attempts whose results are not stored yet.
struct Sending {
    app: App,
    channel: Channel,
    under_way: JoinSet<(Row, Outcome)>,
    /// The lane and the fence number of each attempt under way and of each result.
    busy: HashMap<Uuid, (Lane, i64)>,
    results: Vec<(Row, Outcome)>,
}

/// Sends the deliveries of this channel until `stop` turns true. Then attempts under way may end, and the leases of the
/// others are returned.
pub(crate) async fn run(app: App, channel: Channel, mut stop: watch::Receiver<bool>) {
    let beat = app.pulse.watch(name(channel), deadlines::CHANNEL);
    let grace = Duration::from_secs(app.config.limits.shutdown_seconds) / 2;
    let mut sending = Sending::new(app, channel);
    loop {
        if let Err(error) = sending.turn(&beat).await {
            let error = error.chain();
            tracing::warn!(
                error,
                channel = name(channel),
                "deliveries cannot be read or stored; trying again"
            );
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = sending.under_way.join_next() => sending.results.extend(ended.ok()),
            () = sleep(ROUND) => {}
        }
    }
    sending.end(grace).await;
}

/// Makes an attempt for everything that is due now, and stores the results. Returns the number of attempts.
///
/// # Errors
/// If the database fails.
pub(crate) async fn send_due(app: &App, channel: Channel) -> Result<usize, store::Error> {
    let beat = app.pulse.unwatched();
    let mut sending = Sending::new(app.clone(), channel);
    let mut attempts = 0;
    loop {
        attempts += sending.turn(&beat).await?;
        match sending.under_way.join_next().await {
            Some(ended) => sending.results.extend(ended.ok()),
            None if sending.results.is_empty() => return Ok(attempts),
            None => {}
        }
    }
}

impl Sending {
    fn new(app: App, channel: Channel) -> Self {
        Self { app, channel, under_way: JoinSet::new(), busy: HashMap::new(), results: Vec::new() }
    }

    /// Stores the results of the attempts that have ended, and starts attempts for due deliveries. Returns the number of
    /// the started ones.
    async fn turn(&mut self, beat: &Beat) -> Result<usize, store::Error> {
        while let Some(ended) = self.under_way.try_join_next() {
            self.results.extend(ended.ok());
        }
        beat.turn(self.store_results()).await?;
        let mut started = 0;
        for lane in beat.turn(lanes(&self.app, self.channel)).await? {
            let busy = self.busy.values().filter(|(of, _)| *of == lane).count();
            let free = slots(&self.app, lane).saturating_sub(busy);
            if free == 0 {
                continue;
            }
            for delivery in beat.turn(lease(&self.app, lane, free)).await? {
                started += 1;
                self.busy.insert(delivery.id, (lane, delivery.fence));
                if lane == Lane::Mail && delivery.doubts >= DOUBTS {
                    self.results.push((delivery, Outcome::Refused(DOUBTFUL.to_owned())));
                } else {
                    self.under_way.spawn(attempt(self.app.clone(), delivery));
                }
            }
        }
        Ok(started)
    }

    /// Stores the results. If the database fails, they stay for the next turn.
    async fn store_results(&mut self) -> Result<(), store::Error> {
        if self.results.is_empty() {
            return Ok(());
        }
        let now = self.app.clock.now();
        let verdicts: Vec<Verdict> =
            self.results.iter().map(|(row, outcome)| verdict(row, outcome, now)).collect();
        let txn = self.app.db.begin().await?;
        deliveries::store(&txn, &verdicts).await?;
        if self.channel == Channel::Webhook {
            disable::disable_failing(&self.app, &txn, &self.results, &verdicts).await?;
        }
        txn.commit().await?;
        for ((row, outcome), verdict) in self.results.drain(..).zip(&verdicts) {
            self.busy.remove(&row.id);
            let end = outcome.name(verdict);
            self.app.telemetry.delivered(name(row.channel), end);
            let (id, kind, attempt, reason) = (row.id, row.kind, row.attempts, &verdict.reason);
            match end {
                "buried" => {
                    tracing::warn!(delivery = %id, ?kind, attempt, reason, "a delivery is given up: `plaudit outbox show` prints it")
                }
                "skipped" => {
                    tracing::debug!(delivery = %id, ?kind, reason, "there is nothing to deliver any more")
                }
                "retried" => {
                    tracing::info!(delivery = %id, ?kind, attempt, reason, "a delivery failed and is tried again")
                }
                _ => tracing::debug!(delivery = %id, ?kind, attempt, "delivered"),
            }
        }
        Ok(())
    }

    /// Lets the attempts under way end within `grace`, stores their results, and returns the leases of the others.
    async fn end(mut self, grace: Duration) {
        let ending = async {
            while let Some(ended) = self.under_way.join_next().await {
                self.results.extend(ended.ok());
            }
        };
        let in_time = timeout(grace, ending).await.is_ok();
        self.under_way.shutdown().await;
        if let Err(error) = self.store_results().await {
            tracing::warn!(error = error.chain(), "the results of the last attempts could not be stored");
        }
        if in_time {
            return;
        }
        let held: Vec<(Uuid, i64)> = self.busy.iter().map(|(id, (_, fence))| (*id, *fence)).collect();
        let returned = async {
            let txn = self.app.db.begin().await?;
            deliveries::release(&txn, &held).await?;
            txn.commit().await
        };
        let channel = name(self.channel);
        match returned.await {
            Ok(()) => tracing::warn!(attempts = held.len(), channel, "stopped before all attempts had ended"),
            Err(error) => tracing::warn!(
                error = error.chain(),
                channel,
                "the leases could not be returned; they end by themselves"
            ),
        }
    }
}

/// The lanes that have due deliveries. Most rounds find none, and use no writer.
async fn lanes(app: &App, channel: Channel) -> Result<Vec<Lane>, store::Error> {
    let now = app.clock.now();
    Ok(match channel {
        Channel::Mail if deliveries::is_due(&app.db, Lane::Mail, now).await? => vec![Lane::Mail],
        Channel::Mail => Vec::new(),
        Channel::Webhook => {
            webhooks::with_due_deliveries(&app.db, now).await?.into_iter().map(Lane::Webhook).collect()
        }
    })
}

async fn lease(app: &App, lane: Lane, free: usize) -> Result<Vec<Row>, store::Error> {
    let now = app.clock.now();
    let txn = app.db.begin().await?;
    let limit = u64::try_from(free).unwrap_or(u64::MAX);
    let leased = deliveries::lease(&txn, lane, now, now + lease_time(app, lane), limit).await?;
    txn.commit().await?;
    Ok(leased)
}

/// One attempt. A panic is an error of this delivery alone.
async fn attempt(app: App, mut delivery: Row) -> (Row, Outcome) {
    let sent = async {
        match delivery.channel {
            Channel::Mail => mail::send(&app, &delivery).await,
            Channel::Webhook => webhook::send(&app, &mut delivery).await,
        }
    };
    let outcome = AssertUnwindSafe(sent).catch_unwind().await;
    let broken = |_| Outcome::Refused("it cannot be written; the log has the error".to_owned());
    let outcome = outcome.unwrap_or_else(broken);
    (delivery, outcome)
}

/// The channel's name in metrics and logs.
pub(crate) fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::Mail => "mail",
        Channel::Webhook => "webhook",
    }
}

/// The time of a lease: longer than the longest attempt.
fn lease_time(app: &App, lane: Lane) -> TimeDelta {
    let longest = match lane {
        Lane::Mail => mail::longest_attempt(&app.config.mail),
        Lane::Webhook(_) => webhook::LONGEST,
    };
    TimeDelta::from_std(longest).unwrap_or(RESERVE) + RESERVE
}

/// Attempts at a time.
fn slots(app: &App, lane: Lane) -> usize {
    match lane {
        Lane::Mail => app.config.mail.connections,
        Lane::Webhook(_) => AT_ONCE,
    }
}
