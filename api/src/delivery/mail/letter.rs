//! What a mail says, read from the database when it is sent: what has been revoked since, or belongs to a child that is no
//! longer linked, is left out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use engine::Progress;
use engine::catalog::Rarity;
use uuid::Uuid;

use crate::app::App;
use crate::catalogue::Published;
use crate::delivery::{calendar, plan};
use crate::progress::{self, Offer};
use crate::store::deliveries::{self, Kind};
use crate::store::feed::Kind as Consequence;
use crate::store::mail_settings::{self, Mode};
use crate::store::{self, Txn, awards, certificates, guardians, metrics, outbox, people, totals, webhooks};

/// Children in a summary of the week.
const CHILDREN: u64 = 10;
/// Messages that one mail is about; the others are counted.
const MESSAGES: u64 = 200;

/// The content of a mail.
#[derive(Debug)]
pub(super) struct Letter {
    /// What is delivered.
    pub(super) kind: Kind,
    /// Who gets it.
    pub(super) reader: people::Row,
    /// What happened, in order.
    pub(super) news: Vec<News>,
    /// How much more happened than is in `news`.
    pub(super) more: usize,
    /// The reader's XP and level, if the news is about them.
    pub(super) standing: Option<(i64, i64)>,
    /// The achievement that the reader can earn next.
    pub(super) next: Option<Next>,
}

/// Why a mail is not sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// There is nothing to send any more, for this reason.
    Never(&'static str),
    /// The reader's quiet hours end at this time.
    Until(DateTime<Utc>),
}

/// One thing that happened.
#[derive(Debug)]
pub(super) struct News {
    /// The name of the child it is about; none if it is about the reader.
    pub(super) child: Option<String>,
    /// What happened.
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    /// An award was earned or given.
    Award {
        /// The achievement's name.
        name: String,
        /// Its description.
        description: String,
        /// What it takes.
        requirement: String,
        /// XP of the award.
        xp: i64,
        /// Its category.
        category: String,
        /// Its rarity.
        rarity: Rarity,
        /// Who gave it and what they wrote.
        note: Option<(String, String)>,
    },
    /// A level was reached.
    Level(i64),
    /// A rank was reached.
    Rank(String),
    /// A streak milestone was reached.
    Streak(i64),
    /// A certificate was issued.
    Certificate {
        /// Its title.
        title: String,
        /// Who issued it.
        issuer: String,
        /// The day of issue.
        date: NaiveDate,
        /// Its number.
        number: String,
    },
    /// The streak of this many days ends tonight.
    StreakEnds(i64),
    /// A child's week.
    Week {
        /// XP of the week.
        xp: i64,
        /// Awards of the week.
        awards: i64,
        /// The current streak, in days.
        streak: i64,
    },
    /// A webhook was disabled.
    WebhookDisabled {
        /// What it is for.
        description: String,
        /// Why it was disabled.
        reason: String,
    },
}

/// An achievement that the reader can earn.
#[derive(Debug)]
pub(super) struct Next {
    /// Its name.
    pub(super) name: String,
    /// The progress, from 0 to `target`.
    pub(super) current: i64,
    /// The progress at which it is earned.
    pub(super) target: i64,
    /// The progress in percent.
    pub(super) percent: i64,
}

/// The content of this delivery, or why nothing is sent.
///
/// # Errors
/// If the database fails.
pub(super) async fn read(
    app: &App,
    delivery: &deliveries::Row,
) -> Result<Result<Letter, Unsent>, store::Error> {
    let txn = app.db.snapshot().await?;
    let letter = read_within(app, &txn, delivery).await;
    txn.rollback().await;
    letter
}

