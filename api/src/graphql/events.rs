//! Events coming in: `recordEvent` and `recordEvents`.

use async_graphql::{Context, ID, InputObject, Json, SimpleObject};
use uuid::Uuid;

use super::awards::Award;
use super::context::{actor, app, pacer, request_context};
use super::fault::{Answer, Fault, UserError};
use super::people::User;
use super::scalars::{GivenDateTime, parse_uuid};
use crate::auth::policy;
use crate::pipeline::{self, Incoming, Recorded, Submission};
use crate::refusal::Refusal;

/// Something that happened.
#[derive(InputObject)]
pub(crate) struct RecordEventInput {
    /// The sender's own id for this event, any string up to 128 characters; the idempotency key within the source
    /// (the token's sub). The same id with another userId, activity, attributes or occurredAt is a CONFLICT; an
    /// omitted occurredAt matches the kept one. Without an id the event counts every time it is sent.
    id: Option<String>,
    /// Who did it.
    user_id: ID,
    /// What kind of thing happened: an activity of a loaded pack, such as question_answered.
    activity: String,
    /// When it happened; now if omitted. From 2000 on, and at most 5 minutes ahead. A person may report an event of
    /// their own up to limits.self_report_hours hours (24 by default) after it happened, and only if it happened after
    /// their account was created.
    occurred_at: Option<GivenDateTime>,
    /// What the catalogue declares for the activity, as a JSON object of at most 4 KiB.
    attributes: Option<Json<serde_json::Value>>,
}

/// Things that happened; the rows of one person fold in the order of the array.
#[derive(InputObject)]
pub(crate) struct RecordEventsInput {
    /// Up to 1,000.
    events: Vec<RecordEventInput>,
}

/// What became of an event.
#[derive(SimpleObject)]
pub(crate) struct RecordEventPayload {
    /// Our id for it; null if it was refused.
    event_id: Option<ID>,
    /// True if the event was already recorded; the other fields repeat the first result.
    duplicate: Option<bool>,
    /// All XP it brought this person, bonuses included.
    xp_gained: Option<i64>,
    /// The awards it brought this person.
    awards: Option<Vec<Award>>,
    /// The person, as they are now.
    user: Option<User>,
    /// Why it was refused.
    user_errors: Vec<UserError>,
}

/// What became of many events.
#[derive(SimpleObject)]
pub(crate) struct RecordEventsPayload {
    /// One row an event, in the order in which they were sent.
    results: Vec<RecordEventResult>,
    /// What was wrong with the whole, such as too many events; then nothing is kept.
    user_errors: Vec<UserError>,
}

/// What became of one of many events.
#[derive(SimpleObject)]
pub(crate) struct RecordEventResult {
    /// Its place in the array that was sent, from 0.
    index: i64,
    /// Our id for it; null if it was refused.
    event_id: Option<ID>,
    /// True if the event was already recorded; the other fields repeat the first result.
    duplicate: bool,
    /// All XP it brought this person, bonuses included; 0 if it was refused.
    xp_gained: i64,
    /// The awards it brought this person.
    awards: Vec<Award>,
    /// Why it was refused.
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

/// Records many events; each row answers for itself.
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
    let recorder = policy::recorder(actor(ctx)?);
    let published = app(ctx)?.catalogue.current();
    let mut rights =
        published.catalog.activities().iter().map(|one| recorder.may_record(one.self_reportable));
    if !rights.any(|right| right.is_ok()) {
        // Nothing this role could send would be taken: that concerns the request, not a row of it.
        recorder.may_record(false)?;
    }
    // Rows whose userId is no UUID never reach the pipeline; their answers wait at their places.
    let read: Vec<Result<Incoming, Refusal>> = inputs.into_iter().map(incoming).collect();
    let events: Vec<Incoming> = read.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let outcomes = if events.is_empty() {
        Vec::new()
    } else {
        let request = Some(request_context(ctx)?).filter(|request| request.actor.person().is_some());
        let submission = Submission { recorder, request, events: events.into() };
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
        attributes: input.attributes.map(|attributes| attributes.0),
    })
}

fn unanswered() -> Fault {
    crate::store::Error::Impossible("the pipeline left a row without an answer".into()).into()
}
