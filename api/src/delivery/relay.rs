//! Leases what waits in the outbox, hands it over, settles it; buries what has waited too long.
//! Its one sink today is the log: a line a round, and with `debug` a line a message.

use chrono::TimeDelta;

use crate::app::App;
use crate::store::{self, outbox};

/// Messages a round takes.
const ROUND: u64 = 200;

/// Delivers everything that is due now; says how many messages it settled.
///
/// # Errors
/// When the database fails; what was leased becomes due again when its lease ends.
pub(crate) async fn deliver_due(app: &App) -> Result<usize, store::Error> {
    let mut settled = 0;
    loop {
        let now = app.clock.now();
        // Most rounds find nothing; on SQLite a look does not take the only writer from those who write.
        if !outbox::is_due(&app.db, now).await? {
            return Ok(settled);
        }
        bury_expired(app).await?;
        let txn = app.db.begin().await?;
        let leased = outbox::lease_due(&txn, now, now + TimeDelta::minutes(1), ROUND).await?;
        txn.commit().await?;
        if leased.is_empty() {
            return Ok(settled);
        }
        // Between the two transactions, so that none is open while a message is handed over.
        for message in &leased {
            tracing::debug!(kind = message.kind, person = %message.person_id, award = ?message.award_id, "delivered");
        }
        let ids: Vec<_> = leased.iter().map(|message| message.id).collect();
        let txn = app.db.begin().await?;
        outbox::settle(&txn, &ids, app.clock.now()).await?;
        txn.commit().await?;
        tracing::info!(messages = ids.len(), "delivered");
        settled += ids.len();
    }
}

/// Old news is no news: what nobody delivered in days is kept, but told to nobody any more.
async fn bury_expired(app: &App) -> Result<(), store::Error> {
    let now = app.clock.now();
    let days = i64::try_from(app.config.limits.outbox_days).unwrap_or(3);
    let txn = app.db.begin().await?;
    let buried = outbox::bury_older(&txn, now - TimeDelta::days(days), now, "expired").await?;
    txn.commit().await?;
    if buried > 0 {
        tracing::warn!(buried, days, "buried messages that nobody delivered in time");
    }
    Ok(())
}
