//! `plaudit outbox`: lists deliveries, tries them again, and gives them up.

use std::fmt::{self, Write};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::manage;
use crate::start::{self, Refused};
use crate::store;
use crate::store::deliveries::{Channel, Kind, State, Wanted};

/// Which deliveries to list or try again.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `mail` or `webhook`.
    pub channel: Option<String>,
    /// One of [`STATES`].
    pub state: Option<String>,
    /// The person who gets it, or whom it is about.
    pub person: Option<Uuid>,
    /// The webhook that gets it.
    pub webhook: Option<Uuid>,
    /// Planned within this time.
    pub since: Option<TimeDelta>,
}

/// The channels that [`Filter::channel`] can name.
pub const CHANNELS: [&str; 2] = ["mail", "webhook"];
/// The states that [`Filter::state`] can name.
pub const STATES: [&str; 4] = ["open", "delivered", "skipped", "given-up"];

/// Why the command failed. The text says what to do.
#[derive(Debug)]
pub enum Problem {
    /// No delivery has this id.
    Unknown(Uuid),
    /// An attempt of the delivery is under way, or it has ended.
    NotOpen(Uuid),
    /// The database cannot be used.
    Database(Refused),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => {
                write!(f, "no delivery has the id {id}: `plaudit outbox list` prints the ids")
            }
            Self::NotOpen(id) => {
                write!(
                    f,
                    "nothing was changed: {id} has ended, an attempt is under way, it is a daily mail that still collects \
                     news, or its webhook is disabled. `plaudit outbox show {id}` prints it"
                )
            }
            Self::Database(refused) => write!(f, "{refused}"),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::Database(refused)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The newest deliveries that match, at most `limit`: a line for each, after a line of headings.
///
/// # Errors
/// If the database cannot be read.
pub async fn list(config: &Config, clock: &Clock, filter: &Filter, limit: u64) -> Result<String, Problem> {
    let db = start::open_current(config).await?;
    let rows = manage::list(&db, &wanted(filter, clock.now()), limit).await?;
    let mut text = format!(
        "{:<36}  {:<7}  {:<16}  {:<9}  {:>8}  {:<20}  {}",
        "ID", "CHANNEL", "KIND", "STATE", "ATTEMPTS", "CREATED", "REASON"
    );
    for row in &rows {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n{:<36}  {:<7}  {:<16}  {:<9}  {:>8}  {:<20}  {}",
            row.id,
            channel_name(row.channel),
            kind_name(row.kind),
            state_name(State::of(row)),
            row.attempts,
            time(row.created_at),
            row.reason.as_deref().unwrap_or_default()
        );
    }
    Ok(text)
}

/// Everything that is known about a delivery, a line for each value.
///
/// # Errors
/// If there is no such delivery, or the database cannot be read.
pub async fn show(config: &Config, id: Uuid) -> Result<String, Problem> {
    let db = start::open_current(config).await?;
    let row = store::deliveries::by_id(&db, id).await?.ok_or(Problem::Unknown(id))?;
    let about = manage::about(&db, &row).await?;
    let moment = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), time);
    let next = Some(row.available_at).filter(|_| State::of(&row) == State::Open);
    let values = [
        ("id", row.id.to_string()),
        ("channel", channel_name(row.channel).to_owned()),
        ("kind", kind_name(row.kind).to_owned()),
        ("state", state_name(State::of(&row)).to_owned()),
        ("person", row.person_id.to_string()),
        ("webhook", row.webhook_id.map_or_else(|| "-".to_owned(), |id| id.to_string())),
        ("about", about.join(", ")),
        ("created", time(row.created_at)),
        ("attempts", row.attempts.to_string()),
        ("next attempt", moment(next)),
        ("leased until", moment(row.leased_until)),
        ("delivered", moment(row.settled_at)),
        ("given up", moment(row.buried_at)),
        ("reason", row.reason.unwrap_or_else(|| "-".to_owned())),
        ("status", row.status.map_or_else(|| "-".to_owned(), |status| status.to_string())),
        ("answer", row.answer.unwrap_or_else(|| "-".to_owned())),
    ];
    let lines: Vec<String> = values.iter().map(|(name, value)| format!("{name:<13} {value}")).collect();
    Ok(lines.join("\n"))
}

/// Makes one delivery due now, as if it had never been tried.
///
/// # Errors
/// If there is no such delivery, an attempt is under way, or the database cannot be written.
pub async fn retry(config: &Config, clock: &Clock, id: Uuid) -> Result<(), Problem> {
    let db = start::open_current(config).await?;
    store::deliveries::by_id(&db, id).await?.ok_or(Problem::Unknown(id))?;
    match manage::renew(&db, &[id], clock.now()).await? {
        0 => Err(Problem::NotOpen(id)),
        _ => Ok(()),
    }
}

/// Makes all deliveries due now that match, and that were given up or wait for another attempt. Returns their number.
///
/// # Errors
/// If the database cannot be written.
pub async fn retry_all(config: &Config, clock: &Clock, filter: &Filter) -> Result<u64, Problem> {
    let db = start::open_current(config).await?;
    let now = clock.now();
    let wanted = Wanted { failed: true, ..wanted(filter, now) };
    Ok(manage::renew_all(&db, &wanted, now).await?)
}

/// Gives a delivery up.
///
/// # Errors
/// If there is no such delivery, it has ended or is under way, or the database cannot be written.
pub async fn bury(config: &Config, clock: &Clock, id: Uuid) -> Result<(), Problem> {
    let db = start::open_current(config).await?;
    store::deliveries::by_id(&db, id).await?.ok_or(Problem::Unknown(id))?;
    match manage::bury(&db, id, clock.now()).await? {
        true => Ok(()),
        false => Err(Problem::NotOpen(id)),
    }
}

fn wanted(filter: &Filter, now: DateTime<Utc>) -> Wanted {
    let of_name =
        |name: &str| [Channel::Mail, Channel::Webhook].into_iter().find(|one| channel_name(*one) == name);
    let states = [State::Open, State::Delivered, State::Skipped, State::GivenUp];
    Wanted {
        channel: filter.channel.as_deref().and_then(of_name),
        state: filter
            .state
            .as_deref()
            .and_then(|name| states.into_iter().find(|one| state_name(*one) == name)),
        person: filter.person,
        webhook: filter.webhook,
        since: filter.since.map(|since| now - since),
        failed: false,
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Mail => "mail",
        Channel::Webhook => "webhook",
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Delivered => "delivered",
        State::Skipped => "skipped",
        State::GivenUp => "given-up",
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::News => "news",
        Kind::Digest => "digest",
        Kind::StreakReminder => "streak-reminder",
        Kind::WeeklySummary => "weekly-summary",
        Kind::WebhookDisabled => "webhook-disabled",
        Kind::Event => "event",
        Kind::Test => "test",
    }
}
