//! Receives validated events: separates new events from known ones and appends the new ones.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::{Attributes, Event, Step};
use uuid::Uuid;

use super::load::{zone, zone_named};
use super::validate::{Accepted, Parsed, Refused, Sent};
use super::{Outcomes, Recorded};
use crate::catalogue::Published;
use crate::refusal::{Code, Reason, Refusal};
use crate::store::{self, Txn, events, people};

/// An event's identity: its source, and the sender's id.
type Key = (Arc<str>, Arc<str>);

/// The new events and their rows.
pub(super) struct Fresh {
    /// The events to fold, in the order in which they happened.
    pub(super) events: Vec<Event>,
    /// The row of each event.
    pub(super) rows: Vec<usize>,
    /// Later rows of the batch that repeat a new event. Such a row replaces the event if the event cannot be recorded.
    pub(super) repeats: Vec<(usize, Event)>,
}

/// The state of all rows after the new ones are appended.
pub(super) struct Ingested {
    /// The new events.
    pub(super) fresh: Fresh,
    /// The people of the rows, as read before any lock.
    pub(super) people: HashMap<Uuid, people::Row>,
    rows: Vec<Row>,
}

enum Row {
    Refused(Refusal),
    /// The new event with this id.
    Fresh(Uuid),
    Known(Recorded),
}

/// Appends the new rows and looks up the others.
pub(super) async fn append(
    txn: &Txn,
    published: &Published,
    accepted: Accepted,
    now: DateTime<Utc>,
) -> Result<Ingested, store::Error> {
    let rows = || accepted.rows.iter();
    let wanted: BTreeSet<Uuid> = rows().flatten().map(|row| row.sent.person).collect();
    let people = people::by_ids(txn, wanted).await?;
    let people: HashMap<Uuid, people::Row> =
        people.into_iter().filter(|row| row.erased_at.is_none()).map(|row| (row.id, row)).collect();
    // The first row with a key is the event. Later rows of the batch with the same key repeat it.
    let mut first: HashMap<Key, events::Row> = HashMap::new();
    // Self-reports outside the period are not appended. They may repeat an event that was appended in time.
    // Rows that the catalogue refuses are not appended. They may repeat an event of an earlier catalogue.
    let refused = rows().filter_map(|row| row.as_ref().err()?.sent.as_deref());
    let mut unappended: BTreeSet<Key> = refused.map(Sent::key).collect();
    for row in rows().flatten() {
        let Some(person) = people.get(&row.sent.person) else { continue };
        if accepted.period.refuses(row, person).is_some() {
            unappended.insert(row.sent.key());
            continue;
        }
        if let Entry::Vacant(free) = first.entry(row.sent.key()) {
            free.insert(event_row(row, person, published.version, now)?);
        }
    }
    let fresh_ids = events::append(txn, first.values().cloned().collect()).await?;
    let known = known(txn, first, unappended, &fresh_ids).await?;

    let mut fresh: Vec<(Event, usize)> = Vec::new();
    let none = Fresh { events: Vec::new(), rows: Vec::new(), repeats: Vec::new() };
    let mut ingested = Ingested { fresh: none, people, rows: Vec::with_capacity(accepted.rows.len()) };
    let mut answers = Answers::load(txn, known.values().filter(|row| !fresh_ids.contains(&row.id))).await?;
    for (index, row) in accepted.rows.into_iter().enumerate() {
        let row = match row {
            Ok(row) => row,
            Err(Refused { refusal, sent }) => {
                let repeated = sent.as_deref().and_then(|sent| Some((sent, known.get(&sent.key())?)));
                ingested.rows.push(match repeated {
                    Some((sent, event)) if is_repeat(sent, event) => answers.of(event),
                    _ => Row::Refused(refusal),
                });
                continue;
            }
        };
        let Some(person) = ingested.people.get(&row.sent.person) else {
            ingested.rows.push(Row::Refused(unknown_person()));
            continue;
        };
        ingested.rows.push(match (known.get(&row.sent.key()), accepted.period.refuses(&row, person)) {
            (Some(event), _) if event.id == row.id => {
                fresh.push((to_event(event)?, index));
                Row::Fresh(event.id)
            }
            (Some(event), untimely) => {
                if untimely.is_none() && fresh_ids.contains(&event.id) {
                    let event = to_event(&event_row(&row, person, published.version, now)?)?;
                    ingested.fresh.repeats.push((index, event));
                }
                if repeats(&row, event) { answers.of(event) } else { Row::Refused(reused()) }
            }
            (None, Some(refusal)) => Row::Refused(refusal),
            (None, None) => {
                return Err(store::Error::Impossible("an event is neither new nor known".into()));
            }
        });
    }
    // Fold the events in the order in which they happened, so that none is late relative to another.
    fresh.sort_by_cached_key(|(event, _)| event.key());
    (ingested.fresh.events, ingested.fresh.rows) = fresh.into_iter().unzip();
    Ok(ingested)
}

