//! Deliveries: mails to people and requests to webhooks, for admins.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use uuid::Uuid;

use super::context::{actor, app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::page::{self, Moment, list};
use super::scalars::{DateTime, parse_uuid, uuid};
use crate::auth::policy::{self, Action};
use crate::refusal::Refusal;
use crate::registry;
use crate::store::deliveries::{self, Channel, Kind, Row, State};

/// How something is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Channel")]
pub(crate) enum DeliveryChannel {
    /// A mail to a person.
    Mail,
    /// A request to a webhook.
    Webhook,
}

/// What is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
pub(crate) enum DeliveryKind {
    /// A mail about one cause.
    News,
    /// A mail about several causes: the daily mail, or what waited during quiet hours.
    Digest,
    /// A mail: a streak ends tonight.
    StreakReminder,
    /// A mail to a guardian: the week of their children.
    WeeklySummary,
    /// A mail to an admin: a webhook was disabled.
    WebhookDisabled,
    /// A request to a webhook about one event.
    Event,
    /// A test of a webhook.
    Test,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
pub(crate) enum DeliveryState {
    /// It waits for its first or next attempt, or an attempt is under way.
    Open,
    /// The other side has accepted it.
    Delivered,
    /// There was nothing to deliver any more, for example because the person wants no mails; `reason` says why.
    Skipped,
    /// It was given up; `reason` says why. `retryDelivery` tries it again.
    GivenUp,
}

/// A mail to a person, or a request to a webhook.
pub(crate) struct Delivery(pub(crate) Row);

/// A mail to a person, or a request to a webhook. Deliveries are kept for 30 days; those that were given up, longer.
#[Object]
impl Delivery {
    /// The delivery's id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// How it is delivered.
    async fn channel(&self) -> DeliveryChannel {
        self.0.channel.into()
    }

    /// What is delivered.
    async fn kind(&self) -> DeliveryKind {
        self.0.kind.into()
    }

    /// Whether it was delivered.
    async fn state(&self) -> DeliveryState {
        State::of(&self.0).into()
    }

    /// The id of the person who gets the mail; of a request, the person it is about.
    async fn user_id(&self) -> ID {
        self.0.person_id.into()
    }

    /// The id of the webhook that gets the request, or that a mail to an admin is about.
    async fn webhook_id(&self) -> Option<ID> {
        self.0.webhook_id.map(Into::into)
    }

    /// When it was planned.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// The number of attempts; 0 after `retryDelivery`.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// The earliest time of the next attempt. Null if none follows.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        (State::of(&self.0) == State::Open).then_some(DateTime(self.0.available_at))
    }

    /// When it was delivered or given up. Null while it is open.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.settled_at.or(self.0.buried_at).map(DateTime)
    }

    /// Why the last attempt failed, or why it was given up. Null if nothing failed.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The HTTP status of the webhook's last answer. Null for a mail, or if there was no answer.
    async fn status(&self) -> Option<i16> {
        self.0.status
    }

    /// The beginning of the webhook's last answer, at most 500 characters.
    async fn answer(&self) -> Option<&str> {
        self.0.answer.as_deref()
    }
}

/// A page of deliveries, newest first.
pub(crate) type DeliveryPage = Connection<Moment<{ list::DELIVERIES }>, Delivery, EmptyFields>;

/// Which deliveries to list.
#[derive(InputObject, Default)]
pub(crate) struct DeliveryFilter {
    /// Only deliveries of this channel.
    channel: Option<DeliveryChannel>,
    /// Only deliveries in this state.
    state: Option<DeliveryState>,
    /// Only mails to this person, and requests about them.
    user_id: Option<ID>,
    /// Only deliveries about this webhook.
    webhook_id: Option<ID>,
    /// Only deliveries planned at this time or later.
    since: Option<DateTime>,
}

/// A page of deliveries, if the caller is allowed to read them.
pub(crate) async fn page(
    ctx: &Context<'_>,
    filter: Option<DeliveryFilter>,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<DeliveryPage> {
    policy::reach(actor(ctx)?, Action::ManageDeliveries)?;
    let cut = page::cut(first, after, None, None)?;
    let filter = filter.unwrap_or_default();
    let wanted = deliveries::Wanted {
        channel: filter.channel.map(Into::into),
        state: filter.state.map(Into::into),
        person: filter.user_id.as_ref().map(|id| uuid("userId", id)).transpose()?,
        webhook: filter.webhook_id.as_ref().map(|id| uuid("webhookId", id)).transpose()?,
        since: filter.since.map(|since| since.0),
        failed: false,
    };
    let from = cut.from.map(|Moment::<{ list::DELIVERIES }>(at, id)| (at, id));
    let rows = deliveries::page_of(&app(ctx)?.db, &wanted, from, cut.rows + 1).await?;
    let asked = usize::try_from(cut.rows).unwrap_or(usize::MAX);
    let mut page = Connection::new(cut.from.is_some(), rows.len() > asked);
    let edge = |row: Row| Edge::new(Moment(row.created_at, row.id), Delivery(row));
    page.edges.extend(rows.into_iter().take(asked).map(edge));
    Ok(page)
}

/// The delivery to try again.
#[derive(InputObject)]
pub(crate) struct RetryDeliveryInput {
    /// The delivery's id.
    delivery_id: ID,
}

/// The result of `retryDelivery`.
#[derive(SimpleObject)]
pub(crate) struct RetryDeliveryPayload {
    /// The delivery, which is due now. Null on error.
    delivery: Option<Delivery>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Makes a delivery due now, if the caller is allowed to.
pub(crate) async fn retry(ctx: &Context<'_>, input: RetryDeliveryInput) -> Answer<RetryDeliveryPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ManageDeliveries)?;
    let renewed = match id_of("deliveryId", &input.delivery_id) {
        Ok(id) => registry::deliveries::retry(app(ctx)?, &request, id).await,
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match renewed {
        Ok(row) => RetryDeliveryPayload { delivery: Some(Delivery(row)), user_errors: Vec::new() },
        Err(failure) => {
            RetryDeliveryPayload { delivery: None, user_errors: vec![user_error(failure, &["input"])?] }
        }
    })
}

/// The id in a field of an input.
pub(super) fn id_of(field: &str, id: &ID) -> Result<Uuid, Refusal> {
    let message = "Not a UUID: send an id as this API returns it.";
    parse_uuid(id).ok_or_else(|| Refusal::invalid([field], message))
}
