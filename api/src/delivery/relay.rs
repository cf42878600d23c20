//! Plans the deliveries of the outbox's messages, and trims what was delivered long ago. It opens no connection to another
//! machine, so nothing slow is in its way.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;

use super::plan::{self, News, Plan, Reader};
use super::{boards, channel};
use crate::app::App;
use crate::config::Config;
use crate::pulse::Beat;
use crate::store::deliveries::{Channel, Kind};
use crate::store::feed::Kind as Consequence;
use crate::store::{
    self, Txn, awards, certificates, deliveries, events, guardians, mail_settings, outbox, people, webhooks,
};

/// Messages per transaction.
const ROUND: u64 = 500;
/// Transactions that plan, in one round.
const PASSES: usize = 20;
/// Deliveries of disabled webhooks that one transaction gives up.
const BURY: u64 = 500;
/// Deliveries and messages that one transaction trims.
const TRIM: u64 = 500;
/// News about events that happened earlier than this before their recording is not mailed,
const NEWS: TimeDelta = TimeDelta::days(1);
/// nor what people gave or issued with an earlier date than this.
const GIVEN: TimeDelta = TimeDelta::days(7);

/// One round: plans what is due; in some rounds, `measures` the deliveries. Each bounded step is one turn of the loop.
///
/// # Errors
/// If the database fails; the next round continues.
pub(crate) async fn round(app: &App, beat: &Beat, measures: bool) -> Result<(), store::Error> {
    for _ in 0..PASSES {
        if beat.turn(plan_some(app)).await? == 0 {
            break;
        }
    }
    beat.turn(bury_some(app)).await?;
    if measures {
        beat.turn(trim_log(app)).await?;
        let now = app.clock.now();
        for channel in [Channel::Mail, Channel::Webhook] {
            let (due, oldest) = beat.turn(deliveries::waiting(&app.db, channel, now)).await?;
            let waited = oldest.map_or(TimeDelta::zero(), |since| now - since);
            app.telemetry.waiting_deliveries(channel::name(channel), due, waited);
        }
    }
    // Once per round, so that a long replay does not delay what happens now.
    beat.turn(replay_some(app)).await?;
    let oldest = beat.turn(outbox::oldest(&app.db)).await?;
    app.telemetry.oldest_message(oldest);
    Ok(())
}

/// Plans everything that is due, and trims what was delivered long ago.
///
/// # Errors
/// If the database fails.
pub(crate) async fn plan_due(app: &App) -> Result<(), store::Error> {
    while plan_some(app).await? > 0 {}
    while bury_some(app).await? > 0 {}
    while replay_some(app).await? {}
    while trim(app).await? > 0 {}
    Ok(())
}

/// Plans the deliveries of some messages. Returns the number of messages; 0 if none is due.
async fn plan_some(app: &App) -> Result<usize, store::Error> {
    // Most rounds find nothing. This check does not use SQLite's only writer.
    if !outbox::is_due(&app.db).await? {
        return Ok(0);
    }
    let now = app.clock.now();
    let txn = app.db.begin().await?;
    let messages = outbox::lock_due(&txn, ROUND).await?;
    let told: Vec<outbox::Row> =
        messages.iter().filter(|one| one.silent_because.is_none()).cloned().collect();
    let requests = plan::requests(&told, &webhooks::hold_enabled(&txn).await?, now);
    deliveries::plan(&txn, requests.deliveries, requests.messages).await?;
    if app.config.mail.is_on() {
        let mails = mails(&txn, &app.config, &told, now).await?;
        deliveries::plan(&txn, mails.deliveries, mails.messages).await?;
    }
    let ids: Vec<Uuid> = messages.iter().map(|message| message.id).collect();
    outbox::mark_planned(&txn, &ids, now).await?;
    txn.commit().await?;
    tracing::debug!(messages = ids.len(), "planned the deliveries");
    Ok(ids.len())
}

/// Gives up some deliveries of disabled webhooks. Returns their number.
async fn bury_some(app: &App) -> Result<u64, store::Error> {
    if !deliveries::has_of_disabled(&app.db).await? {
        return Ok(0);
    }
    let txn = app.db.begin().await?;
    let buried = deliveries::bury_of_disabled(&txn, app.clock.now(), webhooks::DISABLED, BURY).await?;
    txn.commit().await?;
    for _ in 0..buried {
        app.telemetry.delivered(channel::name(Channel::Webhook), "buried");
    }
    Ok(buried)
}

/// Plans the deliveries of some messages to one webhook again, whether they were delivered or not. Returns whether there
/// was one to do.
async fn replay_some(app: &App) -> Result<bool, store::Error> {
    let Some(waiting) = webhooks::with_replay(&app.db).await?.into_iter().next() else { return Ok(false) };
    let now = app.clock.now();
    let txn = app.db.begin().await?;
    let webhook = match webhooks::lock(&txn, waiting.id).await? {
        Some(webhook) if webhook.disabled_at.is_none() => webhook,
        _ => return Ok(true),
    };
    let Some(span) = webhook.replay_since.zip(webhook.replay_until) else { return Ok(true) };
    let messages = outbox::page_of(&txn, span, webhook.replay_after, ROUND).await?;
    let plan = plan::requests(&messages, std::slice::from_ref(&webhook), now);
    let ids: Vec<Uuid> = plan.deliveries.iter().map(|delivery| delivery.id).collect();
    deliveries::plan(&txn, plan.deliveries, plan.messages).await?;
    deliveries::renew(&txn, ids, now).await?;
    let is_last = messages.is_empty();
    let webhook = webhooks::Row {
        replay_after: messages.last().map(|message| message.id),
        replay_since: webhook.replay_since.filter(|_| !is_last),
        replay_until: webhook.replay_until.filter(|_| !is_last),
        ..webhook
    };
    webhooks::update(&txn, webhook).await?;
    txn.commit().await?;
    Ok(true)
}