async fn read_within(
    app: &App,
    txn: &Txn,
    delivery: &deliveries::Row,
) -> Result<Result<Letter, Unsent>, store::Error> {
    let id = delivery.person_id;
    let reader = match people::by_id(txn, id).await? {
        Some(row) if row.erased_at.is_none() => row,
        _ => return Ok(Err(Unsent::Never("the person was erased"))),
    };
    if reader.email.is_none() {
        return Ok(Err(Unsent::Never("the person has no address")));
    }
    let chosen = mail_settings::of_people(txn, [id]).await?.pop();
    let settings = chosen.unwrap_or_else(|| mail_settings::usual(id));
    // An admin who wants no news still has to know what has stopped working.
    if settings.mode == Mode::None && delivery.kind != Kind::WebhookDisabled {
        return Ok(Err(Unsent::Never("the person wants no mails")));
    }
    let now = app.clock.now();
    let zone = reader.timezone.parse().unwrap_or(app.config.timezone);
    let awake = plan::after_quiet_hours(&settings, zone, now);
    if awake > now && delivery.kind != Kind::WebhookDisabled {
        return Ok(Err(Unsent::Until(awake)));
    }
    if delivery.kind == Kind::WebhookDisabled {
        return Ok(webhook_disabled(txn, delivery, reader)
            .await?
            .ok_or(Unsent::Never("the webhook was enabled again")));
    }
    if delivery.kind == Kind::StreakReminder {
        return Ok(streak_ends(app, txn, delivery, reader)
            .await?
            .ok_or(Unsent::Never("the streak does not end any more")));
    }
    if delivery.kind == Kind::WeeklySummary {
        return Ok(week(app, txn, delivery, reader)
            .await?
            .ok_or(Unsent::Never("no child is linked any more")));
    }
    let all = deliveries::count_messages(txn, delivery.id).await?;
    let more = usize::try_from(all.saturating_sub(MESSAGES)).unwrap_or(usize::MAX);
    let messages = deliveries::messages(txn, delivery.id, MESSAGES).await?;
    let messages = outbox::by_ids(txn, messages).await?;
    let children: BTreeSet<Uuid> =
        messages.iter().map(|one| one.person_id).filter(|about| *about != id).collect();
    let copied = guardians::who_want_copies(txn, children).await?;
    let children: BTreeSet<Uuid> =
        copied.into_iter().filter(|(guardian, _)| *guardian == id).map(|(_, child)| child).collect();
    let published = app.catalogue.current();
    let told = Told::read(txn, &published, &messages, &children).await?;
    let news: Vec<News> = messages
        .iter()
        .filter(|one| one.person_id == id || children.contains(&one.person_id))
        .filter_map(|one| told.news(one, id))
        .collect();
    if news.is_empty() {
        return Ok(Err(Unsent::Never("everything in it was withdrawn")));
    }
    let (mut standing, mut next) = (None, None);
    if news.iter().any(|one| one.child.is_none()) {
        let totals = totals::of_people(txn, [id]).await?.pop();
        let totals = totals.unwrap_or(totals::none(id, reader.created_at));
        standing = Some((totals.xp, published.catalog.level(totals.xp).number));
        next = comes_next(app, txn, &published, &reader, &totals).await?;
    }
    Ok(Ok(Letter { kind: delivery.kind, reader, news, more, standing, next }))
}

/// The reminder of a streak; none if the reader was active since, or if the day is over.
async fn streak_ends(
    app: &App,
    txn: &Txn,
    delivery: &deliveries::Row,
    reader: people::Row,
) -> Result<Option<Letter>, store::Error> {
    let Some(totals) = totals::of_people(txn, [reader.id]).await?.pop() else { return Ok(None) };
    let today = progress::today(&reader, app.clock.now())?.date;
    let ends = totals.last_active_on.is_some_and(|day| day.succ_opt() == Some(today));
    let news = vec![News { child: None, what: What::StreakEnds(totals.streak_run) }];
    Ok(ends.then_some(Letter { kind: delivery.kind, reader, news, more: 0, standing: None, next: None }))
}

/// The week of the reader's children; none if there is no child.
async fn week(
    app: &App,
    txn: &Txn,
    delivery: &deliveries::Row,
    reader: people::Row,
) -> Result<Option<Letter>, store::Error> {
    let children = guardians::linked_to(txn, reader.id, CHILDREN).await?;
    let since = calendar::week_before(app.clock.now());
    let gains = store::calendar::gains_since(txn, &children, since).await?;
    let totals = totals::of_people(txn, children.iter().copied()).await?;
    let totals: HashMap<Uuid, totals::Row> = totals.into_iter().map(|row| (row.person_id, row)).collect();
    let mut people = people::by_ids(txn, children).await?;
    people.retain(|child| child.erased_at.is_none());
    people.sort_by(|a, b| (&a.search_name, a.id).cmp(&(&b.search_name, b.id)));
    let mut news = Vec::with_capacity(people.len());
    for child in people {
        let (xp, awards) = gains.get(&child.id).copied().unwrap_or_default();
        let today = progress::today(&child, app.clock.now())?;
        let streak =
            totals.get(&child.id).map(|row| progress::streak(row, today)).transpose()?.unwrap_or_default();
        news.push(News { child: Some(child.display_name), what: What::Week { xp, awards, streak } });
    }
    let letter = Letter { kind: delivery.kind, reader, news, more: 0, standing: None, next: None };
    Ok(Some(letter).filter(|letter| !letter.news.is_empty()))
}

