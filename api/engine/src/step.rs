//! The decision: everything that follows from a cause, whatever the cause is. Nothing of it is written yet.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{
    event::Event,
    state::{Cause, MetricState},
    streak::Streak,
};

/// Everything that follows from events, grants, a revocation or a publication.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What each event of the input brought, at the same index. Empty for other causes.
    pub gains: Vec<Gain>,
    /// XP entries; no amount is zero.
    pub entries: Vec<Entry>,
    /// New awards, in the order in which they were earned.
    pub awards: Vec<NewAward>,
    /// Awards that are revoked.
    pub revoked: Vec<Revoked>,
    /// Existing awards whose flag changes.
    pub flags: Vec<Flag>,
    /// Existing awards that were earned at another moment, because of a late event.
    pub redated: Vec<Redated>,
    /// Events that follow for referrers. They are folded already and must be stored.
    pub derived: Vec<Event>,
    /// (person, metric, state): metrics that changed.
    pub metrics: Vec<(Uuid, Uuid, MetricState)>,
    /// (person, metric, member): new members of `distinct` metrics.
    pub members: Vec<(Uuid, Uuid, String)>,
    /// (person, local date): days that were not active before.
    pub active_days: Vec<(Uuid, NaiveDate)>,
    /// (person, activity, local date, XP before the cap): totals of capped activities.
    pub day_totals: Vec<(Uuid, String, NaiveDate, i64)>,
    /// Everyone whose totals changed.
    pub people: Vec<PersonTotals>,
    /// What is worth telling, in the order in which it happened.
    pub consequences: Vec<Consequence>,
    /// Awards of a publication that would raise XP above the maximum. They are not awarded.
    pub left_out: Vec<AwardKey>,
}

/// What one event brought the person it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gain {
    /// The event's own XP, after any cap.
    pub base: i64,
    /// The base XP and the bonuses of the awards that the event brought this person.
    pub total: i64,
}

/// An award's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwardKey {
    /// Who holds it.
    pub person: Uuid,
    /// The achievement's id.
    pub achievement: Uuid,
    /// Occurrence number, starting at 1.
    pub occurrence: i64,
}

/// An XP entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose XP changes.
    pub person: Uuid,
    /// XP; negative for a reversal.
    pub amount: i64,
    /// What it is for.
    pub cause: EntryCause,
    /// When its cause happened.
    pub at: DateTime<Utc>,
    /// The person's local date then.
    pub day: NaiveDate,
}

/// What an XP entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryCause {
    /// An event.
    Base {
        /// The event's id.
        event: Uuid,
    },
    /// A new award's bonus.
    Bonus {
        /// The index into [`Step::awards`].
        award: usize,
    },
    /// A revoked award's bonus, taken back.
    Reversal {
        /// The index into [`Step::revoked`].
        revoked: usize,
    },
}

/// A new award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAward {
    /// Who earned what, and for which time.
    pub key: AwardKey,
    /// What awards it: its rule, or a person.
    pub cause: Cause,
    /// When the event that crossed the threshold happened, or the date that the granting person gave.
    pub earned_at: DateTime<Utc>,
    /// The person's local date then.
    pub day: NaiveDate,
    /// The id of the event that crossed when it arrived, which may be a derived one; none if no event of the input did.
    pub event: Option<Uuid>,
    /// XP of the award.
    pub xp_bonus: i64,
    /// Whether it is outside the entitlement: a later event of the input broke what it stands on.
    pub flagged: bool,
    /// Who granted it.
    pub granted_by: Option<Uuid>,
    /// The granting person's note.
    pub notes: Option<String>,
    /// Whether the person held no award of this achievement before.
    pub is_first: bool,
}

/// An award that is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Which award.
    pub key: AwardKey,
    /// When.
    pub at: DateTime<Utc>,
    /// Who revoked it.
    pub by: Option<Uuid>,
    /// Why.
    pub reason: String,
    /// Whether the person holds no other award of the achievement. The engine sets it.
    pub is_last: bool,
}

/// An existing award whose flag changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Which award.
    pub key: AwardKey,
    /// Whether it is flagged from now on.
    pub flagged: bool,
}

/// An existing award that was earned at another moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redated {
    /// Which award.
    pub key: AwardKey,
    /// When it was earned.
    pub earned_at: DateTime<Utc>,
    /// The person's local date then.
    pub day: NaiveDate,
}

/// A person's totals after the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonTotals {
    /// Whose.
    pub person: Uuid,
    /// The sum of the XP entries.
    pub xp: i64,
    /// The latest moment of an entry that counts; none if the person never had XP.
    pub xp_reached_at: Option<DateTime<Utc>>,
    /// The latest moment of any event; none if there is none.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The number of awards that are not revoked.
    pub awards: i64,
    /// The streak.
    pub streak: Streak,
    /// Whether any award is flagged.
    pub has_flagged: bool,
}

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequence {
    /// Who it is about.
    pub person: Uuid,
    /// The id of the cause: an event, a grant, a revocation or a publication. Consequences of one cause share it.
    pub group: Uuid,
    /// What happened.
    pub kind: ConsequenceKind,
}

/// What can be worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsequenceKind {
    /// An award was earned.
    AwardEarned {
        /// The index into [`Step::awards`].
        award: usize,
    },
    /// An award was revoked.
    AwardRevoked {
        /// The index into [`Step::revoked`].
        revoked: usize,
    },
    /// XP reached a higher level.
    LevelReached {
        /// The level before.
        from: i64,
        /// The level now.
        to: i64,
    },
    /// The number of a pack's achievements reached a rank.
    RankReached {
        /// The pack's key.
        pack: String,
        /// The rank's name.
        rank: String,
    },
    /// The current streak reached a milestone.
    StreakReached {
        /// Days in a row.
        days: i64,
    },
    /// A certificate was issued.
    CertificateIssued {
        /// The certificate's id.
        certificate: Uuid,
    },
}

impl Step {
    /// A certificate's issue: nothing else follows from it.
    pub fn of_certificate(person: Uuid, certificate: Uuid) -> Self {
        let kind = ConsequenceKind::CertificateIssued { certificate };
        let consequences = vec![Consequence { person, group: certificate, kind }];
        Self { consequences, ..Self::default() }
    }

    /// Appends what follows from another cause for other people.
    pub fn append(&mut self, mut other: Self) {
        let (awards, revocations) = (self.awards.len(), self.revoked.len());
        for entry in &mut other.entries {
            match &mut entry.cause {
                EntryCause::Base { .. } => {}
                EntryCause::Bonus { award } => *award = award.saturating_add(awards),
                EntryCause::Reversal { revoked } => *revoked = revoked.saturating_add(revocations),
            }
        }
        for consequence in &mut other.consequences {
            match &mut consequence.kind {
                ConsequenceKind::AwardEarned { award } => *award = award.saturating_add(awards),
                ConsequenceKind::AwardRevoked { revoked } => *revoked = revoked.saturating_add(revocations),
                _ => {}
            }
        }
        self.gains.append(&mut other.gains);
        self.entries.append(&mut other.entries);
        self.awards.append(&mut other.awards);
        self.revoked.append(&mut other.revoked);
        self.flags.append(&mut other.flags);
        self.redated.append(&mut other.redated);
        self.derived.append(&mut other.derived);
        self.metrics.append(&mut other.metrics);
        self.members.append(&mut other.members);
        self.active_days.append(&mut other.active_days);
        self.day_totals.append(&mut other.day_totals);
        self.people.append(&mut other.people);
        self.consequences.append(&mut other.consequences);
        self.left_out.append(&mut other.left_out);
    }
}
