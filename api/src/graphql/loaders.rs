//! Data loaders, one for each relation: equal reads of many fields of a request become one statement.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use uuid::Uuid;

use super::batching::{AtOnce, Batching};
use super::fault::Fault;
use crate::app::App;
use crate::auth::Actor;
use crate::auth::policy::{self, Action, Reach, Seen};
use crate::registry::certificates::shows_deleted;
use crate::store::{
    audit_log, awards, certificates, courses, enrollments, guardians, metrics, people, scope, totals,
};

/// The state that the loaders of a request share.
pub(crate) struct Loaders {
    app: App,
    /// The people whose record the caller may see; `None` without a caller.
    sight: Option<Reach>,
    /// The people through whom the caller may read comments; `None` if the caller may read none.
    comments: Option<Reach>,
    /// Whether the caller may see deleted certificates.
    deleted: bool,
    /// The caller's own row, read for this request.
    me: Option<people::Row>,
}

/// The loaders of one request.
pub(crate) type RequestLoaders = DataLoader<Loaders, HashMapCache>;

/// A person's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PersonOf(pub(crate) Uuid);
/// Proof that the caller may see a person's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SightOf(pub(crate) Uuid);
/// A person's totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TotalsOf(pub(crate) Seen);
/// All awards of a person, with the revoked ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HeldBy(pub(crate) Seen);
/// All metrics of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MetricsOf(pub(crate) Seen);
/// A slice of a person's awards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SliceOf(pub(crate) Seen, pub(crate) Arc<awards::Slice>);
/// The number of awards from which a slice is cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CountOf(pub(crate) Seen, pub(crate) Arc<awards::Slice>);
/// A person's newest certificates, up to this limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CertificatesOf(pub(crate) Seen, pub(crate) u64);
/// The newest badges that people awarded to a person, up to this limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BadgesOf(pub(crate) Seen, pub(crate) u64);
/// The number of people who have earned an achievement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HoldersOf(pub(crate) Uuid);

/// The children linked to a person now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChildrenOf(pub(crate) Seen);
/// A page of the lessons of a course, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LessonsOf {
    /// The course.
    pub(crate) course: Uuid,
    /// The lessons after this position.
    pub(crate) after: i32,
    /// The maximum number of rows.
    pub(crate) limit: u64,
}
/// Present if a person has completed a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CompletedBy(pub(crate) Uuid, pub(crate) Seen);
/// A page of the students of a course whose record the caller may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StudentsOf {
    /// The course.
    pub(crate) course: Uuid,
    /// The students after this position.
    pub(crate) from: Option<people::Place>,
    /// The maximum number of rows.
    pub(crate) limit: u64,
}
/// The number of students of a course whose record the caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StudentCountOf(pub(crate) Uuid);

/// A comment that the caller may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CommentOf(pub(crate) Uuid);
/// An entry of the audit log, for callers who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EntryOf(pub(crate) Uuid);

impl Loaders {
    /// The loaders of a query. They run their loads through `batching`, and read what `actor` may see. They keep
    /// each value that they have loaded, and do not load `me`, the caller's row.
    pub(crate) fn of_query(
        app: &App,
        actor: Option<&Actor>,
        me: Option<people::Row>,
        batching: Batching,
    ) -> RequestLoaders {
        Self::of(app, actor, me, batching)
    }

    /// The loaders of a mutation or a subscription. They load a value again for each field, because it may have changed.
    pub(crate) fn of_changing_data(app: &App, actor: Option<&Actor>, batching: Batching) -> RequestLoaders {
        let loaders = Self::of(app, actor, None, batching);
        loaders.enable_all_cache(false);
        loaders
    }

    fn of(app: &App, actor: Option<&Actor>, me: Option<people::Row>, batching: Batching) -> RequestLoaders {
        let deleted = actor.is_some_and(shows_deleted);
        let comments = actor.and_then(|actor| policy::reach(actor, Action::ReadComments).ok());
        let loaders = Self { app: app.clone(), sight: actor.map(policy::sight), comments, deleted, me };
        DataLoader::with_cache(loaders, batching, AtOnce, HashMapCache::default())
    }
}

impl Loader<PersonOf> for Loaders {
    type Value = people::Row;
    type Error = Fault;

    async fn load(&self, keys: &[PersonOf]) -> Result<HashMap<PersonOf, people::Row>, Fault> {
        let is_me = |id: Uuid| self.me.as_ref().is_some_and(|me| me.id == id);
        let others: Vec<Uuid> = keys.iter().map(|key| key.0).filter(|id| !is_me(*id)).collect();
        let mut rows = if others.is_empty() {
            Vec::new()
        } else {
            people::by_ids(&self.app.db, others.iter().copied()).await?
        };
        if others.len() < keys.len() {
            rows.extend(self.me.clone());
        }
        Ok(rows.into_iter().map(|row| (PersonOf(row.id), row)).collect())
    }
}

impl Loader<SightOf> for Loaders {
    type Value = Seen;
    type Error = Fault;

