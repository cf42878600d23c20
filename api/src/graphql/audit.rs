//! The audit log: which actor did what on which record.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, Object};
use uuid::Uuid;

use super::context::{actor, app, loaders};
use super::fault::Answer;
use super::loaders::PersonOf;
use super::page::{self, Moment, list};
use super::people::{Role, User};
use super::scalars::{DateTime, uuid};
use crate::auth;
use crate::auth::policy::{self, Action};
use crate::store::audit_log::{self, Row};
use crate::store::people;

/// The kind of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ActorKind {
    /// A person, identified by id.
    Person,
    /// A backend, identified by the `sub` of its token.
    Service,
}

impl From<audit_log::ActorKind> for ActorKind {
    fn from(kind: audit_log::ActorKind) -> Self {
        match kind {
            audit_log::ActorKind::Person => Self::Person,
            audit_log::ActorKind::Service => Self::Service,
        }
    }
}

/// An entry of the audit log.
pub(crate) struct AuditEntry(pub(crate) Row);

/// An entry of the audit log: an action on another person's record or on shared school data, or a person's report of
/// their own events.
#[Object]
impl AuditEntry {
    /// The entry's id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The kind of the actor.
    async fn actor_kind(&self) -> ActorKind {
        self.0.actor_kind.into()
    }

    /// The actor: a person's id, or the name of a service.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// The person who acted; null for a service.
    async fn actor_user(&self, ctx: &Context<'_>) -> Option<Answer<User>> {
        let row = async {
            if self.0.actor_kind != audit_log::ActorKind::Person {
                return Ok(None);
            }
            let Ok(id) = self.0.actor.parse::<Uuid>() else { return Ok(None) };
            Ok(loaders(ctx)?.load_one(PersonOf(id)).await?.map(User::new))
        };
        row.await.transpose()
    }

    /// The role of the actor at the time of the action.
    async fn role(&self) -> Role {
        auth::Role::from(self.0.role).into()
    }

    /// The action, such as award_badge, link_guardian or create_certificate. report_events means that a person
    /// reported new events about themselves; it has one entry for each request and activity.
    async fn act(&self) -> String {
        audit_log::name(self.0.act)
    }

    /// The person whose record was changed or exported. Null for shared school data, such as a course or a badge.
    async fn user(&self, ctx: &Context<'_>) -> Option<Answer<User>> {
        Some(User::of(ctx, self.0.person_id?).await)
    }

    /// The id of the award, certificate, course, lesson, badge or event. Null if there is none.
    async fn object_id(&self) -> Option<ID> {
        self.0.object_id.map(Into::into)
    }

    /// The activity of the reported events. Null for other actions.
    async fn activity(&self) -> Option<&str> {
        self.0.activity.as_deref()
    }

    /// The number of reported events. Null for other actions.
    async fn event_count(&self) -> Option<i64> {
        self.0.events
    }

    /// When the action happened.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at)
    }

    /// The id of the request. The response header `x-request-id` and the server's log have the same id.
    async fn request_id(&self) -> &str {
        &self.0.request_id
    }
}

/// Additional fields of a page of the audit log.
pub(crate) struct AuditCount {
    person: Option<Uuid>,
}

#[Object]
impl AuditCount {
    /// The number of entries on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        let count = audit_log::count(&app(ctx)?.db, self.person).await?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A page of the audit log, newest first.
pub(crate) type AuditPage = Connection<Moment<{ list::ACTS }>, AuditEntry, AuditCount>;

/// A page of the audit log. `None` for a person who does not exist. The entries of an erased person remain, because
/// they contain no name.
pub(crate) async fn page(
    ctx: &Context<'_>,
    person: Option<&ID>,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<Option<AuditPage>> {
    policy::reach(actor(ctx)?, Action::ReadAudit)?;
    let cut = page::cut(first, after, None, None)?;
    let person = person.map(|id| uuid("userId", id)).transpose()?;
    let db = &app(ctx)?.db;
    if let Some(id) = person
        && people::by_id(db, id).await?.is_none()
    {
        return Ok(None);
    }
    let from = cut.from.map(|Moment::<{ list::ACTS }>(at, id)| (at, id));
    let rows = audit_log::page_of(db, person, from, cut.rows + 1).await?;
    let asked = usize::try_from(cut.rows).unwrap_or(usize::MAX);
    let more = rows.len() > asked;
    let mut page = Connection::with_additional_fields(cut.from.is_some(), more, AuditCount { person });
    let edge = |row: Row| Edge::new(Moment(row.at, row.id), AuditEntry(row));
    page.edges.extend(rows.into_iter().take(asked).map(edge));
    Ok(Some(page))
}
