//! Webhooks, for admins: the URLs of other systems that get a request for each event.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::context::{actor, app, request_context};
use super::deliveries::{Delivery, id_of};
use super::fault::{Answer, Fault, UserError, user_error};
use super::page::{self, Moment, list};
use super::scalars::{DateTime, Given, Url};
use crate::auth::policy::{self, Action};
use crate::refusal::Failure;
use crate::registry::webhooks::{self as registry, Change};
use crate::store;
use crate::store::feed::Kind;
use crate::store::webhooks::{self, Row, type_of};

/// A type of event that webhooks get. In a request, `type` has the name in lower case with dots, such as `award.earned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum WebhookType {
    /// `award.earned`: a person earned an award, or a person gave it to them.
    AwardEarned,
    /// `award.revoked`: an award was revoked.
    AwardRevoked,
    /// `level.reached`: a person reached a higher level.
    LevelReached,
    /// `rank.reached`: a person reached a rank of a pack.
    RankReached,
    /// `streak.reached`: a person was active a number of days in a row.
    StreakReached,
    /// `certificate.issued`: a certificate was issued.
    CertificateIssued,
    /// `person.erased`: the data that identifies a person was removed.
    PersonErased,
}

impl WebhookType {
    const ALL: [Self; 7] = [
        Self::AwardEarned,
        Self::AwardRevoked,
        Self::LevelReached,
        Self::RankReached,
        Self::StreakReached,
        Self::CertificateIssued,
        Self::PersonErased,
    ];

    fn name(self) -> &'static str {
        type_of(match self {
            Self::AwardEarned => Kind::AwardEarned,
            Self::AwardRevoked => Kind::AwardRevoked,
            Self::LevelReached => Kind::LevelReached,
            Self::RankReached => Kind::RankReached,
            Self::StreakReached => Kind::StreakReached,
            Self::CertificateIssued => Kind::CertificateIssued,
            Self::PersonErased => Kind::PersonErased,
        })
    }
}

/// A webhook. Its secret is returned only when it is created or rotated.
pub(crate) struct Webhook(Row);

/// A webhook: an address of another system that gets a signed request for each event of the chosen types, by the
/// convention of Standard Webhooks. Its secret is returned only when it is created or rotated.
#[Object]
impl Webhook {
    /// The webhook's id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Where requests go.
    async fn url(&self) -> Answer<Url> {
        let broken = |_| Fault::from(store::Error::Impossible("a webhook's URL is not valid".to_owned()));
        url::Url::parse(&self.0.url).map(Url).map_err(broken)
    }

    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// The types of events that it gets.
    async fn types(&self) -> Vec<WebhookType> {
        let names: Vec<&str> = webhooks::types(&self.0).collect();
        WebhookType::ALL.into_iter().filter(|one| names.contains(&one.name())).collect()
    }

    /// Whether it gets requests.
    async fn enabled(&self) -> bool {
        self.0.disabled_at.is_none()
    }

    /// When it was disabled: by an admin, or after a request failed eight times within about a day. Null while enabled.
    async fn disabled_at(&self) -> Option<DateTime> {
        self.0.disabled_at.map(DateTime)
    }

    /// Why it was disabled. Null while enabled.
    async fn disabled_because(&self) -> Option<&str> {
        self.0.disabled_because.as_deref()
    }

