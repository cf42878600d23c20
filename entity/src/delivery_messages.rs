//! The messages that a delivery is about.

use sea_orm::entity::prelude::*;

/// A row of `delivery_messages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_messages")]
pub struct Model {
    /// The delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: Uuid,
    /// The message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: Uuid,
}

/// The rows that it refers to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The delivery.
    #[sea_orm(
        belongs_to = "super::deliveries::Entity",
        from = "Column::DeliveryId",
        to = "super::deliveries::Column::Id"
    )]
    Delivery,
    /// The message.
    #[sea_orm(
        belongs_to = "super::outbox::Entity",
        from = "Column::MessageId",
        to = "super::outbox::Column::Id"
    )]
    Message,
}

impl ActiveModelBehavior for ActiveModel {}
