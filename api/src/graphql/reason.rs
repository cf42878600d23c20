//! The reasons of errors, as the schema names and describes them.

use async_graphql::Enum;
use async_graphql::resolver_utils::EnumType;

/// The reason of an error, more specific than its code. A `UserError` has it as `reason`; a top-level error has it as
/// `extensions.reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::refusal::Reason")]
pub(crate) enum ErrorReason {
    /// The request has no token. Send one.
    TokenMissing,
    /// The token has expired. Get a new one.
    TokenExpired,
    /// The token, or the header with it, is invalid. The message says why.
    TokenInvalid,
    /// The token, or the key that signed it, was revoked. Get a new one.
    TokenRevoked,
    /// The token of a service lacks the scope that the message names.
    ScopeMissing,
    /// The person's role has changed since the token was issued. Get a new token.
    RoleChanged,
    /// The person has a higher role than the caller.
    HigherRole,
    /// The caller cannot change their own role.
    OwnRole,
    /// The caller's role cannot assign this role.
    RoleNotAssignable,
    /// The caller cannot award themselves.
    SelfAward,
    /// The caller cannot award their own child.
    OwnChild,
    /// The caller cannot erase themselves.
    OwnErasure,
    /// The person does not exist, or the caller may not see them.
    PersonNotFound,
    /// The person has been erased.
    PersonErased,
    /// The student does not exist, or the caller may not see them.
    StudentNotFound,
    /// The award does not exist, or the caller may not see or revoke it.
    AwardNotFound,
    /// The badge does not exist.
    BadgeNotFound,
    /// The course does not exist, or the caller may not change it or act in it.
    CourseNotFound,
    /// The lesson does not exist, or the student is not enrolled in its course.
    LessonNotFound,
    /// No loaded pack has this activity.
    UnknownActivity,
    /// Another event of this source has the same id.
    IdReused,
    /// The event happened too long ago to be self-reported, or before the account existed.
    EventTooOld,
    /// The achievement is not a badge: people cannot award it.
    NotABadge,
    /// The badge is retired: it cannot be awarded.
    Retired,
    /// The certificate does not exist, or the caller may not see, change or delete it.
    CertificateNotFound,
    /// The certificate is deleted.
    CertificateDeleted,
    /// Another export of this person is running.
    ExportRunning,
    /// The webhook does not exist.
    WebhookNotFound,
    /// The webhook is disabled. Enable it first.
    WebhookDisabled,
    /// There are as many enabled webhooks as allowed. Disable one first.
    TooManyWebhooks,
    /// The delivery does not exist.
    DeliveryNotFound,
    /// An attempt of the delivery is under way.
    DeliveryUnderWay,
}

impl ErrorReason {
    /// The name in responses and in the log.
    pub(crate) fn name(self) -> &'static str {
        Self::items().iter().find(|item| item.value == self).map_or("", |item| item.name)
    }
}
