//! Webhooks: created, changed, tested, and told again what happened.

use chrono::{DateTime, TimeDelta, Utc};
use scoped_futures::ScopedFutureExt;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action};
use crate::id;
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::deliveries::{self, Kind};
use crate::store::{Txn, webhooks};
use crate::{secret, text};

/// Enabled webhooks of an installation.
const MOST: u64 = 50;
/// How long the secret before signs too after a change.
const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// Why an admin's webhook is disabled.
const BY_ADMIN: &str = "an admin disabled it";

/// The new values of a webhook; `None` keeps the current value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// Where requests go.
    pub(crate) url: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// The types of events that it gets.
    pub(crate) types: Option<Vec<&'static str>>,
    /// Whether it gets requests.
    pub(crate) enabled: Option<bool>,
}

/// Creates a webhook; the row has its secret.
///
/// # Errors
/// FORBIDDEN by role, `INVALID_INPUT` at the field, `CONFLICT` if there are too many. An error if the database fails.
pub(crate) async fn create(
    app: &App,
    request: &RequestContext,
    change: Change,
) -> Result<webhooks::Row, Failure> {
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let change = &check(app, change).await?;
    attempt(app, |txn, _| {
        async move { Ok((create_within(app, txn, request, change).await?, None)) }.scope_boxed()
    })
    .await
}

async fn create_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    change: &Change,
) -> Result<webhooks::Row, Interrupted> {
    check_number(txn).await?;
    let now = app.clock.now();
    let row = webhooks::Row {
        id: id::new(now),
        url: change.url.clone().unwrap_or_default(),
        description: change.description.clone().unwrap_or_default(),
        types: json!(change.types.clone().unwrap_or_default()),
        secret: secret::of_webhook(),
        old_secret: None,
        old_secret_until: None,
        created_at: now,
        updated_at: now,
        disabled_at: None,
        disabled_because: None,
        replay_after: None,
        replay_since: None,
        replay_until: None,
    };
    webhooks::insert(txn, row.clone()).await?;
    audit::note(txn, request, AuditAction::CreateWebhook, [(None, Some(row.id))], now).await?;
    Ok(row)
}

/// Changes a webhook.
///
/// # Errors
/// As [`create`], and `NOT_FOUND`.
pub(crate) async fn update(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    change: Change,
) -> Result<webhooks::Row, Failure> {
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let change = &check(app, change).await?;
    attempt(app, |txn, _| {
        async move { Ok((update_within(app, txn, request, id, change).await?, None)) }.scope_boxed()
    })
    .await
}

async fn update_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    id: Uuid,
    change: &Change,
) -> Result<webhooks::Row, Interrupted> {
    let before = webhooks::lock(txn, id).await?.ok_or_else(no_webhook)?;
    let now = app.clock.now();
    let mut row = webhooks::Row {
        url: change.url.clone().unwrap_or_else(|| before.url.clone()),
        description: change.description.clone().unwrap_or_else(|| before.description.clone()),
        types: change.types.clone().map_or_else(|| before.types.clone(), |types| json!(types)),
        updated_at: now,
        ..before
    };
    match (change.enabled, row.disabled_at) {
        (Some(true), Some(_)) => {
            check_number(txn).await?;
            (row.disabled_at, row.disabled_because) = (None, None);
        }
        (Some(false), None) => {
            (row.disabled_at, row.disabled_because) = (Some(now), Some(BY_ADMIN.to_owned()));
        }
        _ => {}
    }
    webhooks::update(txn, row.clone()).await?;
    audit::note(txn, request, AuditAction::UpdateWebhook, [(None, Some(id))], now).await?;
    Ok(row)
}

/// Gives a webhook a new secret. The one before signs too for a day.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`. An error if the database fails.
pub(crate) async fn rotate_secret(
    app: &App,
    request: &RequestContext,
    id: Uuid,
) -> Result<webhooks::Row, Failure> {
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    attempt(app, |txn, _| {
        async move {
            let before = webhooks::lock(txn, id).await?.ok_or_else(no_webhook)?;
            let now = app.clock.now();
            let row = webhooks::Row {
                secret: secret::of_webhook(),
                old_secret: Some(before.secret.clone()),
                old_secret_until: Some(now + OVERLAP),
                updated_at: now,
                ..before
            };
            webhooks::update(txn, row.clone()).await?;
            audit::note(txn, request, AuditAction::RotateWebhookSecret, [(None, Some(id))], now).await?;
            Ok((row, None))
        }
        .scope_boxed()
    })
    .await
}

