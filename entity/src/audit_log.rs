//! Every act of a person on another person's record: the audit log.

use sea_orm::entity::prelude::*;

/// A row of `audit_log`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What kind of actor it is: `person` or `service`.
    pub actor_kind: String,
    /// Who: a person's id, or the name of a service.
    pub actor: String,
    /// In which role.
    pub role: String,
    /// What: `award_badge`, `link_guardian`, …
    pub act: String,
    /// On whose record.
    pub person_id: Option<Uuid>,
    /// Which award, certificate, course or badge.
    pub object_id: Option<Uuid>,
    /// The reported activity, where people reported events about themselves.
    pub activity: Option<String>,
    /// The number of new events in such a report.
    pub events: Option<i64>,
    /// When.
    pub at: DateTimeUtc,
    /// The id of the request, as the log has it.
    pub request_id: String,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
