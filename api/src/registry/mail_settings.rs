//! Which mails people get: chosen by themselves, or ended by the link of a mail.

use std::collections::BTreeSet;

use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::RequestContext;
use super::people::check_locale;
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::Actor;
use crate::auth::policy::{self, Action};
use crate::refusal::{Failure, Refusal};
use crate::store::mail_settings::{self, Mode, Row};
use crate::store::{self, Txn, boards, people};

/// Local hours in which no mail is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quiet {
    /// The first quiet hour.
    pub(crate) from: i32,
    /// The hour at which mails go out again.
    pub(crate) until: i32,
}

/// The new values; `None` keeps the current value, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// A language tag.
    pub(crate) locale: Option<Option<String>>,
    /// Whether leaderboards rank them.
    pub(crate) ranked: Option<bool>,
    /// When news is sent.
    pub(crate) mode: Option<Mode>,
    /// The local hour of the daily mail.
    pub(crate) digest_hour: Option<i32>,
    /// The quiet hours.
    pub(crate) quiet: Option<Option<Quiet>>,
    /// Whether a guardian gets copies.
    pub(crate) copies: Option<bool>,
    /// Whether a guardian gets a summary of the week.
    pub(crate) weekly_summary: Option<bool>,
    /// Whether they are reminded of a streak that ends tonight.
    pub(crate) streak_reminder: Option<bool>,
}

/// The settings of the actor.
///
/// # Errors
/// FORBIDDEN for a service. An error if the database fails.
pub(crate) async fn of(app: &App, actor: &Actor) -> Result<Row, Failure> {
    policy::reach(actor, Action::ChooseMails)?;
    let person = actor.person().unwrap_or_default();
    let chosen = mail_settings::of_people(&app.db, [person]).await?.pop();
    Ok(chosen.unwrap_or_else(|| mail_settings::usual(person)))
}

/// Changes the settings of the actor.
///
/// # Errors
/// FORBIDDEN for a service, `INVALID_INPUT` at the field. An error if the database fails.
pub(crate) async fn update(
    app: &App,
    request: &RequestContext,
    change: Change,
) -> Result<(people::Row, Row), Failure> {
    policy::reach(&request.actor, Action::ChooseMails)?;
    let locale = change.locale.as_ref();
    let locale = locale.map(|locale| locale.as_deref().map(check_locale).transpose()).transpose()?;
    let digest_hour = change.digest_hour.map(|number| hour(&["mail", "digestHour"], number)).transpose()?;
    let quiet = change.quiet.map(|quiet| quiet.map(check_quiet).transpose()).transpose()?;
    let person = request.actor.person().unwrap_or_default();
    let (locale, change) = (&locale, &change);
    attempt(app, |txn, _| {
        async move {
            let before = locked(txn, person).await?.ok_or(Interrupted::Again)?;
            let now = app.clock.now();
            let (mut row, settings) = before;
            let ranked_before = row.ranked;
            if locale.is_some() || change.ranked.is_some() {
                row = people::Row {
                    locale: locale.clone().unwrap_or(row.locale),
                    ranked: change.ranked.unwrap_or(row.ranked),
                    updated_at: now,
                    ..row
                };
                people::update(txn, row.clone()).await?;
            }
            let (quiet_from, quiet_until) = match quiet {
                None => (settings.quiet_from, settings.quiet_until),
                Some(None) => (None, None),
                Some(Some((from, until))) => (Some(from), Some(until)),
            };
            let settings = Row {
                mode: change.mode.unwrap_or(settings.mode),
                digest_hour: digest_hour.unwrap_or(settings.digest_hour),
                quiet_from,
                quiet_until,
                copies: change.copies.unwrap_or(settings.copies),
                weekly_summary: change.weekly_summary.unwrap_or(settings.weekly_summary),
                streak_reminder: change.streak_reminder.unwrap_or(settings.streak_reminder),
                updated_at: now,
                ..settings
            };
            mail_settings::put(txn, settings.clone()).await?;
            if row.ranked != ranked_before {
                boards::log(txn, &[person].into()).await?;
            }
            Ok(((row, settings), None))
        }
        .scope_boxed()
    })
    .await
}

/// Ends all mails to a person whose link was checked. Unknown and erased people have none.
///
/// # Errors
/// If the database fails.
pub(crate) async fn unsubscribe(app: &App, person: Uuid) -> Result<(), Failure> {
    attempt(app, |txn, _| {
        async move {
            if let Some((_, settings)) = locked(txn, person).await? {
                let ended = Row {
                    mode: Mode::None,
                    copies: false,
                    weekly_summary: false,
                    streak_reminder: false,
                    ..settings.clone()
                };
                if ended != settings {
                    mail_settings::put(txn, Row { updated_at: app.clock.now(), ..ended }).await?;
                }
            }
            Ok(((), None))
        }
        .scope_boxed()
    })
    .await
}

/// The person, locked, and their settings; none for an unknown or erased person.
async fn locked(txn: &Txn, person: Uuid) -> Result<Option<(people::Row, Row)>, store::Error> {
    let rows = people::lock(txn, &BTreeSet::from([person])).await?;
    let Some(row) = rows.into_iter().find(|row| row.erased_at.is_none()) else { return Ok(None) };
    let chosen = mail_settings::of_people(txn, [person]).await?.pop();
    Ok(Some((row, chosen.unwrap_or_else(|| mail_settings::usual(person)))))
}

/// An hour of the day.
fn hour(field: &[&str], number: i32) -> Result<i16, Refusal> {
    let hour = i16::try_from(number).ok().filter(|hour| (0..24).contains(hour));
    hour.ok_or_else(|| Refusal::invalid(field.iter().copied(), "Write an hour from 0 to 23."))
}

fn check_quiet(quiet: Quiet) -> Result<(i16, i16), Refusal> {
    let from = hour(&["mail", "quietHours", "from"], quiet.from)?;
    let until = hour(&["mail", "quietHours", "until"], quiet.until)?;
    if from == until {
        let message = "The hours are the same. For no quiet hours send null; for no mails the mode NONE.";
        return Err(Refusal::invalid(["mail", "quietHours", "until"], message));
    }
    Ok((from, until))
}
