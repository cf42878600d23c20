//! Progress towards achievements, and its pages.

use std::collections::HashSet;

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, SimpleObject};
use uuid::Uuid;

use super::achievements::Achievement;
use super::fault::Answer;
use super::page::{self, ProgressCursor};
use super::people::{User, published};

/// A person's progress towards an achievement.
#[derive(SimpleObject)]
pub(crate) struct Progress {
    /// The achievement.
    pub(crate) achievement: Achievement,
    /// The current value, in the unit of `target`. For a run or a streak it is the current length, although the
    /// longest length earns the achievement.
    pub(crate) current: i64,
    /// The value that earns the achievement.
    pub(crate) target: i64,
    /// The progress in percent, 0 to 100, with at most two decimals.
    pub(crate) percent: f64,
}

/// Additional fields of a page of progress.
#[derive(SimpleObject)]
pub(crate) struct ProgressCount {
    /// The number of achievements on all pages.
    total_count: i64,
}

/// A page of a person's progress, highest percentage first.
pub(crate) type ProgressPage = Connection<ProgressCursor, Progress, ProgressCount>;

/// A page of a person's progress in the achievements that they can still earn, highest percentage first; equal ones in
/// the order of the catalogue. A cursor is a position in this order, so it stays valid if the person makes progress.
pub(crate) async fn page(
    ctx: &Context<'_>,
    user: &User,
    category: Option<&str>,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<Option<ProgressPage>> {
    let cut = page::cut::<ProgressCursor>(first, after, None, None)?;
    let of_category = |achievement: &engine::catalog::Achievement| {
        category.is_none_or(|category| achievement.category == category)
    };
    let Some(record) = user.record(ctx).await? else { return Ok(None) };
    let mut progress = record.progress(ctx, of_category)?;
    // The sort is stable: equal percentages keep the order of the catalogue.
    progress.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    let begin = match cut.from {
        Some(ProgressCursor(percent, id)) => {
            let published = published(ctx)?;
            let following = published.catalog.achievements().iter().skip_while(|one| one.id != id).skip(1);
            let following: HashSet<Uuid> = following.map(|one| one.id).collect();
            progress.partition_point(|row| {
                row.percent > percent || row.percent == percent && !following.contains(&row.achievement.0.id)
            })
        }
        None => 0,
    };
    let total_count = i64::try_from(progress.len()).unwrap_or(i64::MAX);
    let asked = usize::try_from(cut.rows).unwrap_or(usize::MAX);
    let more = progress.len().saturating_sub(begin) > asked;
    let mut page =
        Connection::with_additional_fields(cut.from.is_some(), more, ProgressCount { total_count });
    let edge = |row: Progress| Edge::new(ProgressCursor(row.percent, row.achievement.0.id), row);
    page.edges.extend(progress.into_iter().skip(begin).take(asked).map(edge));
    Ok(Some(page))
}
