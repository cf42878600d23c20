//! Lists of people ordered by name: people whose record the caller may see, students of a course, and children.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, Object};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::context::{actor, app, loaders};
use super::fault::{Answer, Fault};
use super::loaders::{ChildrenOf, SightOf, StudentCountOf, StudentsOf};
use super::page::{self, Name};
use super::people::{Role, User};
use super::scalars::uuid;
use crate::auth;
use crate::auth::policy;
use crate::store::people::{self, Place, Row, Wanted};
use crate::text;

/// The maximum length of a search text, in characters.
const SEARCH: usize = 100;

/// Additional fields of a page of people.
pub(crate) enum UserCount {
    /// People whose record the caller may see, after filtering. Counted once, also if the field is selected by
    /// several aliases.
    InSight(Wanted, OnceCell<i64>),
    /// Students of this course whose record the caller may see.
    Students(Uuid),
}

#[Object]
impl UserCount {
    /// The number of people on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        match self {
            Self::InSight(wanted, counted) => {
                let count = async || {
                    let count = people::count(&app(ctx)?.db, &policy::sight(actor(ctx)?), wanted).await?;
                    Ok::<_, Fault>(i64::try_from(count).unwrap_or(i64::MAX))
                };
                counted.get_or_try_init(count).await.copied()
            }
            Self::Students(course) => Ok(loaders(ctx)?.load_one(StudentCountOf(*course)).await?.unwrap_or(0)),
        }
    }
}

/// A page of people, ordered by name.
pub(crate) type UserPage = Connection<Name, User, UserCount>;

/// A page of the people whose record the caller may see.
pub(crate) async fn in_sight(
    ctx: &Context<'_>,
    role: Option<Role>,
    course: Option<&ID>,
    search: Option<&str>,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<UserPage> {
    let sight = policy::sight(actor(ctx)?);
    let rows = page::first(first)?;
    let from = place(after)?;
    // A form can send an empty search text. It means no filter.
    let search = search.filter(|search| !search.trim().is_empty());
    let search = search.map(|search| text::line("search", search, SEARCH)).transpose()?;
    let wanted = Wanted {
        role: role.map(|role| auth::Role::from(role).into()),
        course: course.map(|course| uuid("courseId", course)).transpose()?,
        search: search.map(|search| text::search_key(&search)),
    };
    let found = people::page_of(&app(ctx)?.db, &sight, &wanted, from.as_ref(), rows + 1).await?;
    Ok(cut(found, rows, from.is_some(), UserCount::InSight(wanted, OnceCell::new())))
}

/// A page of the students of a course whose record the caller may see.
pub(crate) async fn students(
    ctx: &Context<'_>,
    course: Uuid,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<UserPage> {
    let rows = page::first(first)?;
    let from = place(after)?;
    let goes_on = from.is_some();
    let students = StudentsOf { course, from, limit: rows + 1 };
    let found = loaders(ctx)?.load_one(students).await?.unwrap_or_default();
    Ok(cut(found.to_vec(), rows, goes_on, UserCount::Students(course)))
}

/// The linked children of a person whose record the caller may see, ordered by name. `None` if the caller may not see
/// the person's record.
pub(crate) async fn children(
    ctx: &Context<'_>,
    guardian: &User,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<Option<Vec<User>>> {
    let rows = usize::try_from(page::first(first)?).unwrap_or(usize::MAX);
    let after = after.map(|id| uuid("after", &ID::from(id))).transpose()?;
    let Some(seen) = guardian.seen(ctx).await? else { return Ok(None) };
    let linked = loaders(ctx)?.load_one(ChildrenOf(seen)).await?.unwrap_or_default();
    let sight = loaders(ctx)?.load_many(linked.iter().map(|child| SightOf(*child))).await?;
    let children = sight.keys().map(|SightOf(child)| User::of(ctx, *child));
    let mut children = futures_util::future::try_join_all(children).await?;
    children.sort_by_cached_key(User::place);
    let begin = match after {
        Some(after) => {
            let unknown = || {
                Fault::argument(
                    "after",
                    "`after` is not a child of this list: send the id of the last child.",
                )
            };
            let last = children.iter().position(|child| child.place().1 == after).ok_or_else(unknown)?;
            last + 1
        }
        None => 0,
    };
    Ok(Some(children.into_iter().skip(begin).take(rows).collect()))
}

fn place(after: Option<&str>) -> Answer<Option<Place>> {
    let name: Option<Name> = after.map(|text| page::place("after", text)).transpose()?;
    Ok(name.map(|Name(search_name, id)| Place { search_name, id }))
}

fn cut(found: Vec<Row>, rows: u64, goes_on: bool, count: UserCount) -> UserPage {
    let asked = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut page = Connection::with_additional_fields(goes_on, found.len() > asked, count);
    page.edges.extend(found.into_iter().take(asked).map(|row| {
        let cursor = Name(row.search_name.clone(), row.id);
        Edge::new(cursor, User::new(row))
    }));
    page
}
