//! The decision: all consequences of a cause, of any kind. They are not written yet.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{
    event::Event,
    state::{Cause, Held, MetricState},
    streak::{LocalDay, Streak},
};

/// All consequences of events, grants, a revocation or a publication.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The gain of each event of the input, at the same index. Empty for other causes.
    pub gains: Vec<Gain>,
    /// XP entries; no amount is zero.
    pub entries: Vec<Entry>,
    /// New awards, in the order in which they were decided.
    pub awards: Vec<NewAward>,
    /// Revoked awards.
    pub revoked: Vec<Revoked>,
    /// Existing awards whose flag changes.
    pub flags: Vec<Flag>,
    /// Existing awards whose time changes because of a late event or a grant in the past.
    pub redated: Vec<Redated>,
    /// Derived events for referrers. They are already folded and must be stored.
    pub derived: Vec<Event>,
    /// (person, metric, state): changed metrics.
    pub metrics: Vec<(Uuid, Uuid, MetricState)>,
    /// (person, metric, member): new members of `distinct` metrics.
    pub members: Vec<(Uuid, Uuid, String)>,
    /// (person, local day): days that were not active before.
    pub active_days: Vec<(Uuid, LocalDay)>,
    /// (person, activity, local date, XP before the cap): totals of capped activities.
    pub day_totals: Vec<(Uuid, String, NaiveDate, i64)>,
    /// The people whose totals changed.
    pub people: Vec<PersonTotals>,
    /// The consequences to publish in the feed, in the order in which they happened.
    pub consequences: Vec<Consequence>,
    /// Due awards of a publication that were not added, because they would raise XP above the maximum.
    pub left_out: Vec<AwardKey>,
}

/// The XP that one event awards to its person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gain {
    /// The event's own XP, after the daily cap.
    pub base: i64,
    /// The base XP and the bonuses of the awards that this person earned with the event.
    pub total: i64,
}

/// An award's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwardKey {
    /// The holder.
    pub person: Uuid,
    /// The achievement's id.
    pub achievement: Uuid,
    /// Occurrence number, starting at 1.
    pub occurrence: i64,
}

/// An XP entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The person whose XP changes.
    pub person: Uuid,
    /// XP; negative for a reversal.
    pub amount: i64,
    /// The entry's cause.
    pub cause: EntryCause,
    /// The time of the cause.
    pub at: DateTime<Utc>,
    /// The person's local date at that time.
    pub day: NaiveDate,
}

/// The cause of an XP entry.
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
    /// The reversal of a revoked award's bonus.
    Reversal {
        /// The index into [`Step::revoked`].
        revoked: usize,
    },
}

/// A new award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAward {
    /// The award's identity.
    pub key: AwardKey,
    /// The award's cause: its rule, or a person's grant.
    pub cause: Cause,
    /// The time of the event that crossed the threshold, or the time that the granting person entered.
    pub earned_at: DateTime<Utc>,
    /// The person's local date at that time.
    pub day: NaiveDate,
    /// The id of the event, possibly a derived one, that crossed the threshold on arrival; none if no input event did.
    pub event: Option<Uuid>,
    /// XP of the award.
    pub xp_bonus: i64,
    /// Whether the award is outside the entitlement, because a later input event made its rule unmet.
    pub flagged: bool,
    /// The granting person.
    pub granted_by: Option<Uuid>,
    /// The granting person's note.
    pub notes: Option<String>,
    /// Whether the person held no award of this achievement before.
    pub is_first: bool,
}

impl NewAward {
    /// The award as part of a person's state.
    pub(crate) fn held(&self) -> Held {
        Held {
            cause: self.cause,
            earned_at: self.earned_at,
            xp_bonus: self.xp_bonus,
            revoked: false,
            flagged: self.flagged,
        }
    }
}

/// A revoked award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The award.
    pub key: AwardKey,
    /// When it was revoked.
    pub at: DateTime<Utc>,
    /// The revoking person.
    pub by: Option<Uuid>,
    /// The reason.
    pub reason: String,
    /// Whether the person holds no other award of the achievement. The engine sets it.
    pub is_last: bool,
}

/// An existing award whose flag changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The award.
    pub key: AwardKey,
    /// Whether it is flagged from now on.
    pub flagged: bool,
}

/// An existing award whose time changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redated {
    /// The award.
    pub key: AwardKey,
    /// When it was earned, after the change.
    pub earned_at: DateTime<Utc>,
    /// The person's local date at that time.
    pub day: NaiveDate,
}

/// A person's totals after the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonTotals {
    /// The person.
    pub person: Uuid,
    /// The sum of the XP entries.
    pub xp: i64,
    /// The time of the latest entry that counts; none if the person never had XP.
    pub xp_reached_at: Option<DateTime<Utc>>,
    /// The time of the latest event; none without events.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The number of awards that are not revoked.
    pub awards: i64,
    /// The streak.
    pub streak: Streak,
}

/// A consequence to publish in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequence {
    /// The person concerned.
    pub person: Uuid,
    /// The id of the cause: an event, a grant, a revocation or a publication. All consequences of a cause share it.
    pub group: Uuid,
    /// What happened.
    pub kind: ConsequenceKind,
}

/// The kinds of consequences.
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
        /// The previous level.
        from: i64,
        /// The new level.
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
    /// The step of an issued certificate. It has no other consequence.
    pub fn of_certificate(person: Uuid, certificate: Uuid) -> Self {
        let kind = ConsequenceKind::CertificateIssued { certificate };
        let consequences = vec![Consequence { person, group: certificate, kind }];
        Self { consequences, ..Self::default() }
    }

    /// Appends the step of another cause for other people.
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
