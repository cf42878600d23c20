//! The roles of people and services.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// A role. A row of `people` has every one but `Service`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Role {
    /// Runs the installation.
    #[sea_orm(string_value = "super_admin")]
    SuperAdmin,
    /// Runs the school.
    #[sea_orm(string_value = "admin")]
    Admin,
    /// Teaches courses.
    #[sea_orm(string_value = "teacher")]
    Teacher,
    /// Learns.
    #[sea_orm(string_value = "student")]
    Student,
    /// Is linked to children.
    #[sea_orm(string_value = "parent")]
    Parent,
    /// A backend that sends events. Not a person.
    #[sea_orm(string_value = "service")]
    Service,
}
