//! The audit log: every action of a person or service on another person's record.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// A row of `audit_log`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    /// Our id, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The kind of actor.
    pub actor_kind: ActorKind,
    /// The actor: a person's id, or the name of a service.
    pub actor: String,
    /// The actor's role at that time.
    pub role: super::role::Role,
    /// The action.
    pub act: Action,
    /// The person whose record it is.
    pub person_id: Option<Uuid>,
    /// The award, certificate, course or badge.
    pub object_id: Option<Uuid>,
    /// The activity, if people reported events about themselves.
    pub activity: Option<String>,
    /// The number of new events in such a report.
    pub events: Option<i64>,
    /// The time of the action.
    pub at: DateTimeUtc,
    /// The id of the request, as in the log.
    pub request_id: String,
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

/// The kind of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum ActorKind {
    /// A person, named by id.
    #[sea_orm(string_value = "person")]
    Person,
    /// A sending system, named by the `sub` of its token.
    #[sea_orm(string_value = "service")]
    Service,
}

/// What an actor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Action {
    /// Created or changed a person.
    #[sea_orm(string_value = "upsert_user")]
    UpsertUser,
    /// Linked a guardian and a child.
    #[sea_orm(string_value = "link_guardian")]
    LinkGuardian,
    /// Ended such a link.
    #[sea_orm(string_value = "unlink_guardian")]
    UnlinkGuardian,
    /// Created a course.
    #[sea_orm(string_value = "create_course")]
    CreateCourse,
    /// Changed a course.
    #[sea_orm(string_value = "update_course")]
    UpdateCourse,
    /// Enrolled a student in a course.
    #[sea_orm(string_value = "enroll")]
    Enroll,
    /// Ended an enrolment.
    #[sea_orm(string_value = "unenroll")]
    Unenroll,
    /// Completed a lesson for a student.
    #[sea_orm(string_value = "complete_lesson")]
    CompleteLesson,
    /// Recorded an event about a person.
    #[sea_orm(string_value = "record_event")]
    RecordEvent,
    /// Reported events about themselves.
    #[sea_orm(string_value = "report_events")]
    ReportEvents,
    /// Created a badge.
    #[sea_orm(string_value = "create_badge")]
    CreateBadge,
    /// Changed a badge.
    #[sea_orm(string_value = "update_badge")]
    UpdateBadge,
    /// Retired a badge.
    #[sea_orm(string_value = "retire_badge")]
    RetireBadge,
    /// Created a webhook.
    #[sea_orm(string_value = "create_webhook")]
    CreateWebhook,
    /// Changed a webhook.
    #[sea_orm(string_value = "update_webhook")]
    UpdateWebhook,
    /// Gave a webhook a new secret.
    #[sea_orm(string_value = "rotate_webhook_secret")]
    RotateWebhookSecret,
    /// Sent a test to a webhook.
    #[sea_orm(string_value = "test_webhook")]
    TestWebhook,
    /// Sent events to a webhook again.
    #[sea_orm(string_value = "redeliver_webhook")]
    RedeliverWebhook,
    /// Made a delivery due again.
    #[sea_orm(string_value = "retry_delivery")]
    RetryDelivery,
    /// Awarded a badge.
    #[sea_orm(string_value = "award_badge")]
    AwardBadge,
    /// Revoked an award.
    #[sea_orm(string_value = "revoke_award")]
    RevokeAward,
    /// Issued a certificate.
    #[sea_orm(string_value = "create_certificate")]
    CreateCertificate,
    /// Changed a certificate.
    #[sea_orm(string_value = "update_certificate")]
    UpdateCertificate,
    /// Deleted a certificate.
    #[sea_orm(string_value = "delete_certificate")]
    DeleteCertificate,
    /// Exported a person's record.
    #[sea_orm(string_value = "export_person")]
    ExportPerson,
    /// Erased a person.
    #[sea_orm(string_value = "erase_person")]
    ErasePerson,
}
