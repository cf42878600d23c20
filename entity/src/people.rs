//! The identity of each person. What they have earned is in `totals`, `awards` and `metrics`.

use sea_orm::entity::prelude::*;

/// A row of `people`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "people")]
pub struct Model {
    /// The person's id, assigned by the school's identity provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The name others see, NFC, no control characters.
    pub display_name: String,
    /// The name in lower case, by which lists are sorted.
    pub search_name: String,
    /// The name without letter case and accents, in which a search looks.
    pub search_key: String,
    /// The role that decides the person's rights.
    pub role: super::role::Role,
    /// The e-mail address, if known.
    pub email: Option<String>,
    /// IANA time zone. It defines the local date of events recorded from now on.
    pub timezone: String,
    /// BCP 47 language tag for messages.
    pub locale: Option<String>,
    /// The person who referred this person. It can be set only once.
    pub referred_by: Option<Uuid>,
    /// When the person was first seen.
    pub created_at: DateTimeUtc,
    /// Last change of this row.
    pub updated_at: DateTimeUtc,
    /// When the person was erased; hidden from queries, cannot sign in.
    pub erased_at: Option<DateTimeUtc>,
    /// Whether leaderboards rank the person. What was earned does not depend on it.
    pub ranked: bool,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The person who referred this person.
    #[sea_orm(belongs_to = "Entity", from = "Column::ReferredBy", to = "Column::Id")]
    Referrer,
}

impl ActiveModelBehavior for ActiveModel {}
