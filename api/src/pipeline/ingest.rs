//! Takes events in: parses them by the catalogue, tells the new from the known, appends the new.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use engine::{Attributes, Event};
use uuid::Uuid;

use super::advance::Decision;
use super::{Outcomes, Recorded, Stop, Submission};
use crate::app::App;
use crate::catalogue::Published;
use crate::id;
use crate::refusal::{Code, Refusal};
use crate::store::{self, Txn, events, people};

/// Where a row stands: (submission, event).
type Spot = (usize, usize);

/// A row that makes sense by itself; the database has not been asked.
struct Parsed {
    source: Arc<str>,
    external_id: Arc<str>,
    id: Uuid,
    person: Uuid,
    activity: Arc<str>,
    makes_active: bool,
    occurred_at: Option<DateTime<Utc>>,
    attributes: Attributes,
}

/// Every row, in place: parsed or refused.
pub(super) struct Accepted {
    rows: Vec<Vec<Result<Parsed, Refusal>>>,
}

/// A new event and where its answer goes.
pub(super) struct Fresh {
    /// The events to fold, in the order of the submissions.
    pub(super) events: Vec<Event>,
    /// The row each of them came from.
    pub(super) spots: Vec<Spot>,
}

/// Everything known of the rows once the new ones are appended.
pub(super) struct Ingested {
    /// The new ones.
    pub(super) fresh: Fresh,
    /// Those the rows are about, as they were read before anything was locked.
    pub(super) people: HashMap<Uuid, people::Row>,
    rows: Vec<Vec<Row>>,
}

enum Row {
    Refused(Refusal),
    /// The n-th of the fresh.
    Fresh(usize),
    Known(Recorded),
}

/// Parses every row by the catalogue; nothing is read or written.
pub(super) fn accept(
    app: &App,
    published: &Published,
    submissions: &[Submission],
    guilty: &BTreeMap<Spot, Refusal>,
    now: DateTime<Utc>,
) -> Accepted {
    let rows = submissions.iter().enumerate().map(|(at, submission)| {
        let source: Arc<str> = submission.recorder.source().into();
        let events = submission.events.iter().enumerate();
        events
            .map(|(index, event)| match guilty.get(&(at, index)) {
                Some(refusal) => Err(refusal.clone()),
                None => parse(app, published, submission, &source, event, now),
            })
            .collect()
    });
    Accepted { rows: rows.collect() }
}

fn parse(
    app: &App,
    published: &Published,
    submission: &Submission,
    source: &Arc<str>,
    event: &super::Incoming,
    now: DateTime<Utc>,
) -> Result<Parsed, Refusal> {
    let catalog = &published.catalog;
    let activity =
        catalog.activity(&event.activity).ok_or_else(|| unknown_activity(catalog, &event.activity))?;
    if event.person.is_nil() {
        return Err(Refusal::invalid(["userId"], "The nil UUID is nobody: send the person's own id."));
    }
    submission.recorder.may_record(activity.self_reportable).map_err(|refusal| refusal.at(["activity"]))?;
    if !submission.recorder.may_record_of(event.person) {
        return Err(unknown_person());
    }
    let id = id::new(now);
    let external_id = match &event.id {
        Some(given) => check_id(given)?.into(),
        None => id.to_string().into(),
    };
    let occurred_at = event.occurred_at.map(|at| check_time(at, now)).transpose()?;
    let attributes = check_attributes(app, catalog, activity, event.attributes.as_ref())?;
    Ok(Parsed {
        source: Arc::clone(source),
        external_id,
        id,
        person: event.person,
        activity: Arc::from(event.activity.as_str()),
        makes_active: activity.counts_for_streak,
        occurred_at,
        attributes,
    })
}

fn unknown_activity(catalog: &engine::Catalog, key: &str) -> Refusal {
    let remedy = match catalog.nearest_activity(key) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "send an activity that a loaded pack declares.".to_owned(),
    };
    let shown: String = key.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Refusal::invalid(["activity"], format!("No activity is called `{shown}`: {remedy}"))
        .because("UNKNOWN_ACTIVITY")
}

fn check_id(id: &str) -> Result<&str, Refusal> {
    let letters = id.chars().count();
    if letters == 0 || letters > 128 || id.chars().any(char::is_control) {
        let message = "An event's id has 1 to 128 characters and no control characters.";
        return Err(Refusal::invalid(["id"], message));
    }
    Ok(id)
}