    async fn load(&self, keys: &[SightOf]) -> Result<HashMap<SightOf, Seen>, Fault> {
        let Some(sight) = &self.sight else { return Ok(HashMap::new()) };
        let me = self.me.as_ref().and_then(|me| scope::see_row(sight, me));
        let is_me = |key: &&SightOf| me.is_some_and(|me| me.person() == key.0);
        let (mine, others): (Vec<&SightOf>, Vec<&SightOf>) = keys.iter().partition(is_me);
        let mut seen = match others.is_empty() {
            true => HashMap::new(),
            false => scope::seen(&self.app.db, sight, others.iter().map(|key| key.0)).await?,
        };
        seen.extend(mine.iter().filter_map(|key| Some((key.0, me?))));
        Ok(seen.into_iter().map(|(id, seen)| (SightOf(id), seen)).collect())
    }
}

impl Loader<TotalsOf> for Loaders {
    type Value = totals::Row;
    type Error = Fault;

    async fn load(&self, keys: &[TotalsOf]) -> Result<HashMap<TotalsOf, totals::Row>, Fault> {
        let rows = totals::of_seen(&self.app.db, &keys.iter().map(|key| key.0).collect::<Vec<_>>()).await?;
        let mut rows: HashMap<Uuid, _> = rows.into_iter().map(|row| (row.person_id, row)).collect();
        Ok(keys.iter().filter_map(|key| Some((*key, rows.remove(&key.0.person())?))).collect())
    }
}

impl Loader<HeldBy> for Loaders {
    type Value = Arc<[awards::Brief]>;
    type Error = Fault;

    async fn load(&self, keys: &[HeldBy]) -> Result<HashMap<HeldBy, Self::Value>, Fault> {
        let people: Vec<Seen> = keys.iter().map(|key| key.0).collect();
        let rows = awards::held_by(&self.app.db, &people).await?;
        let mut held = grouped(rows.into_iter().map(|row| (row.person_id, row)));
        Ok(keys.iter().map(|key| (*key, held.remove(&key.0.person()).unwrap_or_default().into())).collect())
    }
}

impl Loader<MetricsOf> for Loaders {
    type Value = Arc<[metrics::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[MetricsOf]) -> Result<HashMap<MetricsOf, Self::Value>, Fault> {
        let rows = metrics::of_seen(&self.app.db, &keys.iter().map(|key| key.0).collect::<Vec<_>>()).await?;
        let mut of = grouped(rows.into_iter().map(|row| (row.person_id, row)));
        Ok(keys.iter().map(|key| (*key, of.remove(&key.0.person()).unwrap_or_default().into())).collect())
    }
}

impl Loader<SliceOf> for Loaders {
    type Value = Arc<[awards::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[SliceOf]) -> Result<HashMap<SliceOf, Self::Value>, Fault> {
        let mut loaded = HashMap::new();
        for (slice, people) in grouped(keys.iter().map(|key| (Arc::clone(&key.1), key.0))) {
            let rows = awards::pages_of(&self.app.db, &people, &slice).await?;
            let mut of = grouped(rows.into_iter().map(|row| (row.person_id, row)));
            loaded.extend(people.into_iter().map(|person| {
                let rows = of.remove(&person.person()).unwrap_or_default();
                (SliceOf(person, Arc::clone(&slice)), rows.into())
            }));
        }
        Ok(loaded)
    }
}

impl Loader<CountOf> for Loaders {
    type Value = i64;
    type Error = Fault;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, i64>, Fault> {
        let mut loaded = HashMap::new();
        for (slice, people) in grouped(keys.iter().map(|key| (Arc::clone(&key.1), key.0))) {
            let counts = awards::counts_of(&self.app.db, &people, &slice).await?;
            loaded.extend(people.into_iter().map(|person| {
                (CountOf(person, Arc::clone(&slice)), counts.get(&person.person()).copied().unwrap_or(0))
            }));
        }
        Ok(loaded)
    }
}

impl Loader<CertificatesOf> for Loaders {
    type Value = Arc<[certificates::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[CertificatesOf]) -> Result<HashMap<CertificatesOf, Self::Value>, Fault> {
        let mut loaded = HashMap::new();
        for (limit, people) in grouped(keys.iter().map(|key| (key.1, key.0))) {
            let rows = certificates::of_seen(&self.app.db, &people, self.deleted, limit).await?;
            let mut of = grouped(rows.into_iter().map(|row| (row.student_id, row)));
            loaded.extend(people.into_iter().map(|person| {
                let rows = of.remove(&person.person()).unwrap_or_default();
                (CertificatesOf(person, limit), rows.into())
            }));
        }
        Ok(loaded)
    }
}

impl Loader<BadgesOf> for Loaders {
    type Value = Arc<[awards::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[BadgesOf]) -> Result<HashMap<BadgesOf, Self::Value>, Fault> {
        let mut loaded = HashMap::new();
        for (limit, people) in grouped(keys.iter().map(|key| (key.1, key.0))) {
            let rows = awards::given_to(&self.app.db, &people, limit).await?;
            let mut of = grouped(rows.into_iter().map(|row| (row.person_id, row)));
            loaded.extend(people.into_iter().map(|person| {
                let rows = of.remove(&person.person()).unwrap_or_default();
                (BadgesOf(person, limit), rows.into())
            }));
        }
        Ok(loaded)
    }
}

