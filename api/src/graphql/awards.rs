//! What has been earned: awards and their pages.

use std::sync::Arc;

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, Object};

use super::achievements::{Achievement, AwardCause};
use super::context::{app, loaders};
use super::fault::Answer;
use super::loaders::{CountOf, SliceOf};
use super::page::{Cut, Moment, list};
use super::people::User;
use super::scalars::DateTime;
use crate::auth::policy::Seen;
use crate::store::awards::{Row, Slice};

/// The fact that somebody earned something.
#[derive(Clone)]
pub(crate) struct Award(pub(crate) Row);

/// The fact that somebody earned something.
#[Object]
impl Award {
    /// Its own id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What was earned.
    async fn achievement(&self, ctx: &Context<'_>) -> Answer<Achievement> {
        let app = app(ctx)?;
        let find =
            || app.catalogue.current().achievements.get(&self.0.achievement_id).cloned().map(Achievement);
        if let Some(known) = find() {
            return Ok(known);
        }
        // Another process has made it a moment ago.
        app.catalogue.refresh(&app.db).await?;
        find().ok_or_else(|| {
            let missing = format!("achievement {} is referred to and missing", self.0.achievement_id);
            crate::store::Error::Impossible(missing).into()
        })
    }

    /// Who earned it.
    async fn user(&self, ctx: &Context<'_>) -> Answer<User> {
        User::of(ctx, self.0.person_id).await
    }

    /// When it happened: the time of the event that crossed the threshold.
    async fn earned_at(&self) -> DateTime {
        DateTime(self.0.earned_at)
    }

    /// XP it brought; fixed when it was earned.
    async fn xp_bonus(&self) -> i64 {
        self.0.xp_bonus
    }

    /// Who or what gave it.
    async fn cause(&self) -> AwardCause {
        self.0.cause.into()
    }

    /// Who gave it, where a person did.
    async fn awarded_by(&self, ctx: &Context<'_>) -> Option<Answer<User>> {
        match self.0.awarded_by {
            Some(by) => Some(User::of(ctx, by).await),
            None => None,
        }
    }

    /// What that person wrote to it.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// The rules no longer give it, for example because a late event broke the run that it was for. It stays until somebody
    /// revokes it.
    async fn flagged(&self) -> bool {
        self.0.flagged
    }

    /// When it was taken back; null while it holds.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }

    /// Why it was taken back.
    async fn revocation_reason(&self) -> Option<&str> {
        self.0.revocation_reason.as_deref()
    }

    /// 1 for the first time; higher only for achievements that can be earned again.
    async fn occurrence(&self) -> i64 {
        self.0.occurrence
    }
}

/// What a page of awards says beside its rows.
pub(crate) struct AwardCount {
    seen: Seen,
    slice: Arc<Slice>,
}

#[Object]
impl AwardCount {
    /// How many awards there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        Ok(loaders(ctx)?.load_one(CountOf(self.seen, Arc::clone(&self.slice))).await?.unwrap_or(0))
    }
}

/// A page of awards, newest first.
pub(crate) type AwardPage = Connection<Moment<{ list::AWARDS }>, Award, AwardCount>;

/// Cuts a page out of somebody's awards, newest first; `category` narrows it.
pub(crate) async fn page(
    ctx: &Context<'_>,
    seen: Seen,
    category: Option<&str>,
    cut: Cut<Moment<{ list::AWARDS }>>,
) -> Answer<AwardPage> {
    let achievements = category.map(|category| of_category(ctx, category)).transpose()?;
    let whole = Slice { achievements, from: None, backwards: false, limit: u64::MAX };
    let slice = Slice {
        from: cut.from.map(|Moment(at, id)| (at, id)),
        backwards: cut.backwards,
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

fn of_category(ctx: &Context<'_>, category: &str) -> Answer<Vec<uuid::Uuid>> {
    let published = app(ctx)?.catalogue.current();
    let of = published.achievements.values().filter(|known| known.definition.category == category);
    let mut ids: Vec<_> = of.map(|known| known.id).collect();
    // In one order, so that equal slices of one request are one.
    ids.sort_unstable();
    Ok(ids)
}