fn check_time(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    // What both databases keep and every answer prints: whole milliseconds.
    let at = DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at);
    let millennium = DateTime::from_timestamp(946_684_800, 0).unwrap_or_default();
    if at < millennium {
        return Err(Refusal::invalid(
            ["occurredAt"],
            "The time lies before 2000: send when it really happened.",
        ));
    }
    if at > now + TimeDelta::minutes(5) {
        let message =
            "The time lies in the future: send a time at most 5 minutes ahead of ours, or none for now.";
        return Err(Refusal::invalid(["occurredAt"], message));
    }
    Ok(at)
}

fn check_attributes(
    app: &App,
    catalog: &engine::Catalog,
    activity: &engine::Activity,
    given: Option<&serde_json::Value>,
) -> Result<Attributes, Refusal> {
    let most = app.config.limits.attributes_bytes;
    if given.is_some_and(|given| given.to_string().len() > most) {
        let message =
            format!("The attributes of one event may take {most} bytes as JSON: send fewer or shorter ones.");
        return Err(Refusal::invalid(["attributes"], message));
    }
    catalog.parse_attributes(activity, given).map_err(|problems| {
        let field = problems.first().map(|problem| problem.path.clone()).unwrap_or_default();
        let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
        Refusal::invalid(field, messages.join("; ")).below(["attributes"])
    })
}

/// Appends the rows that are new and looks up the others.
pub(super) async fn append(
    txn: &Txn,
    published: &Published,
    accepted: Accepted,
    now: DateTime<Utc>,
) -> Result<Ingested, Stop> {
    let wanted: BTreeSet<Uuid> = accepted.rows.iter().flatten().flatten().map(|row| row.person).collect();
    let people = people::by_ids(txn, wanted).await?;
    let people: HashMap<Uuid, people::Row> =
        people.into_iter().filter(|row| row.erased_at.is_none()).map(|row| (row.id, row)).collect();
    // The first row with a key is the event; later ones of the same batch repeat it.
    let mut first: HashMap<(Arc<str>, Arc<str>), events::Row> = HashMap::new();
    for row in accepted.rows.iter().flatten().flatten() {
        if let Some(person) = people.get(&row.person) {
            first
                .entry((Arc::clone(&row.source), Arc::clone(&row.external_id)))
                .or_insert_with(|| event_row(row, zone(person), published.version, now));
        }
    }
    let fresh_ids = events::append(txn, first.values().cloned().collect()).await?;
    let known = known(txn, first, &fresh_ids).await?;

    let fresh = Fresh { events: Vec::new(), spots: Vec::new() };
    let mut ingested = Ingested { fresh, people, rows: Vec::new() };
    let mut answers = Answers::load(txn, known.values().filter(|row| !fresh_ids.contains(&row.id))).await?;
    for (at, rows) in accepted.rows.into_iter().enumerate() {
        let mut sorted = Vec::with_capacity(rows.len());
        for (index, row) in rows.into_iter().enumerate() {
            sorted.push(match row {
                Err(refusal) => Row::Refused(refusal),
                Ok(row) if !ingested.people.contains_key(&row.person) => Row::Refused(unknown_person()),
                Ok(row) => match known.get(&(Arc::clone(&row.source), Arc::clone(&row.external_id))) {
                    Some(event) if event.id == row.id => {
                        ingested.fresh.events.push(to_event(event)?);
                        ingested.fresh.spots.push((at, index));
                        Row::Fresh(ingested.fresh.events.len() - 1)
                    }
                    Some(event) if repeats(&row, event) => answers.of(event),
                    Some(_) => Row::Refused(reused()),
                    None => {
                        return Err(
                            store::Error::Impossible("an event is neither new nor known".into()).into()
                        );
                    }
                },
            });
        }
        ingested.rows.push(sorted);
    }
    Ok(ingested)
}

/// A person's zone; one that this build no longer knows counts as UTC.
pub(super) fn zone(row: &people::Row) -> Tz {
    row.timezone.parse().unwrap_or(Tz::UTC)
}

fn event_row(row: &Parsed, zone: Tz, version: i64, now: DateTime<Utc>) -> events::Row {
    let occurred_at = row.occurred_at.unwrap_or(now);
    let local = engine::local(occurred_at, zone);
    events::Row {
        id: row.id,
        source: row.source.to_string(),
        external_id: row.external_id.to_string(),
        person_id: row.person,
        activity: row.activity.to_string(),
        occurred_at,
        local_date: local.date,
        local_hour: i16::from(local.hour),
        makes_active: row.makes_active,
        attributes: serde_json::to_value(&row.attributes).unwrap_or_default(),
        recorded_at: now,
        catalogue_version: version,
    }
}

