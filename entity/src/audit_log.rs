//! The audit log: every action of a person or service on another person's record.

use sea_orm::entity::prelude::*;

/// A row of `audit_log`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The kind of actor: `person` or `service`.
    pub actor_kind: String,
    /// The actor: a person's id, or the name of a service.
    pub actor: String,
    /// The actor's role at that time.
    pub role: String,
    /// The action: `award_badge`, `link_guardian`, …
    pub act: String,
    /// The person whose record it is.
    pub person_id: Option<Uuid>,
    /// The award, certificate, course or badge.
    pub object_id: Option<Uuid>,
    /// The activity, if people reported events about themselves.
    pub activity: Option<String>,
    /// The number of new events in such a report.
    pub events: Option<i64>,
    /// The time of the action.
    pub at: DateTimeUtc,
    /// The id of the request, as in the log.
    pub request_id: String,
}

/// Empty: `store` writes joins where it needs them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
