//! Disables webhooks that fail for about a day, or that answer that they are gone, and tells the admins by mail.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::plan::NAMESPACE;
use super::retry::Outcome;
use crate::app::App;
use crate::store::deliveries::{self, Kind, Row, Verdict};
use crate::store::{self, Txn, people, webhooks};

/// Admins who get a mail about it.
const ADMINS: u64 = 20;

/// Disables the webhooks whose attempts ended for good, and plans the mails to admins. The relay gives up their open
/// deliveries, some at a time.
pub(super) async fn disable_failing(
    app: &App,
    txn: &Txn,
    results: &[(Row, Outcome)],
    verdicts: &[Verdict],
) -> Result<(), store::Error> {
    let leases: Vec<(Uuid, i64)> = verdicts.iter().map(|verdict| (verdict.id, verdict.fence)).collect();
    let given_up = deliveries::given_up_among(txn, &leases).await?;
    let mut failing: BTreeMap<Uuid, &str> = BTreeMap::new();
    for ((row, outcome), verdict) in
        results.iter().zip(verdicts).filter(|(_, one)| given_up.contains(&one.id))
    {
        let Some((webhook, reason)) = row.webhook_id.zip(verdict.reason.as_deref()) else { continue };
        let fails = match outcome {
            _ if row.kind == Kind::Test => false,
            Outcome::Gone => true,
            // A receiver that refuses one event and accepts others works.
            Outcome::Failed(_) => !deliveries::has_accepted_since(txn, webhook, row.created_at).await?,
            Outcome::Delivered
            | Outcome::Unknown(_)
            | Outcome::Later(_)
            | Outcome::Refused(_)
            | Outcome::Skipped(_)
            | Outcome::Waits(_) => false,
        };
        if fails {
            failing.insert(webhook, reason);
        }
    }
    for (id, reason) in failing {
        disable(app, txn, id, reason).await?;
    }
    Ok(())
}

async fn disable(app: &App, txn: &Txn, id: Uuid, reason: &str) -> Result<(), store::Error> {
    let now = app.clock.now();
    let webhook = match webhooks::lock(txn, id).await? {
        Some(webhook) if webhook.disabled_at.is_none() => webhook,
        _ => return Ok(()),
    };
    tracing::warn!(webhook = %id, reason, "a webhook is disabled: `enabled: true` in updateWebhook enables it");
    let row = webhooks::Row { disabled_at: Some(now), disabled_because: Some(reason.to_owned()), ..webhook };
    webhooks::update(txn, row).await?;
    if app.config.mail.is_on() {
        let mail = |admin: people::Row| {
            let of = format!("mail/webhook-disabled/{id}/{}/{}", now.timestamp_millis(), admin.id);
            let mail = Uuid::new_v5(&NAMESPACE, of.as_bytes());
            Row { webhook_id: Some(id), ..deliveries::mail(mail, Kind::WebhookDisabled, admin.id, now, now) }
        };
        let mails = people::admins_with_address(txn, ADMINS).await?.into_iter().map(mail);
        deliveries::plan(txn, mails.collect(), Vec::new()).await?;
    }
    Ok(())
}
