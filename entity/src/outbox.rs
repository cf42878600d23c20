//! Messages about consequences, each stored with its cause. Deliveries are planned after the commit.

use sea_orm::entity::prelude::*;

/// A row of `outbox`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What happened.
    pub kind: super::consequence::Kind,
    /// Who it happened to.
    pub person_id: Uuid,
    /// The id of the cause; messages of one cause share it.
    pub group_id: Uuid,
    /// The award that was earned or revoked.
    pub award_id: Option<Uuid>,
    /// The certificate that was issued.
    pub certificate_id: Option<Uuid>,
    /// The level, rank or streak, as in the feed.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub detail: Option<Json>,
    /// When its cause was committed.
    pub created_at: DateTimeUtc,
    /// When its deliveries were planned.
    pub planned_at: Option<DateTimeUtc>,
    /// Why it is not delivered; none if it is.
    pub silent_because: Option<String>,
    /// The trace of its request (W3C `traceparent`).
    pub traceparent: Option<String>,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The person.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::PersonId",
        to = "super::people::Column::Id"
    )]
    Person,
    /// The award.
    #[sea_orm(
        belongs_to = "super::awards::Entity",
        from = "Column::AwardId",
        to = "super::awards::Column::Id"
    )]
    Award,
    /// The certificate.
    #[sea_orm(
        belongs_to = "super::certificates::Entity",
        from = "Column::CertificateId",
        to = "super::certificates::Column::Id"
    )]
    Certificate,
}

impl ActiveModelBehavior for ActiveModel {}
