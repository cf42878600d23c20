//! Self-reports: events that people report about themselves. Their permitted period, and their audit log entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::Batch;
use super::ingest::Fresh;
use super::validate::Parsed;
use crate::audit::{Report, RequestContext};
use crate::refusal::{Reason, Refusal};
use crate::store::people;

/// The permitted period of self-reported events. Its end is the same as for all other events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    earliest: DateTime<Utc>,
    hours: u64,
}

impl Period {
    /// The last `hours` before `now`.
    pub(super) fn before(now: DateTime<Utc>, hours: u64) -> Self {
        let length = i64::try_from(hours).ok().and_then(TimeDelta::try_hours).unwrap_or(TimeDelta::MAX);
        Self { earliest: now.checked_sub_signed(length).unwrap_or(DateTime::UNIX_EPOCH), hours }
    }

    /// The refusal if this person cannot report this event; none for events that others report.
    pub(super) fn refuses(&self, row: &Parsed, person: &people::Row) -> Option<Refusal> {
        let at = row.sent.occurred_at.filter(|_| row.is_own_report)?;
        let message = if at < self.earliest {
            format!(
                "You can report your own events up to {} hours after they happened (limits.self_report_hours): \
                 send a later time, or ask an admin to record the event.",
                self.hours
            )
        } else if at < person.created_at.trunc_subsecs(3) {
            "The time lies before your account was created: send a later time, or ask an admin to record the \
             event."
                .to_owned()
        } else {
            return None;
        };
        Some(Refusal::invalid(["occurredAt"], message).because(Reason::EventTooOld))
    }
}

/// The new self-reports, one entry per request and activity.
pub(super) fn reports<'a>(batch: &'a Batch<'_>, fresh: &'a Fresh) -> Vec<(&'a RequestContext, Report)> {
    let mut counts: BTreeMap<(usize, &Arc<str>), i64> = BTreeMap::new();
    let mut requests: BTreeMap<usize, &RequestContext> = BTreeMap::new();
    for (row, event) in fresh.rows.iter().zip(&fresh.events) {
        let Some(row) = batch.rows.get(*row).filter(|_| event.reported_on.is_some()) else { continue };
        *counts.entry((row.at, &event.activity)).or_insert(0) += 1;
        requests.extend(row.submission.request.as_ref().map(|request| (row.at, request)));
    }
    let reports = counts.into_iter().filter_map(|((at, activity), events)| {
        let request = *requests.get(&at)?;
        Some((request, Report { activity: activity.to_string(), events }))
    });
    reports.collect()
}
