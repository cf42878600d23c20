//! Leases the due messages of the outbox, delivers and settles them. It buries messages that failed for days, and deletes
//! messages settled long ago. Its only sink is the log: one line per round, and with `debug` one line per message.

use chrono::TimeDelta;

use crate::app::App;
use crate::pulse::Beat;
use crate::store::{self, outbox};

/// Messages per delivery.
const ROUND: u64 = 200;
/// Settled messages that one transaction deletes.
const TRIM: u64 = 500;
/// Minimum number of attempts before a message can be buried for its age.
const ATTEMPTS: i32 = 8;

/// One round: delivers everything that is due, and deletes some messages that were settled long ago. Each bounded
/// step is one turn of the loop.
///
/// # Errors
/// If the database fails; the next round continues.
pub(crate) async fn round(app: &App, beat: &Beat) -> Result<(), store::Error> {
    while beat.turn(deliver(app)).await? > 0 {}
    // Once per round, so that a large backlog does not block SQLite's only writer.
    beat.turn(trim(app)).await?;
    let oldest = beat.turn(outbox::oldest(&app.db)).await?;
    app.telemetry.oldest_message(oldest);
    Ok(())
}

/// Delivers everything that is due now, and deletes old settled messages. Returns the number of messages it settled.
///
/// # Errors
/// If the database fails; leased messages become due again when their lease ends.
pub(crate) async fn deliver_due(app: &App) -> Result<usize, store::Error> {
    let mut settled = 0;
    loop {
        let delivered = deliver(app).await?;
        if delivered == 0 {
            break;
        }
        settled += delivered;
    }
    while trim(app).await? > 0 {}
    Ok(settled)
}

/// Delivers some of the due messages. Returns the number that it settled; 0 if none is due.
async fn deliver(app: &App) -> Result<usize, store::Error> {
    let _turn = app.relaying.lock().await;
    let now = app.clock.now();
    // Most rounds find nothing. This check does not use SQLite's only writer.
    if !outbox::is_due(&app.db, now).await? {
        return Ok(0);
    }
    bury_expired(app).await?;
    let txn = app.db.begin().await?;
    let leased = outbox::lease_due(&txn, now, now + TimeDelta::minutes(1), ROUND).await?;
    txn.commit().await?;
    if leased.is_empty() {
        return Ok(0);
    }
    // Runs between the two transactions, so that no transaction is open during delivery.
    for message in &leased {
        tracing::debug!(kind = ?message.kind, person = %message.person_id, award = ?message.award_id, "delivered");
    }
    let ids: Vec<_> = leased.iter().map(|message| message.id).collect();
    let txn = app.db.begin().await?;
    outbox::settle(&txn, &ids, app.clock.now()).await?;
    txn.commit().await?;
    tracing::info!(messages = ids.len(), "delivered");
    Ok(ids.len())
}

/// Buries messages that are days old and were tried often enough. They are kept, but no longer delivered.
async fn bury_expired(app: &App) -> Result<(), store::Error> {
    let now = app.clock.now();
    let days = i64::try_from(app.config.limits.outbox_days).unwrap_or(3);
    let txn = app.db.begin().await?;
    let buried = outbox::bury_older(&txn, now - TimeDelta::days(days), ATTEMPTS, now, "expired").await?;
    txn.commit().await?;
    if buried > 0 {
        tracing::warn!(
            buried,
            days,
            "buried messages that could not be delivered in time (limits.outbox_days)"
        );
    }
    Ok(())
}

/// Deletes some messages that were settled long ago. Returns their number.
async fn trim(app: &App) -> Result<u64, store::Error> {
    let days = i64::try_from(app.config.limits.outbox_settled_days).unwrap_or(30);
    let before = app.clock.now() - TimeDelta::days(days);
    if !outbox::has_settled(&app.db, before).await? {
        return Ok(0);
    }
    let txn = app.db.begin().await?;
    let trimmed = outbox::trim(&txn, before, TRIM).await?;
    txn.commit().await?;
    Ok(trimmed)
}
