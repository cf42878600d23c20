//! Certificates. Deleted ones remain visible to admins.

use sea_orm::entity::prelude::*;

/// A row of `certificates`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "certificates")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The printed number: unique and hard to guess.
    pub number: String,
    /// The student.
    pub student_id: Uuid,
    /// What it is for.
    pub title: String,
    /// The issuer.
    pub issued_by: String,
    /// The date of issue, without a time zone.
    pub issued_date: Date,
    /// A description.
    pub description: Option<String>,
    /// The URL of the document.
    pub document_url: Option<String>,
    /// Further data from the issuer, at most 16 KiB.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub metadata: Option<Json>,
    /// The course whose completion issued it.
    pub course_id: Option<Uuid>,
    /// The person who issued it; none for the certificate of a course.
    pub created_by: Option<Uuid>,
    /// That person's own id for it, by which a repeated call is recognised; unique with `created_by`.
    pub client_mutation_id: Option<String>,
    /// A hash of the input of that call; none without `client_mutation_id`.
    pub sent_hash: Option<Uuid>,
    /// When it was created.
    pub created_at: DateTimeUtc,
    /// When it was last changed.
    pub updated_at: DateTimeUtc,
    /// When it was deleted. Then only admins see it.
    pub deleted_at: Option<DateTimeUtc>,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The student.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::StudentId",
        to = "super::people::Column::Id"
    )]
    Student,
    /// The course.
    #[sea_orm(
        belongs_to = "super::courses::Entity",
        from = "Column::CourseId",
        to = "super::courses::Column::Id"
    )]
    Course,
    /// The person who issued it.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::CreatedBy",
        to = "super::people::Column::Id"
    )]
    Creator,
}

impl ActiveModelBehavior for ActiveModel {}
