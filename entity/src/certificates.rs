//! Numbered documents. Deleted ones are kept for admins.

use sea_orm::entity::prelude::*;

/// A row of `certificates`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "certificates")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique and hard to guess; what is printed on it.
    pub number: String,
    /// Whose it is.
    pub student_id: Uuid,
    /// What it is for.
    pub title: String,
    /// Who stands behind it.
    pub issued_by: String,
    /// The day on it, in no zone.
    pub issued_date: Date,
    /// More about it.
    pub description: Option<String>,
    /// Where the document lies.
    pub document_url: Option<String>,
    /// What else the issuer wants kept, at most 16 KiB.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub metadata: Option<Json>,
    /// The course whose completion issued it.
    pub course_id: Option<Uuid>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Last change.
    pub updated_at: DateTimeUtc,
    /// Since when it is gone for everyone but admins.
    pub deleted_at: Option<DateTimeUtc>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