impl Loader<HoldersOf> for Loaders {
    type Value = i64;
    type Error = Fault;

    async fn load(&self, keys: &[HoldersOf]) -> Result<HashMap<HoldersOf, i64>, Fault> {
        let wanted: HashSet<Uuid> = keys.iter().map(|key| key.0).collect();
        let holders = awards::holders(&self.app.db, wanted).await?;
        Ok(keys.iter().map(|key| (*key, holders.get(&key.0).copied().unwrap_or(0))).collect())
    }
}

impl Loader<ChildrenOf> for Loaders {
    type Value = Arc<[Uuid]>;
    type Error = Fault;

    async fn load(&self, keys: &[ChildrenOf]) -> Result<HashMap<ChildrenOf, Self::Value>, Fault> {
        let people: Vec<Seen> = keys.iter().map(|key| key.0).collect();
        let mut of = grouped(guardians::children_of(&self.app.db, &people).await?.into_iter());
        Ok(keys.iter().map(|key| (*key, of.remove(&key.0.person()).unwrap_or_default().into())).collect())
    }
}

impl Loader<LessonsOf> for Loaders {
    type Value = Arc<[courses::Lesson]>;
    type Error = Fault;

    async fn load(&self, keys: &[LessonsOf]) -> Result<HashMap<LessonsOf, Self::Value>, Fault> {
        let mut loaded = HashMap::new();
        for ((after, limit), courses) in grouped(keys.iter().map(|key| ((key.after, key.limit), key.course)))
        {
            let rows = courses::lessons_of(&self.app.db, courses, after, limit).await?;
            let of = grouped(rows.into_iter().map(|row| (row.course_id, row))).into_iter();
            loaded.extend(of.map(|(course, lessons)| (LessonsOf { course, after, limit }, lessons.into())));
        }
        Ok(loaded)
    }
}

impl Loader<CompletedBy> for Loaders {
    type Value = ();
    type Error = Fault;

    async fn load(&self, keys: &[CompletedBy]) -> Result<HashMap<CompletedBy, ()>, Fault> {
        let lessons: HashSet<Uuid> = keys.iter().map(|key| key.0).collect();
        let people: HashSet<Seen> = keys.iter().map(|key| key.1).collect();
        let (lessons, people): (Vec<_>, Vec<_>) =
            (lessons.into_iter().collect(), people.into_iter().collect());
        let completed = enrollments::completed_among(&self.app.db, &people, &lessons).await?;
        let done = keys.iter().filter(|key| completed.contains(&(key.0, key.1.person())));
        Ok(done.map(|key| (*key, ())).collect())
    }
}

impl Loader<StudentsOf> for Loaders {
    type Value = Arc<[people::Row]>;
    type Error = Fault;

    async fn load(&self, keys: &[StudentsOf]) -> Result<HashMap<StudentsOf, Self::Value>, Fault> {
        let Some(sight) = &self.sight else { return Ok(HashMap::new()) };
        let mut loaded = HashMap::new();
        for ((from, limit), courses) in
            grouped(keys.iter().map(|key| ((key.from.clone(), key.limit), key.course)))
        {
            let rows = enrollments::students_of(&self.app.db, sight, &courses, from.as_ref(), limit).await?;
            loaded.extend(grouped(rows.into_iter()).into_iter().map(|(course, students)| {
                (StudentsOf { course, from: from.clone(), limit }, students.into())
            }));
        }
        Ok(loaded)
    }
}

impl Loader<StudentCountOf> for Loaders {
    type Value = i64;
    type Error = Fault;

    async fn load(&self, keys: &[StudentCountOf]) -> Result<HashMap<StudentCountOf, i64>, Fault> {
        let Some(sight) = &self.sight else { return Ok(HashMap::new()) };
        let courses: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let counts = enrollments::count_students(&self.app.db, sight, &courses).await?;
        Ok(counts.into_iter().map(|(course, students)| (StudentCountOf(course), students)).collect())
    }
}

impl Loader<CommentOf> for Loaders {
    type Value = enrollments::Comment;
    type Error = Fault;

    async fn load(&self, keys: &[CommentOf]) -> Result<HashMap<CommentOf, Self::Value>, Fault> {
        let Some(reach) = &self.comments else { return Ok(HashMap::new()) };
        let rows = enrollments::comments_by_ids(&self.app.db, reach, keys.iter().map(|key| key.0)).await?;
        Ok(rows.into_iter().map(|row| (CommentOf(row.id), row)).collect())
    }
}

impl Loader<EntryOf> for Loaders {
    type Value = audit_log::Row;
    type Error = Fault;

    async fn load(&self, keys: &[EntryOf]) -> Result<HashMap<EntryOf, Self::Value>, Fault> {
        let rows = audit_log::by_ids(&self.app.db, keys.iter().map(|key| key.0)).await?;
        Ok(rows.into_iter().map(|row| (EntryOf(row.id), row)).collect())
    }
}

fn grouped<K: Eq + Hash, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}
