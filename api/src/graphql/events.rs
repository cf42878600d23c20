//! The mutations `recordEvent` and `recordEvents`.

use async_graphql::{Context, ID, InputObject, SimpleObject};
use uuid::Uuid;

use super::awards::Award;
use super::context::{actor, app, pacer, request_context};
use super::fault::{Answer, Fault, UserError};
use super::people::User;
use super::scalars::{GivenDateTime, Json, parse_uuid};
use crate::auth::policy;
use crate::pipeline::{self, Incoming, Recorded, Submission};
use crate::refusal::Refusal;

/// An event: an activity of a person at a time.
#[derive(InputObject)]
pub(crate) struct RecordEventInput {
    /// The sender's id for this event: any string of up to 128 characters. It is the idempotency key within the
    /// source, which is the token's `sub`. The same id with another userId, activity, attributes or occurredAt is a
    /// CONFLICT; an omitted occurredAt matches every stored time. Without an id, the event counts each time it is
    /// sent.
    id: Option<String>,
    /// The id of the person.
    user_id: ID,
    /// The key of an activity of a loaded pack, such as question_answered.
    activity: String,
    /// When the event happened: not before the year 2000, and at most 5 minutes after the server's time. Default:
    /// now. A person can report their own event up to `limits.self_report_hours` hours (default 24) after it
    /// happened, and only if it happened after their account was created.
    occurred_at: Option<GivenDateTime>,
    /// The attributes that the pack declares for the activity: a JSON object of at most 4 KiB.
    attributes: Option<Json<'static>>,
}

/// The events to record. The events of one person are applied in the order of the list.
#[derive(InputObject)]
pub(crate) struct RecordEventsInput {
    /// The events: 1 to 1,000 (`limits.batch_events`).
    events: Vec<RecordEventInput>,
}

