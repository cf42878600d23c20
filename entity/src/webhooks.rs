//! Webhooks: the URLs of other systems that get a request for each event.

use sea_orm::entity::prelude::*;

/// A row of `webhooks`.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Where requests go.
    pub url: String,
    /// What it is for, for people.
    pub description: String,
    /// The types of events that it gets: a list of names.
    #[sea_orm(column_type = "JsonBinary")]
    pub types: Json,
    /// The key that signs requests, secret.
    pub secret: String,
    /// The key before, which signs too until `old_secret_until`, secret.
    pub old_secret: Option<String>,
    /// Until when the key before signs too.
    pub old_secret_until: Option<DateTimeUtc>,
    /// When it was created.
    pub created_at: DateTimeUtc,
    /// Last change by a person.
    pub updated_at: DateTimeUtc,
    /// When it was disabled; none while it is enabled.
    pub disabled_at: Option<DateTimeUtc>,
    /// Why it was disabled.
    pub disabled_because: Option<String>,
    /// The last message that is delivered again.
    pub replay_after: Option<Uuid>,
    /// From when on messages are delivered again.
    pub replay_since: Option<DateTimeUtc>,
    /// Up to when messages are delivered again.
    pub replay_until: Option<DateTimeUtc>,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("id", &self.id).finish_non_exhaustive()
    }
}
