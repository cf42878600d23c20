//! Deliveries: a mail to one person or a request to one webhook, with its attempts and its lease.

use sea_orm::entity::prelude::*;

/// A row of `deliveries`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    /// UUIDv5 of what is delivered to whom, so that it is planned once. It is the same for every attempt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// How it is delivered.
    pub channel: super::delivery::Channel,
    /// What is delivered.
    pub kind: super::delivery::Kind,
    /// The person who gets the mail; for a webhook, the person of the event.
    pub person_id: Uuid,
    /// When it was planned.
    pub created_at: DateTimeUtc,
    /// The earliest time of the next attempt.
    pub available_at: DateTimeUtc,
    /// The number of attempts.
    pub attempts: i32,
    /// The number of attempts whose result is unknown, because the process or the connection ended. Each may have delivered.
    pub doubts: i32,
    /// Rises with every lease. A result counts only with the number of the current lease.
    pub fence: i64,
    /// Until when a process holds it.
    pub leased_until: Option<DateTimeUtc>,
    /// When it was delivered.
    pub settled_at: Option<DateTimeUtc>,
    /// When delivery was given up. The row is kept.
    pub buried_at: Option<DateTimeUtc>,
    /// Why the last attempt failed, or why it was buried. No address, and no text of the other side.
    pub reason: Option<String>,
    /// The webhook that gets the request.
    pub webhook_id: Option<Uuid>,
    /// The HTTP status of the last answer of a webhook.
    pub status: Option<i16>,
    /// The beginning of the last answer of a webhook.
    pub answer: Option<String>,
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
    /// The webhook.
    #[sea_orm(
        belongs_to = "super::webhooks::Entity",
        from = "Column::WebhookId",
        to = "super::webhooks::Column::Id"
    )]
    Webhook,
}

impl ActiveModelBehavior for ActiveModel {}
