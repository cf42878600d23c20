//! What is worth telling, in the order of the commits, without a gap: what subscribers follow.

use sea_orm::entity::prelude::*;

/// A row of `feed`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "feed")]
pub struct Model {
    /// 1, 2, 3, …: the resume cursor.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// What happened.
    pub kind: super::consequence::Kind,
    /// Who it happened to.
    pub person_id: Uuid,
    /// The id of the cause; items of one cause share it.
    pub group_id: Uuid,
    /// The award that was earned or revoked.
    pub award_id: Option<Uuid>,
    /// The certificate that was issued.
    pub certificate_id: Option<Uuid>,
    /// The level, rank or streak, as an object: `from` and `to`; `pack` and `rank`; `days`.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub detail: Option<Json>,
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
