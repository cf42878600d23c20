//! One row a person: who they are. What they have earned is in `totals`, `awards` and `metrics`.

use sea_orm::entity::prelude::*;

/// A row of `people`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "people")]
pub struct Model {
    /// The person's id, given by the school's identity provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The name others see, NFC, no control characters.
    pub display_name: String,
    /// The name as it is searched and sorted by: in lower case.
    pub search_name: String,
    /// The role that rights are judged by: `super_admin`, `admin`, `teacher`, `student`, `parent`.
    pub role: String,
    /// Where messages go, if the person has an address.
    pub email: Option<String>,
    /// IANA zone; fixes the local date of the events recorded from now on.
    pub timezone: String,
    /// BCP 47 language tag for messages.
    pub locale: Option<String>,
    /// Who brought this person here; set once.
    pub referred_by: Option<Uuid>,
    /// First sight.
    pub created_at: DateTimeUtc,
    /// Last change of this row.
    pub updated_at: DateTimeUtc,
    /// Since when nothing here says who it was; they are found no more, and sign in no more.
    pub erased_at: Option<DateTimeUtc>,
}

/// Joins are written where they are needed, in `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