/// The letter to an admin about a webhook that was disabled; none if it was enabled since.
async fn webhook_disabled(
    txn: &Txn,
    delivery: &deliveries::Row,
    reader: people::Row,
) -> Result<Option<Letter>, store::Error> {
    let webhook = webhooks::by_id(txn, delivery.webhook_id.unwrap_or_default()).await?;
    let news = webhook.and_then(|webhook| {
        let reason = webhook.disabled_because?;
        let what = What::WebhookDisabled { description: webhook.description, reason };
        Some(vec![News { child: None, what }])
    });
    Ok(news.map(|news| Letter { kind: delivery.kind, reader, news, more: 0, standing: None, next: None }))
}

/// The rows that the messages refer to.
struct Told<'a> {
    published: &'a Published,
    awards: HashMap<Uuid, awards::Row>,
    certificates: HashMap<Uuid, certificates::Row>,
    names: HashMap<Uuid, String>,
}

impl<'a> Told<'a> {
    async fn read(
        txn: &Txn,
        published: &'a Published,
        messages: &[outbox::Row],
        children: &BTreeSet<Uuid>,
    ) -> Result<Self, store::Error> {
        let awards = awards::by_ids(txn, messages.iter().filter_map(|one| one.award_id)).await?;
        let certificates =
            certificates::by_ids(txn, messages.iter().filter_map(|one| one.certificate_id)).await?;
        let givers = awards.iter().filter_map(|award| award.awarded_by);
        let people = people::by_ids(txn, givers.chain(children.iter().copied())).await?;
        Ok(Self {
            published,
            awards: awards.into_iter().map(|row| (row.id, row)).collect(),
            certificates: certificates.into_iter().map(|row| (row.id, row)).collect(),
            names: people.into_iter().map(|row| (row.id, row.display_name)).collect(),
        })
    }

    /// What a message says to this reader; none if it was withdrawn since.
    fn news(&self, message: &outbox::Row, reader: Uuid) -> Option<News> {
        let child = match message.person_id == reader {
            true => None,
            false => Some(self.names.get(&message.person_id)?.clone()),
        };
        let detail = |name: &str| message.detail.as_ref().and_then(|detail| detail.get(name));
        let number = |name: &str| detail(name).and_then(serde_json::Value::as_i64);
        let what = match message.kind {
            Consequence::AwardEarned => self.award(message.award_id?)?,
            Consequence::AwardRevoked | Consequence::PersonErased => return None,
            Consequence::LevelReached => What::Level(number("to")?),
            Consequence::RankReached => What::Rank(detail("rank")?.as_str()?.to_owned()),
            Consequence::StreakReached => What::Streak(number("days")?),
            Consequence::CertificateIssued => {
                let row = self.certificates.get(&message.certificate_id?)?;
                row.deleted_at.is_none().then(|| What::Certificate {
                    title: row.title.clone(),
                    issuer: row.issued_by.clone(),
                    date: row.issued_date,
                    number: row.number.clone(),
                })?
            }
        };
        Some(News { child, what })
    }

    fn award(&self, id: Uuid) -> Option<What> {
        let award = self.awards.get(&id).filter(|award| award.revoked_at.is_none())?;
        let known = Arc::clone(self.published.achievements.get(&award.achievement_id)?);
        let giver = award.awarded_by.and_then(|by| self.names.get(&by).cloned());
        Some(What::Award {
            name: known.definition.name.clone(),
            description: known.definition.description.clone(),
            requirement: known.definition.requirement.clone(),
            xp: award.xp_bonus,
            category: known.definition.category.clone(),
            rarity: known.definition.rarity,
            note: giver.zip(award.notes.clone()),
        })
    }
}

/// The achievement in which the reader has made the most progress.
async fn comes_next(
    app: &App,
    txn: &Txn,
    published: &Published,
    reader: &people::Row,
    totals: &totals::Row,
) -> Result<Option<Next>, store::Error> {
    let held: Vec<awards::Brief> =
        awards::of_people(txn, [reader.id]).await?.iter().map(Into::into).collect();
    let metrics = metrics::of_people(txn, [reader.id]).await?;
    let state = progress::state(reader, totals, &held, &metrics)?;
    let today = progress::today(reader, app.clock.now())?;
    let open = progress::open(published, &Offer::of(app, &held), &held, &state, today, |_| true);
    let started = open.into_iter().filter(|(_, progress)| progress.current > 0);
    let nearest = started
        .max_by(|(a, one), (b, other)| one.percent.total_cmp(&other.percent).then_with(|| b.key.cmp(&a.key)));
    Ok(nearest.map(|(known, Progress { current, target, .. })| Next {
        name: known.definition.name.clone(),
        current,
        target,
        percent: current.saturating_mul(100) / target.max(1),
    }))
}