/// The result of `recordEvent`.
#[derive(SimpleObject)]
pub(crate) struct RecordEventPayload {
    /// The id that the server assigned to the event. Null on error.
    event_id: Option<ID>,
    /// True if the event was already recorded; the other fields repeat the first result. Null on error.
    duplicate: Option<bool>,
    /// The total XP that this person gained by the event, with the XP of its awards. Null on error.
    xp_gained: Option<i64>,
    /// The awards that this person earned by the event. Null on error.
    awards: Option<Vec<Award>>,
    /// The person after the event. Null on error.
    user: Option<User>,
    /// Why the event was refused. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `recordEvents`.
#[derive(SimpleObject)]
pub(crate) struct RecordEventsPayload {
    /// One result for each event, in the order of the input. Empty if the whole call is refused.
    results: Vec<RecordEventResult>,
    /// Errors of the whole call, such as too many events. If there are any, no event is recorded.
    user_errors: Vec<UserError>,
}

/// The result of one event of `recordEvents`.
#[derive(SimpleObject)]
pub(crate) struct RecordEventResult {
    /// The event's index in `input.events`, starting at 0.
    index: i64,
    /// The id that the server assigned to the event. Null on error.
    event_id: Option<ID>,
    /// True if the event was already recorded; the other fields repeat the first result. False on error.
    duplicate: bool,
    /// The total XP that this person gained by the event, with the XP of its awards. 0 on error.
    xp_gained: i64,
    /// The awards that this person earned by the event. Empty on error.
    awards: Vec<Award>,
    /// Why the event was refused. Empty on success.
    user_errors: Vec<UserError>,
}

/// Records one event.
pub(crate) async fn record_one(ctx: &Context<'_>, input: RecordEventInput) -> Answer<RecordEventPayload> {
    let refused = |refusal: Refusal| RecordEventPayload {
        event_id: None,
        duplicate: None,
        xp_gained: None,
        awards: None,
        user: None,
        user_errors: vec![refusal.below(["input"]).into()],
    };
    let mut outcomes = record(ctx, vec![input]).await?;
    match outcomes.pop() {
        Some(Ok(recorded)) => {
            let person = recorded.person;
            Ok(RecordEventPayload {
                event_id: Some(recorded.event.into()),
                duplicate: Some(recorded.duplicate),
                xp_gained: Some(recorded.xp_gained),
                awards: Some(recorded.awards.into_iter().map(Award).collect()),
                user: User::visible(ctx, person).await?,
                user_errors: Vec::new(),
            })
        }
        Some(Err(refusal)) => Ok(refused(refusal)),
        None => Err(unanswered()),
    }
}

/// Records many events. Each event has its own result.
pub(crate) async fn record_many(ctx: &Context<'_>, input: RecordEventsInput) -> Answer<RecordEventsPayload> {
    let most = app(ctx)?.config.limits.batch_events;
    actor(ctx)?;
    if input.events.is_empty() || input.events.len() > most {
        let message = match input.events.len() {
            0 => format!("A call takes 1 to {most} events and this one has none: send at least one."),
            sent => format!("A call takes 1 to {most} events and this one has {sent}: split it."),
        };
        let refusal = Refusal::invalid(["input", "events"], message);
        return Ok(RecordEventsPayload { results: Vec::new(), user_errors: vec![refusal.into()] });
    }
    let outcomes = record(ctx, input.events).await?;
    let results = outcomes.into_iter().enumerate().map(|(index, outcome)| result(index, outcome));
    Ok(RecordEventsPayload { results: results.collect(), user_errors: Vec::new() })
}

fn result(index: usize, outcome: Result<Recorded, Refusal>) -> RecordEventResult {
    let place = i64::try_from(index).unwrap_or(i64::MAX);
    match outcome {
        Ok(recorded) => RecordEventResult {
            index: place,
            event_id: Some(recorded.event.into()),
            duplicate: recorded.duplicate,
            xp_gained: recorded.xp_gained,
            awards: recorded.awards.into_iter().map(Award).collect(),
            user_errors: Vec::new(),
        },
        Err(refusal) => RecordEventResult {
            index: place,
            event_id: None,
            duplicate: false,
            xp_gained: 0,
            awards: Vec::new(),
            user_errors: vec![
                refusal.below(["input".to_owned(), "events".to_owned(), index.to_string()]).into(),
            ],
        },
    }
}

async fn record(ctx: &Context<'_>, inputs: Vec<RecordEventInput>) -> Answer<pipeline::Outcomes> {
    let recorder = policy::recorder(actor(ctx)?)?;
    let published = app(ctx)?.catalogue.current();
    let mut rights =
        published.catalog.activities().iter().map(|one| recorder.may_record(one.self_reportable));
    if !rights.any(|right| right.is_ok()) {
        // This role can record no activity, so the whole request is refused instead of each row.
        recorder.may_record(false)?;
    }
    // Rows with malformed input do not reach the pipeline. Their refusals keep their index in `read`.
    let read: Vec<Result<Incoming, Refusal>> = inputs.into_iter().map(incoming).collect();
    let events: Vec<Incoming> = read.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let outcomes = if events.is_empty() {
        Vec::new()
    } else {
        let request = Some(request_context(ctx)?).filter(|request| request.actor.person().is_some());
        let submission =
            Submission { recorder, request, events: events.into(), span: tracing::Span::current() };
        pacer(ctx)?.wait_for_commit(pipeline::record(app(ctx)?, submission)).await?
    };
    let mut outcomes = outcomes.into_iter();
    let rows = read.into_iter().map(|row| match row {
        Ok(_) => outcomes.next().ok_or_else(unanswered),
        Err(refusal) => Ok(Err(refusal)),
    });
    rows.collect()
}

fn incoming(input: RecordEventInput) -> Result<Incoming, Refusal> {
    let person: Uuid = parse_uuid(&input.user_id)
        .ok_or_else(|| Refusal::invalid(["userId"], "Not a UUID: send the id the person signs in with."))?;
    Ok(Incoming {
        id: input.id,
        person,
        activity: input.activity,
        occurred_at: input.occurred_at.map(|at| at.read("occurredAt")).transpose()?,
        attributes: input.attributes.map(|Json(attributes)| attributes.into_owned()),
    })
}

fn unanswered() -> Fault {
    crate::store::Error::Impossible("the pipeline returned no outcome for a row".into()).into()
}
