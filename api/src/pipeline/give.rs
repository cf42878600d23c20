//! The second door: what people give and take back. It ends in the same rows as an event's awards:
//! XP, what the XP cascades into, messages, places in the feed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use engine::{Catalog, MAX_XP, PersonState};
use uuid::Uuid;

use super::advance::{to_held, to_metric};
use super::ingest::zone;
use super::{award, outbox, replay};
use crate::auth::policy::{Action, Seen};
use crate::id;
use crate::refusal::Refusal;
use crate::store::{self, Txn, awards, ledger, metrics, people, totals};

/// A badge on its way to somebody.
#[derive(Debug, Clone)]
pub(crate) struct Gift {
    /// Who gets it.
    pub(crate) person: Seen,
    /// Which badge.
    pub(crate) achievement: Uuid,
    /// XP it brings.
    pub(crate) xp_bonus: i64,
    /// Who gives it.
    pub(crate) by: Option<Uuid>,
    /// What they write to it.
    pub(crate) notes: Option<String>,
    /// When it was earned.
    pub(crate) at: DateTime<Utc>,
}

/// What became of a gift.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// The award: this gift's, or the one that was there before it.
    pub(crate) award: awards::Row,
    /// It was there before.
    pub(crate) duplicate: bool,
}

/// Gives these badges, each answered in place, and what their XP leads to; answers the feed's head.
///
/// # Errors
/// When the database fails; the caller, who has joined the catalogue's lock, rolls back.
pub(crate) async fn give(
    txn: &Txn,
    catalog: &Catalog,
    gifts: &[Gift],
    now: DateTime<Utc>,
) -> Result<(Vec<Result<Given, Refusal>>, Option<i64>), store::Error> {
    if gifts.iter().any(|gift| gift.person.person_for(&[Action::AwardBadge]).is_none()) {
        return Err(store::Error::Impossible("a badge was to be given on a proof of another action".into()));
    }
    let mut everyone = load(txn, gifts.iter().map(|gift| gift.person.person()).collect(), now).await?;
    let mut answers = Vec::with_capacity(gifts.len());
    for gift in gifts {
        let recipient = everyone.get_mut(&gift.person.person());
        let recipient = recipient.ok_or_else(|| missing(gift.person.person()))?;
        answers.push(recipient.take(catalog, gift, now));
    }
    let head = write(txn, everyone.into_values().collect(), now).await?;
    Ok((answers, head))
}

/// Takes an award back: it stays, with its reason; its XP is reversed by an entry of its own. Answers the
/// award as it is then, and whether that is new: one that was taken back before stays as it was.
///
/// # Errors
/// When the database fails; the caller, who has joined the catalogue's lock, rolls back.
pub(crate) async fn take_back(
    txn: &Txn,
    catalog: &Catalog,
    award: &awards::Row,
    (by, reason): (Option<Uuid>, &str),
    now: DateTime<Utc>,
) -> Result<(awards::Row, bool), store::Error> {
    let mut everyone = load(txn, [award.person_id].into(), now).await?;
    let holder = everyone.get_mut(&award.person_id).ok_or_else(|| missing(award.person_id))?;
    let row = holder.held.iter_mut().find(|row| row.id == award.id).ok_or_else(|| missing(award.id))?;
    if row.revoked_at.is_some() {
        return Ok((row.clone(), false));
    }
    row.revoked_at = Some(now);
    row.revoked_by = by;
    row.revocation_reason = Some(reason.to_owned());
    row.flagged = false;
    let revoked = row.clone();
    awards::revoke(txn, &revoked).await?;
    holder.totals.awards -= 1;
    if revoked.xp_bonus > 0 {
        holder.totals.xp -= revoked.xp_bonus;
        holder.totals.xp_reached_at =
            ledger::reached_at_of(txn, award.person_id).await?.unwrap_or(holder.person.created_at);
        let day = holder.day(now);
        holder.entries.push(ledger::Row {
            id: id::new(now),
            amount: -revoked.xp_bonus,
            kind: ledger::REVERSAL.to_owned(),
            event_id: None,
            occurred_at: now,
            recorded_at: now,
            ..award::bonus(&revoked, day)
        });
    }
    holder.settle(catalog, now, now);
    write(txn, everyone.into_values().collect(), now).await?;
    Ok((revoked, true))
}

fn missing(id: Uuid) -> store::Error {
    store::Error::Impossible(format!("{id} was there a moment ago"))
}

/// Somebody whose awards change, as they are locked, and what changes.
struct Holder {
    person: people::Row,
    totals: totals::Row,
    held: Vec<awards::Row>,
    metrics: Vec<metrics::Row>,
    new: Vec<awards::Row>,
    entries: Vec<ledger::Row>,
    flags: BTreeMap<Uuid, bool>,
}