/// The mails about these messages.
async fn mails(
    txn: &Txn,
    config: &Config,
    messages: &[outbox::Row],
    now: DateTime<Utc>,
) -> Result<Plan, store::Error> {
    let is_untold = [Consequence::AwardRevoked, Consequence::PersonErased];
    let told = messages.iter().filter(|message| !is_untold.contains(&message.kind));
    let groups: BTreeSet<Uuid> = told.clone().map(|message| message.group_id).collect();
    let happened: HashMap<Uuid, DateTime<Utc>> = events::moments(txn, groups).await?.into_iter().collect();
    let dated = dates(txn, told.clone()).await?;
    let is_new = |message: &&outbox::Row| match happened.get(&message.group_id) {
        Some(at) => message.created_at - *at <= NEWS,
        None => dated.get(&message.group_id).is_none_or(|at| message.created_at - *at <= GIVEN),
    };
    let news: Vec<News> = told
        .filter(is_new)
        .map(|one| News { id: one.id, group: one.group_id, person: one.person_id })
        .collect();
    if news.is_empty() {
        return Ok(Plan::default());
    }
    let about: BTreeSet<Uuid> = news.iter().map(|one| one.person).collect();
    let mut readers_of: HashMap<Uuid, BTreeSet<Uuid>> =
        about.iter().map(|person| (*person, BTreeSet::from([*person]))).collect();
    for (guardian, child) in guardians::who_want_copies(txn, about).await? {
        readers_of.entry(child).or_default().insert(guardian);
    }
    let ids: BTreeSet<Uuid> = readers_of.values().flatten().copied().collect();
    let mut readers = readers(txn, config, &ids, now).await?;
    Ok(plan::mails(&news, &readers_of, &mut readers, config.mail.per_day, now))
}

/// The earliest date of the awards and certificates of each cause.
async fn dates(
    txn: &Txn,
    messages: impl Iterator<Item = &outbox::Row> + Clone + Send,
) -> Result<HashMap<Uuid, DateTime<Utc>>, store::Error> {
    let of_awards = awards::by_ids(txn, messages.clone().filter_map(|one| one.award_id)).await?;
    let of_certificates =
        certificates::by_ids(txn, messages.clone().filter_map(|one| one.certificate_id)).await?;
    let mut at: HashMap<Uuid, DateTime<Utc>> = of_awards.iter().map(|row| (row.id, row.earned_at)).collect();
    let noon = |row: &certificates::Row| row.issued_date.and_time(NaiveTime::MIN).and_utc();
    at.extend(of_certificates.iter().map(|row| (row.id, noon(row))));
    let mut dates = HashMap::new();
    for message in messages {
        let Some(id) = message.award_id.or(message.certificate_id) else { continue };
        if let Some(at) = at.get(&id) {
            let date = dates.entry(message.group_id).or_insert(*at);
            *date = Ord::min(*date, *at);
        }
    }
    Ok(dates)
}

/// Those of these people who have an address.
async fn readers(
    txn: &Txn,
    config: &Config,
    ids: &BTreeSet<Uuid>,
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, Reader>, store::Error> {
    let chosen = mail_settings::of_people(txn, ids.iter().copied()).await?;
    let mut chosen: HashMap<Uuid, _> = chosen.into_iter().map(|row| (row.person_id, row)).collect();
    let since = now - TimeDelta::days(1);
    let today = deliveries::planned_since(txn, ids.iter().copied(), Kind::News, since).await?;
    let people = people::by_ids(txn, ids.iter().copied()).await?;
    let reachable = people.into_iter().filter(|row| row.erased_at.is_none() && row.email.is_some());
    let reader = |row: people::Row| {
        let settings = chosen.remove(&row.id).unwrap_or_else(|| mail_settings::usual(row.id));
        let zone = row.timezone.parse().unwrap_or(config.timezone);
        (row.id, Reader { settings, zone, today: today.get(&row.id).copied().unwrap_or_default() })
    };
    Ok(reachable.map(reader).collect())
}

/// Deletes the part of the log of boards that no board needs any more.
async fn trim_log(app: &App) -> Result<(), store::Error> {
    let kept = i64::try_from(boards::CHANGES).unwrap_or(i64::MAX);
    let until = store::boards::head(&app.db).await? - kept;
    if until <= 0 || store::boards::first(&app.db).await?.is_none_or(|first| first > until) {
        return Ok(());
    }
    let txn = app.db.begin().await?;
    store::boards::trim(&txn, until).await?;
    txn.commit().await
}

/// Deletes some deliveries and messages that were delivered long ago, few enough not to block SQLite's only writer. Returns
/// their number.
///
/// # Errors
/// If the database fails.
pub(crate) async fn trim(app: &App) -> Result<u64, store::Error> {
    let days = i64::try_from(app.config.limits.outbox_settled_days).unwrap_or(30);
    let before = app.clock.now() - TimeDelta::days(days);
    if !outbox::has_old(&app.db, before).await? && !deliveries::has_old(&app.db, before).await? {
        return Ok(0);
    }
    let txn = app.db.begin().await?;
    let gone = deliveries::trim(&txn, before, TRIM).await? + outbox::trim(&txn, before, TRIM).await?;
    txn.commit().await?;
    Ok(gone)
}