/// The event behind each key: the row just appended, or the one that was there before it.
async fn known(
    txn: &Txn,
    first: HashMap<(Arc<str>, Arc<str>), events::Row>,
    fresh: &std::collections::HashSet<Uuid>,
) -> Result<HashMap<(Arc<str>, Arc<str>), events::Row>, store::Error> {
    let (mut known, old): (HashMap<_, _>, HashMap<_, _>) =
        first.into_iter().partition(|(_, row)| fresh.contains(&row.id));
    let keys = old.keys().map(|(source, id)| (source.to_string(), id.to_string())).collect();
    for row in events::by_external_ids(txn, &keys).await? {
        known.insert((row.source.as_str().into(), row.external_id.as_str().into()), row);
    }
    Ok(known)
}

/// The event of a row, as the engine folds it.
pub(crate) fn to_event(row: &events::Row) -> Result<Event, store::Error> {
    let broken = |what: &str| store::Error::Impossible(format!("event {} has {what}", row.id));
    Ok(Event {
        id: row.id,
        source: row.source.as_str().into(),
        external_id: row.external_id.as_str().into(),
        person: row.person_id,
        activity: row.activity.as_str().into(),
        occurred_at: row.occurred_at,
        local_date: row.local_date,
        local_hour: u8::try_from(row.local_hour).map_err(|_| broken("no hour of the day"))?,
        attributes: serde_json::from_value(row.attributes.clone()).map_err(|_| broken("no attributes"))?,
    })
}

/// Whether the row says what the kept event says; an omitted time matches the kept one.
fn repeats(row: &Parsed, event: &events::Row) -> bool {
    row.person == event.person_id
        && *row.activity == *event.activity
        && row.occurred_at.is_none_or(|at| at == event.occurred_at)
        && serde_json::to_value(&row.attributes).is_ok_and(|attributes| attributes == event.attributes)
}

fn unknown_person() -> Refusal {
    let message = "No person has this id: create them with upsertUser, or send the id they sign in with.";
    Refusal::new(Code::NotFound, message).at(["userId"])
}

fn reused() -> Refusal {
    let message = "This id belongs to another event you sent: send the same userId, activity, attributes and \
                   occurredAt again, or give the new event an id of its own.";
    Refusal::new(Code::Conflict, message).at(["id"]).because("ID_REUSED")
}

/// What known events brought when they were new.
struct Answers {
    gained: HashMap<(Uuid, Uuid), i64>,
    awards: HashMap<Uuid, Vec<store::awards::Row>>,
}

impl Answers {
    async fn load(txn: &Txn, known: impl Iterator<Item = &events::Row>) -> Result<Self, store::Error> {
        let ids: Vec<Uuid> = known.map(|row| row.id).collect();
        if ids.is_empty() {
            return Ok(Self { gained: HashMap::new(), awards: HashMap::new() });
        }
        let gained = store::ledger::gained(txn, ids.iter().copied()).await?;
        let mut awards: HashMap<Uuid, Vec<_>> = HashMap::new();
        for award in store::awards::of_events(txn, ids).await? {
            awards.entry(award.event_id.unwrap_or_default()).or_default().push(award);
        }
        Ok(Self { gained, awards })
    }

    fn of(&mut self, event: &events::Row) -> Row {
        Row::Known(Recorded {
            event: event.id,
            person: event.person_id,
            duplicate: true,
            xp_gained: self.gained.get(&(event.id, event.person_id)).copied().unwrap_or(0),
            awards: self.awards.get(&event.id).cloned().unwrap_or_default(),
        })
    }
}

impl Ingested {
    /// One answer a row, in place.
    pub(super) fn answer(self, decision: &Decision, awarded: &[store::awards::Row]) -> Vec<Outcomes> {
        let mut brought: HashMap<(Option<Uuid>, Uuid), Vec<store::awards::Row>> = HashMap::new();
        for award in awarded {
            brought.entry((award.event_id, award.person_id)).or_default().push(award.clone());
        }
        let recorded: Vec<Recorded> = self
            .fresh
            .events
            .iter()
            .zip(decision.gains())
            .map(|(event, xp_gained)| Recorded {
                event: event.id,
                person: event.person,
                duplicate: false,
                xp_gained,
                awards: brought.remove(&(Some(event.id), event.person)).unwrap_or_default(),
            })
            .collect();
        // A row that repeats a fresh one of its own batch is answered like any other repeat.
        let of_event: HashMap<Uuid, &Recorded> = recorded.iter().map(|one| (one.event, one)).collect();
        let row = |row: Row| match row {
            Row::Refused(refusal) => Err(refusal),
            Row::Fresh(nth) => recorded.get(nth).cloned().ok_or_else(unknown_person),
            Row::Known(known) => Ok(match of_event.get(&known.event) {
                Some(fresh) => Recorded { duplicate: true, ..(*fresh).clone() },
                None => known,
            }),
        };
        self.rows.into_iter().map(|rows| rows.into_iter().map(row).collect()).collect()
    }
}