/// Plans a test request; the delivery shows its result.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`, `CONFLICT` if the webhook is disabled. An error if the database fails.
pub(crate) async fn test(app: &App, request: &RequestContext, id: Uuid) -> Result<deliveries::Row, Failure> {
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    attempt(app, |txn, _| {
        async move {
            let webhook = webhooks::lock(txn, id).await?.ok_or_else(no_webhook)?;
            check_enabled(&webhook)?;
            let now = app.clock.now();
            // The person of a test is the admin, because a delivery names one.
            let person = request.actor.person().ok_or_else(no_webhook)?;
            let row = deliveries::request(id::new(now), Kind::Test, id, person, now, now);
            deliveries::plan(txn, vec![row.clone()], Vec::new()).await?;
            audit::note(txn, request, AuditAction::TestWebhook, [(None, Some(id))], now).await?;
            Ok((row, None))
        }
        .scope_boxed()
    })
    .await
}

/// Sends what happened since `since` to a webhook again, whether it was delivered or not.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`, `INVALID_INPUT` at `since`, `CONFLICT` if the webhook is disabled. An error if the
/// database fails.
pub(crate) async fn redeliver(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    since: DateTime<Utc>,
) -> Result<webhooks::Row, Failure> {
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let now = app.clock.now();
    let days = i64::try_from(app.config.limits.outbox_settled_days).unwrap_or(30);
    if since > now || since < now - TimeDelta::days(days) {
        let message = format!("Choose a time within the last {days} days: older messages are deleted.");
        return Err(Refusal::invalid(["since"], message).into());
    }
    attempt(app, |txn, _| {
        async move {
            let before = webhooks::lock(txn, id).await?.ok_or_else(no_webhook)?;
            check_enabled(&before)?;
            let row = webhooks::Row {
                replay_after: Some(id::lowest_at(since)),
                replay_since: Some(since),
                replay_until: Some(now),
                ..before
            };
            webhooks::update(txn, row.clone()).await?;
            audit::note(txn, request, AuditAction::RedeliverWebhook, [(None, Some(id))], now).await?;
            Ok((row, None))
        }
        .scope_boxed()
    })
    .await
}

async fn check_number(txn: &Txn) -> Result<(), Interrupted> {
    if webhooks::count_enabled(txn).await? >= MOST {
        let message = format!("An installation has at most {MOST} enabled webhooks. Disable one first.");
        return Err(Refusal::new(Code::Conflict, message)
            .at(["url"])
            .because(Reason::TooManyWebhooks)
            .into());
    }
    Ok(())
}

pub(super) fn check_enabled(webhook: &webhooks::Row) -> Result<(), Refusal> {
    if webhook.disabled_at.is_none() {
        return Ok(());
    }
    let message = "The webhook is disabled. Enable it with `updateWebhook` first.";
    Err(Refusal::new(Code::Conflict, message).at(["webhookId"]).because(Reason::WebhookDisabled))
}

pub(super) fn no_webhook() -> Refusal {
    Refusal::not_found("webhookId", Reason::WebhookNotFound, "No webhook has this id: `webhooks` lists them.")
}

/// Checks the texts, and returns them as they are stored.
async fn check(app: &App, change: Change) -> Result<Change, Refusal> {
    let url = match &change.url {
        Some(url) => Some(check_url(app, url).await?),
        None => None,
    };
    let description =
        change.description.map(|text| text::line("description", &text, text::TITLE)).transpose()?;
    if change.types.as_ref().is_some_and(Vec::is_empty) {
        return Err(Refusal::invalid(["types"], "Choose at least one type of event."));
    }
    Ok(Change { url, description, ..change })
}

async fn check_url(app: &App, url: &str) -> Result<String, Refusal> {
    let wrong = |message: &str| Refusal::invalid(["url"], message.to_owned());
    let url = text::web_url("url", url)?;
    let parsed = Url::parse(&url).map_err(|_| wrong("The URL must be absolute."))?;
    if parsed.fragment().is_some() {
        return Err(wrong("The URL must have no fragment (#)."));
    }
    app.webhooks.allowed.check(&parsed).map_err(wrong)?;
    app.webhooks.allowed.check_name(&parsed).await.map_err(wrong)?;
    Ok(url)
}