impl Holder {
    /// Takes a gift, and all that its XP leads to.
    fn take(&mut self, catalog: &Catalog, gift: &Gift, now: DateTime<Utc>) -> Result<Given, Refusal> {
        let same = self.held.iter().filter(|row| row.achievement_id == gift.achievement);
        let last = same.clone().map(|row| row.occurrence).max().unwrap_or(0);
        if let Some(award) = same.clone().find(|row| row.revoked_at.is_none()) {
            return Ok(Given { award: award.clone(), duplicate: true });
        }
        let before =
            (self.totals.clone(), self.held.len(), self.new.len(), self.entries.len(), self.flags.clone());
        let award = awards::Row {
            cause: "PERSON".to_owned(),
            earned_at: gift.at,
            awarded_by: gift.by,
            notes: gift.notes.clone(),
            ..award::blank(self.person.id, gift.achievement, last + 1, gift.xp_bonus, now)
        };
        self.hold(award.clone());
        self.settle(catalog, gift.at, now);
        if self.totals.xp > MAX_XP {
            let (totals, held, new, entries, flags) = before;
            self.totals = totals;
            self.held.truncate(held);
            self.new.truncate(new);
            self.entries.truncate(entries);
            self.flags = flags;
            let message =
                format!("This would take the person past {MAX_XP} XP: give a badge that brings less.");
            return Err(Refusal::invalid(["studentId"], message));
        }
        Ok(Given { award, duplicate: false })
    }

    fn hold(&mut self, award: awards::Row) {
        self.totals.awards += 1;
        if award.xp_bonus > 0 {
            let before = Some(self.totals.xp_reached_at).filter(|_| self.totals.xp > 0);
            self.totals.xp_reached_at = before.map_or(award.earned_at, |before| before.max(award.earned_at));
            self.totals.xp = self.totals.xp.saturating_add(award.xp_bonus);
            self.entries.push(award::bonus(&award, self.day(award.earned_at)));
        }
        self.held.push(award.clone());
        self.new.push(award);
    }

    /// Brings what rules give into line with what is held now; `at` is when it came to be.
    fn settle(&mut self, catalog: &Catalog, at: DateTime<Utc>, now: DateTime<Utc>) {
        for (achievement, occurrence) in engine::due(catalog, &self.state()) {
            let Some(achievement) = catalog.achievement(achievement) else { continue };
            let award = award::blank(self.person.id, achievement.id, occurrence, achievement.xp_bonus, now);
            self.hold(awards::Row { earned_at: at, ..award });
        }
        let misjudged = engine::misjudged(catalog, &self.state());
        for row in &mut self.held {
            if let Some(flagged) = misjudged.get(&(row.achievement_id, row.occurrence)) {
                row.flagged = *flagged;
                self.flags.insert(row.id, *flagged);
            }
        }
    }

    /// The day it is for them then.
    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        engine::local(at, zone(&self.person)).date
    }

    fn state(&self) -> PersonState {
        PersonState {
            awards: self
                .held
                .iter()
                .map(|row| ((row.achievement_id, row.occurrence), to_held(row)))
                .collect(),
            metrics: self.metrics.iter().map(|row| (row.metric_id, to_metric(row))).collect(),
            ..replay::whole(&self.person, &self.totals, &self.held)
        }
    }
}

/// Locks these people in the order of their ids and loads all they have, in as many statements for one as for many.
async fn load(
    txn: &Txn,
    ids: BTreeSet<Uuid>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<Uuid, Holder>, store::Error> {
    let locked = people::lock(txn, &ids).await?;
    let totals = totals::of_people(txn, ids.iter().copied()).await?;
    let mut totals: HashMap<Uuid, totals::Row> = totals.into_iter().map(|row| (row.person_id, row)).collect();
    let holder = |person: people::Row| {
        let zero = totals::none(person.id, now);
        let totals = totals.remove(&person.id).unwrap_or(zero);
        let (held, metrics, new, entries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        (person.id, Holder { person, totals, held, metrics, new, entries, flags: BTreeMap::new() })
    };
    let mut everyone: BTreeMap<Uuid, Holder> = locked.into_iter().map(holder).collect();
    for row in awards::of_people(txn, ids.iter().copied()).await? {
        if let Some(holder) = everyone.get_mut(&row.person_id) {
            holder.held.push(row);
        }
    }
    for row in metrics::of_people(txn, ids).await? {
        if let Some(holder) = everyone.get_mut(&row.person_id) {
            holder.metrics.push(row);
        }
    }
    Ok(everyone)
}

/// Writes what changed for these people; the feed last.
async fn write(txn: &Txn, everyone: Vec<Holder>, now: DateTime<Utc>) -> Result<Option<i64>, store::Error> {
    let (mut new, mut entries, mut totals, mut flags) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    for holder in everyone {
        new.extend(holder.new);
        entries.extend(holder.entries);
        flags.extend(holder.flags);
        totals.push(holder.totals);
    }
    if awards::insert(txn, new.clone()).await?.len() != new.len() {
        return Err(store::Error::Impossible("an award was given that is already held".into()));
    }
    for flagged in [true, false] {
        let ids = flags.iter().filter(|(_, to)| **to == flagged).map(|(id, _)| *id).collect();
        awards::flag(txn, &ids, flagged).await?;
    }
    ledger::insert(txn, entries).await?;
    totals::put(txn, totals).await?;
    outbox::write(txn, &new, None, now).await?;
    award::announce(txn, &new).await
}
