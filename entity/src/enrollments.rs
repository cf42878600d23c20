//! Enrolments of students in courses. Ended ones are kept.

use sea_orm::entity::prelude::*;

/// A row of `enrollments`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "enrollments")]
pub struct Model {
    /// The course.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: Uuid,
    /// The student.
    #[sea_orm(primary_key, auto_increment = false)]
    pub student_id: Uuid,
    /// When it started.
    pub enrolled_at: DateTimeUtc,
    /// When it ended; none while it is current.
    pub ended_at: Option<DateTimeUtc>,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The course.
    #[sea_orm(
        belongs_to = "super::courses::Entity",
        from = "Column::CourseId",
        to = "super::courses::Column::Id"
    )]
    Course,
    /// The student.
    #[sea_orm(
        belongs_to = "super::people::Entity",
        from = "Column::StudentId",
        to = "super::people::Column::Id"
    )]
    Student,
}

impl ActiveModelBehavior for ActiveModel {}