    /// Until when requests are also signed with the secret before. Null if only one secret signs.
    async fn old_secret_until(&self) -> Option<DateTime> {
        self.0.old_secret_until.map(DateTime)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When a person last changed it.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// A page of webhooks, newest first.
pub(crate) type WebhookPage = Connection<Moment<{ list::WEBHOOKS }>, Webhook, EmptyFields>;

/// A page of webhooks, if the caller is allowed to read them.
pub(crate) async fn page(ctx: &Context<'_>, first: Option<i32>, after: Option<&str>) -> Answer<WebhookPage> {
    policy::reach(actor(ctx)?, Action::ManageDeliveries)?;
    let cut = page::cut(first, after, None, None)?;
    let from = cut.from.map(|Moment::<{ list::WEBHOOKS }>(_, id)| id);
    let rows = webhooks::page_of(&app(ctx)?.db, from, cut.rows + 1).await?;
    let asked = usize::try_from(cut.rows).unwrap_or(usize::MAX);
    let mut page = Connection::new(cut.from.is_some(), rows.len() > asked);
    let edge = |row: Row| Edge::new(Moment(row.created_at, row.id), Webhook(row));
    page.edges.extend(rows.into_iter().take(asked).map(edge));
    Ok(page)
}

/// The webhook to create.
#[derive(InputObject)]
pub(crate) struct CreateWebhookInput {
    /// Where requests go: an https URL whose host has only public addresses, without user name, password and fragment.
    url: Given<Url>,
    /// The types of events that it gets; at least one.
    types: Vec<WebhookType>,
    /// What it is for: one line of 1 to 200 characters.
    description: String,
}

/// The webhook to change. Omitted fields keep their value.
#[derive(InputObject)]
pub(crate) struct UpdateWebhookInput {
    /// The webhook's id.
    webhook_id: ID,
    /// Where requests go, as in `createWebhook`.
    url: Option<Given<Url>>,
    /// The types of events that it gets; at least one.
    types: Option<Vec<WebhookType>>,
    /// What it is for: one line of 1 to 200 characters.
    description: Option<String>,
    /// False disables it and gives up its open deliveries; true enables it again.
    enabled: Option<bool>,
}

/// The webhook whose secret to rotate.
#[derive(InputObject)]
pub(crate) struct RotateWebhookSecretInput {
    /// The webhook's id.
    webhook_id: ID,
}

/// The webhook to test.
#[derive(InputObject)]
pub(crate) struct TestWebhookInput {
    /// The webhook's id.
    webhook_id: ID,
}

/// What to send again.
#[derive(InputObject)]
pub(crate) struct RedeliverWebhookInput {
    /// The webhook's id.
    webhook_id: ID,
    /// Events since this time are sent again, whether they were delivered or not; at most 30 days ago. They include
    /// events that were not sent, such as the awards of a publication.
    since: Given<DateTime>,
}

/// The result of `updateWebhook` and `redeliverWebhook`.
#[derive(SimpleObject)]
pub(crate) struct WebhookPayload {
    /// The webhook after the change. Null on error.
    webhook: Option<Webhook>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `createWebhook` and `rotateWebhookSecret`.
#[derive(SimpleObject)]
pub(crate) struct WebhookSecretPayload {
    /// The webhook. Null on error.
    webhook: Option<Webhook>,
    /// The new secret, which verifies the signatures of requests. It is returned only here: store it. Null on error.
    secret: Option<String>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `testWebhook`.
#[derive(SimpleObject)]
pub(crate) struct TestWebhookPayload {
    /// The test request. `deliveries` shows its result when it was made. Null on error.
    delivery: Option<Delivery>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Creates a webhook, if the caller is allowed to.
pub(crate) async fn create(ctx: &Context<'_>, input: CreateWebhookInput) -> Answer<WebhookSecretPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let change = |url| Change {
        url: Some(url),
        description: Some(input.description),
        types: Some(input.types.into_iter().map(WebhookType::name).collect()),
        enabled: None,
    };
    match input.url.read("url") {
        Ok(url) => with_secret(registry::create(app(ctx)?, &request, change(url)).await),
        Err(refusal) => with_secret(Err(refusal.into())),
    }
}

/// Changes a webhook, if the caller is allowed to.
pub(crate) async fn update(ctx: &Context<'_>, input: UpdateWebhookInput) -> Answer<WebhookPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let change = |url| Change {
        url,
        description: input.description,
        types: input.types.map(|types| types.into_iter().map(WebhookType::name).collect()),
        enabled: input.enabled,
    };
    let url = input.url.map(|url| url.read("url")).transpose();
    match id_of("webhookId", &input.webhook_id).and_then(|id| Ok((id, url?))) {
        Ok((id, url)) => payload(registry::update(app(ctx)?, &request, id, change(url)).await),
        Err(refusal) => payload(Err(refusal.into())),
    }
}

/// Rotates the secret of a webhook, if the caller is allowed to.
pub(crate) async fn rotate(
    ctx: &Context<'_>,
    input: RotateWebhookSecretInput,
) -> Answer<WebhookSecretPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    match id_of("webhookId", &input.webhook_id) {
        Ok(id) => with_secret(registry::rotate_secret(app(ctx)?, &request, id).await),
        Err(refusal) => with_secret(Err(refusal.into())),
    }
}

/// Plans a test request, if the caller is allowed to.
pub(crate) async fn test(ctx: &Context<'_>, input: TestWebhookInput) -> Answer<TestWebhookPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let planned = match id_of("webhookId", &input.webhook_id) {
        Ok(id) => registry::test(app(ctx)?, &request, id).await,
        Err(refusal) => Err(refusal.into()),
    };
    let (planned, user_errors) = parts(planned)?;
    Ok(TestWebhookPayload { delivery: planned.map(Delivery), user_errors })
}

/// Sends events again, if the caller is allowed to.
pub(crate) async fn redeliver(ctx: &Context<'_>, input: RedeliverWebhookInput) -> Answer<WebhookPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let read = id_of("webhookId", &input.webhook_id);
    match read.and_then(|id| Ok((id, input.since.read("since")?))) {
        Ok((id, since)) => payload(registry::redeliver(app(ctx)?, &request, id, since).await),
        Err(refusal) => payload(Err(refusal.into())),
    }
}

/// A result and its errors, one of them empty.
fn parts<T>(result: Result<T, Failure>) -> Answer<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(failure) => Ok((None, vec![user_error(failure, &["input"])?])),
    }
}

fn payload(result: Result<Row, Failure>) -> Answer<WebhookPayload> {
    let (row, user_errors) = parts(result)?;
    Ok(WebhookPayload { webhook: row.map(Webhook), user_errors })
}

fn with_secret(result: Result<Row, Failure>) -> Answer<WebhookSecretPayload> {
    let (row, user_errors) = parts(result)?;
    let secret = row.as_ref().map(|row| row.secret.clone());
    Ok(WebhookSecretPayload { webhook: row.map(Webhook), secret, user_errors })
}
