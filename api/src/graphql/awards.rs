//! Awards and their pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, Object};
use chrono::Datelike;
use uuid::Uuid;

use super::achievements::{Achievement, AwardCause, Rarity};
use super::context::{app, loaders};
use super::fault::{Answer, Fault};
use super::loaders::{CountOf, SliceOf};
use super::page::{Cut, Moment, list};
use super::people::{User, check_pack, published};
use super::scalars::DateTime;
use crate::auth::policy::Seen;
use crate::catalogue::SCHOOL;
use crate::store::awards::{Row, Slice};

/// An achievement that a person earned, or a badge that a person was awarded.
#[derive(Clone)]
pub(crate) struct Award(pub(crate) Row);

/// An achievement that a person earned, or a badge that a person was awarded.
#[Object]
impl Award {
    /// The award's id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The achievement or badge.
    async fn achievement(&self, ctx: &Context<'_>) -> Answer<Achievement> {
        let app = app(ctx)?;
        let find =
            || app.catalogue.current().achievements.get(&self.0.achievement_id).cloned().map(Achievement);
        if let Some(known) = find() {
            return Ok(known);
        }
        // Another process may have created the achievement since this process read the catalogue.
        app.catalogue.refresh(&app.db).await?;
        find().ok_or_else(|| {
            let missing = format!("achievement {} is referred to and missing", self.0.achievement_id);
            crate::store::Error::Impossible(missing).into()
        })
    }

    /// The person who earned it.
    async fn user(&self, ctx: &Context<'_>) -> Answer<User> {
        User::of(ctx, self.0.person_id).await
    }

    /// When it was earned. For an achievement, this is the time of the event that met the rule. For a badge, it is
    /// `awardedAt`.
    async fn earned_at(&self) -> DateTime {
        DateTime(self.0.earned_at)
    }

    /// XP that the person gained with the award. It does not change if the achievement changes later.
    async fn xp_bonus(&self) -> i64 {
        self.0.xp_bonus
    }

    /// What caused the award: a rule, a person or an import.
    async fn cause(&self) -> AwardCause {
        self.0.cause.into()
    }

    /// The person who awarded it. Null if no person did.
    async fn awarded_by(&self, ctx: &Context<'_>) -> Option<Answer<User>> {
        match self.0.awarded_by {
            Some(by) => Some(User::of(ctx, by).await),
            None => None,
        }
    }

    /// The note of the person who awarded it. Null if there is none.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// True if the recorded events no longer meet the achievement's rule, for example because an event that was
    /// recorded late interrupts the required run. The award and its XP remain until a person revokes the award.
    async fn flagged(&self) -> bool {
        self.0.flagged
    }

    /// When the award was revoked. Null if it is not revoked.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }

    /// Why the award was revoked. Null if it is not revoked.
    async fn revocation_reason(&self) -> Option<&str> {
        self.0.revocation_reason.as_deref()
    }

    /// Occurrence number, starting at 1. Greater than 1 only for achievements that a person can earn several times.
    async fn occurrence(&self) -> i64 {
        self.0.occurrence
    }
}

/// Additional fields of a page of awards.
pub(crate) struct AwardCount {
    seen: Seen,
    slice: Arc<Slice>,
}

#[Object]
impl AwardCount {
    /// The number of awards on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(loaders(ctx)?.load_one(CountOf(self.seen, Arc::clone(&self.slice))).await?.unwrap_or(0))
    }
}

/// A page of awards.
pub(crate) type AwardPage = Connection<Moment<{ list::AWARDS }>, Award, AwardCount>;

/// The order of a page of awards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum AwardOrder {
    /// Newest first.
    #[default]
    EarnedAtDesc,
    /// Oldest first.
    EarnedAtAsc,
}

/// The awards that a page shows; all of the person if every field is `None`.
pub(crate) struct Filter {
    /// Only achievements of the category with this key.
    pub(crate) category: Option<String>,
    /// Only achievements of the pack with this key.
    pub(crate) pack: Option<String>,
    /// Only achievements of this rarity.
    pub(crate) rarity: Option<Rarity>,
    /// Only awards earned at this time or later.
    pub(crate) since: Option<DateTime>,
}

impl Filter {
    /// The ids of the achievements that match, sorted, so that equal slices of a request have equal keys in the
    /// loader. `None` if all match.
    fn achievements(&self, ctx: &Context<'_>) -> Answer<Option<Vec<Uuid>>> {
        let Self { category, pack, rarity, .. } = self;
        if category.is_none() && pack.is_none() && rarity.is_none() {
            return Ok(None);
        }
        let published = published(ctx)?;
        // People keep awards of packs that are no longer loaded.
        let packs: BTreeSet<&str> =
            published.achievements.values().map(|known| known.pack.as_str()).collect();
        let more: Vec<&str> = packs.into_iter().chain([SCHOOL]).collect();
        check_pack(&published, pack.as_deref(), &more)?;
        let matching = published.achievements.values().filter(|known| {
            category.as_ref().is_none_or(|category| known.definition.category == *category)
                && pack.as_ref().is_none_or(|pack| known.pack == *pack)
                && rarity.is_none_or(|rarity| known.definition.rarity == rarity.into())
        });
        let mut ids: Vec<_> = matching.map(|known| known.id).collect();
        ids.sort_unstable();
        Ok(Some(ids))
    }
}

/// A page of a person's awards that match the filter.
pub(crate) async fn page(
    ctx: &Context<'_>,
    seen: Seen,
    filter: Filter,
    order: Option<AwardOrder>,
    cut: Cut<Moment<{ list::AWARDS }>>,
) -> Answer<AwardPage> {
    let since = filter.since.map(|DateTime(at)| at);
    // SQLite compares times as text, and years after 9999 have more digits.
    if since.is_some_and(|since| since.year() > 9999) {
        return Err(Fault::argument("since", "`since` must be before the year 10000."));
    }
    let achievements = filter.achievements(ctx)?;
    let whole = Slice { achievements, since, from: None, oldest_first: false, limit: u64::MAX };
    let is_ascending = order.unwrap_or_default() == AwardOrder::EarnedAtAsc;
    let slice = Slice {
        from: cut.from.map(|Moment(at, id)| (at, id)),
        oldest_first: is_ascending != cut.backwards,
        limit: cut.rows + 1,
        ..whole.clone()
    };
    let rows = loaders(ctx)?.load_one(SliceOf(seen, Arc::new(slice))).await?.unwrap_or_default();
    let asked = usize::try_from(cut.rows).unwrap_or(usize::MAX);
    let more = rows.len() > asked;
    let (previous, next) =
        if cut.backwards { (more, cut.from.is_some()) } else { (cut.from.is_some(), more) };
    let mut page =
        Connection::with_additional_fields(previous, next, AwardCount { seen, slice: Arc::new(whole) });
    page.edges.extend(
        rows.iter().take(asked).map(|row| Edge::new(Moment(row.earned_at, row.id), Award(row.clone()))),
    );
    if cut.backwards {
        page.edges.reverse();
    }
    Ok(page)
}