fn event_row(
    row: &Parsed,
    person: &people::Row,
    version: i64,
    now: DateTime<Utc>,
) -> Result<events::Row, store::Error> {
    let zone = zone(person)?;
    let sent = &row.sent;
    let occurred_at = sent.occurred_at.unwrap_or(now);
    let local = engine::local(occurred_at, zone);
    Ok(events::Row {
        id: row.id,
        source: sent.source.to_string(),
        external_id: sent.external_id.to_string(),
        person_id: sent.person,
        activity: sent.activity.to_string(),
        occurred_at,
        local_date: local.date,
        local_hour: i16::from(local.hour),
        timezone: zone.name().to_owned(),
        reported_on: row.is_own_report.then(|| engine::local(now, zone).date),
        makes_active: row.makes_active,
        attributes: attributes_of(&row.attributes)?,
        place: row.place,
        sent_hash: Some(sent.hash),
        recorded_at: now,
        catalogue_version: version,
    })
}

/// The event of each key: the new row, or the existing one.
async fn known(
    txn: &Txn,
    first: HashMap<Key, events::Row>,
    unappended: BTreeSet<Key>,
    fresh: &HashSet<Uuid>,
) -> Result<HashMap<Key, events::Row>, store::Error> {
    let (mut known, old): (HashMap<_, _>, HashMap<_, _>) =
        first.into_iter().partition(|(_, row)| fresh.contains(&row.id));
    let open = unappended.iter().filter(|key| !known.contains_key(*key));
    let keys = old.keys().chain(open).map(|(source, id)| (source.to_string(), id.to_string())).collect();
    for row in events::by_external_ids(txn, &keys).await? {
        known.insert((row.source.as_str().into(), row.external_id.as_str().into()), row);
    }
    Ok(known)
}

/// Attributes as they are stored.
///
/// # Errors
/// If they have no JSON.
pub(super) fn attributes_of(attributes: &Attributes) -> Result<serde_json::Value, store::Error> {
    serde_json::to_value(attributes)
        .map_err(|error| store::Error::Impossible(format!("attributes have no JSON: {error}")))
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
        place: row.place,
        local_date: row.local_date,
        local_hour: u8::try_from(row.local_hour).map_err(|_| broken("no hour of the day"))?,
        zone: zone_named(&row.timezone)?,
        reported_on: row.reported_on,
        makes_active: row.makes_active,
        attributes: serde_json::from_value(row.attributes.clone()).map_err(|_| broken("no attributes"))?,
    })
}

/// Whether the row equals the stored event. The attributes may match as sent, or as the current catalogue reads them.
/// An omitted time matches the stored one.
fn repeats(row: &Parsed, event: &events::Row) -> bool {
    let same =
        || serde_json::to_value(&row.attributes).is_ok_and(|attributes| attributes == event.attributes);
    is_repeat(&row.sent, event) || is_about(&row.sent, event) && same()
}

/// Whether the stored event was sent with exactly this content.
fn is_repeat(sent: &Sent, event: &events::Row) -> bool {
    is_about(sent, event) && event.sent_hash == Some(sent.hash)
}

fn is_about(sent: &Sent, event: &events::Row) -> bool {
    sent.person == event.person_id
        && *sent.activity == *event.activity
        && sent.occurred_at.is_none_or(|at| at == event.occurred_at)
}

pub(super) fn unknown_person() -> Refusal {
    let message = "You cannot record events for this id. An admin or a service sends the id of a person who has signed in \
                   or was created by upsertUser; everyone else sends only their own id.";
    Refusal::not_found("userId", Reason::PersonNotFound, message)
}

fn reused() -> Refusal {
    let message = "This id belongs to another event you sent: send the same userId, activity, attributes and \
                   occurredAt again, or give the new event an id of its own.";
    Refusal::new(Code::Conflict, message).at(["id"]).because(Reason::IdReused)
}

/// The first results of known events.
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
    /// One result per row, at the row's index.
    pub(super) fn answer(self, step: &Step, awarded: &[store::awards::Row]) -> Outcomes {
        let mut brought: HashMap<(Option<Uuid>, Uuid), Vec<store::awards::Row>> = HashMap::new();
        for award in awarded {
            brought.entry((award.event_id, award.person_id)).or_default().push(award.clone());
        }
        let recorded: Vec<Recorded> = self
            .fresh
            .events
            .iter()
            .zip(&step.gains)
            .map(|(event, gain)| Recorded {
                event: event.id,
                person: event.person,
                duplicate: false,
                xp_gained: gain.total,
                awards: brought.remove(&(Some(event.id), event.person)).unwrap_or_default(),
            })
            .collect();
        // A row that repeats a new row of the same batch gets the answer of a repeat.
        let of_event: HashMap<Uuid, &Recorded> = recorded.iter().map(|one| (one.event, one)).collect();
        let row = |row: Row| match row {
            Row::Refused(refusal) => Err(refusal),
            Row::Fresh(id) => of_event.get(&id).map(|one| (*one).clone()).ok_or_else(unknown_person),
            Row::Known(known) => Ok(match of_event.get(&known.event) {
                Some(fresh) => Recorded { duplicate: true, ..(*fresh).clone() },
                None => known,
            }),
        };
        self.rows.into_iter().map(row).collect()
    }
}
