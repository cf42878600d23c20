//! Which mails a person wants. A person without a row has the defaults of the school.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// When a person gets news by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Mode {
    /// At once, one mail for each cause.
    #[sea_orm(string_value = "EACH")]
    Each,
    /// One mail a day.
    #[sea_orm(string_value = "DAILY")]
    Daily,
    /// Never.
    #[sea_orm(string_value = "NONE")]
    None,
}

/// A row of `mail_settings`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_settings")]
pub struct Model {
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// When they get news.
    pub mode: Mode,
    /// The local hour of the daily mail, 0 to 23.
    pub digest_hour: i16,
    /// The local hour at which mails begin to wait.
    pub quiet_from: Option<i16>,
    /// The local hour at which they go out.
    pub quiet_until: Option<i16>,
    /// Whether a guardian gets copies of the news of their children.
    pub copies: bool,
    /// Whether a guardian gets a summary of the week.
    pub weekly_summary: bool,
    /// Whether they are reminded of a streak that ends tonight.
    pub streak_reminder: bool,
    /// Last change of this row.
    pub updated_at: DateTimeUtc,
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
}

impl ActiveModelBehavior for ActiveModel {}
