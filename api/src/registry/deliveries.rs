//! Deliveries that an admin tries again.

use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::webhooks::{check_enabled, no_webhook};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::deliveries::{self, Channel, Row};
use crate::store::{Txn, webhooks};

/// Makes a delivery due now, as if it had never been tried.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`, `CONFLICT` if an attempt is under way or its webhook is disabled. An error if the
/// database fails.
pub(crate) async fn retry(app: &App, request: &RequestContext, id: Uuid) -> Result<Row, Failure> {
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    attempt(app, |txn, _| async move { Ok((retry_within(app, txn, request, id).await?, None)) }.scope_boxed())
        .await
}

async fn retry_within(app: &App, txn: &Txn, request: &RequestContext, id: Uuid) -> Result<Row, Interrupted> {
    let missing = || Refusal::not_found("deliveryId", Reason::DeliveryNotFound, "No delivery has this id.");
    let before = deliveries::by_id(txn, id).await?.ok_or_else(missing)?;
    if let Some(webhook) = before.webhook_id.filter(|_| before.channel == Channel::Webhook) {
        check_enabled(&webhooks::lock(txn, webhook).await?.ok_or_else(no_webhook)?)?;
    }
    let now = app.clock.now();
    if deliveries::renew(txn, [id], now).await? == 0 {
        let message = "An attempt is under way, or it is a daily mail that still collects news. Try again when it has ended.";
        return Err(Refusal::new(Code::Conflict, message)
            .at(["deliveryId"])
            .because(Reason::DeliveryUnderWay)
            .into());
    }
    audit::note(txn, request, AuditAction::RetryDelivery, [(Some(before.person_id), Some(id))], now).await?;
    Ok(deliveries::by_id(txn, id).await?.ok_or_else(missing)?)
}
