//! Errors of the domain: one table of codes, one structure for every refusal.
//! A refusal names the fault, the remedy, and the field.

use std::time::Duration;

use crate::store;

/// How long a client should wait before it retries when a part of the server was unavailable.
const RETRY: Duration = Duration::from_secs(2);

/// The codes a client can act on; `ErrorCode` in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request has no valid token.
    Unauthenticated,
    /// The caller's role does not have this permission for any person.
    Forbidden,
    /// It does not exist, or is outside the caller's scope. Both cases return the same error.
    NotFound,
    /// An argument is invalid; the field names it.
    InvalidInput,
    /// It contradicts stored data.
    Conflict,
    /// The caller has exceeded a budget; the same request succeeds after `retry_after`.
    RateLimited,
    /// The document exceeds the limits of one request.
    TooComplex,
    /// The request refers to its document by a hash. The server does not store documents.
    PersistedQueryNotSupported,
    /// A required part does not respond now; the same request may succeed later.
    Unavailable,
    /// A fault of the server. The log has the cause under the request's id.
    Internal,
}

impl Code {
    /// Every code.
    pub(crate) const ALL: [Self; 10] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::InvalidInput,
        Self::Conflict,
        Self::RateLimited,
        Self::TooComplex,
        Self::PersistedQueryNotSupported,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code in responses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::InvalidInput => "INVALID_INPUT",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::TooComplex => "TOO_COMPLEX",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether the code is a denial of access. Denials are logged.
    pub(crate) fn is_denial(self) -> bool {
        matches!(self, Self::Unauthenticated | Self::Forbidden | Self::NotFound)
    }
}

/// Reasons that are more specific than a code; `ErrorReason` in the schema, which describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the schema describes them")]
pub enum Reason {
    TokenMissing,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    ScopeMissing,
    RoleChanged,
    HigherRole,
    OwnRole,
    RoleNotAssignable,
    SelfAward,
    OwnChild,
    OwnErasure,
    PersonNotFound,
    PersonErased,
    StudentNotFound,
    AwardNotFound,
    BadgeNotFound,
    CourseNotFound,
    LessonNotFound,
    UnknownActivity,
    IdReused,
    EventTooOld,
    NotABadge,
    Retired,
    CertificateNotFound,
    CertificateDeleted,
    ExportRunning,
    WebhookNotFound,
    WebhookDisabled,
    TooManyWebhooks,
    DeliveryNotFound,
    DeliveryUnderWay,
}

/// An error of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// The fault and the remedy, for a human reader.
    pub message: String,
    /// The path into the arguments, such as `["input", "events", "3", "userId"]`; empty if none applies.
    pub field: Vec<String>,
    /// A reason that is more specific than the code, where useful.
    pub reason: Option<Reason>,
    /// How long to wait before the same request can succeed.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a code and a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: Vec::new(), reason: None, retry_after: None }
    }

    /// The caller has exceeded a budget and may try again after `wait`. The message names the setting.
    pub(crate) fn rate_limited(message: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(Code::RateLimited, message) }
    }

    /// Whole seconds to wait, rounded up and at least one: the unit of `retryAfter` and of `Retry-After`.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.retry_after?;
        Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// The request has no token.
    pub(crate) fn token_missing() -> Self {
        let message = "Sign in first: send the header `Authorization: Bearer <token>`, or on a socket the payload \
                       {\"authorization\": \"Bearer <token>\"} of connection_init.";
        Self::new(Code::Unauthenticated, message).because(Reason::TokenMissing)
    }

    /// An internal error. The client gets no details.
    pub(crate) fn internal() -> Self {
        let message = "Internal error. The server's log has the cause under this request's id.";
        Self::new(Code::Internal, message)
    }

    /// A required part is unavailable. The client gets no details.
    pub(crate) fn unavailable() -> Self {
        let message = "Temporarily unavailable. Send the same request again.";
        Self { retry_after: Some(RETRY), ..Self::new(Code::Unavailable, message) }
    }

    /// The thing that `field` names does not exist, or the caller may not see it: both have the same words.
    pub(crate) fn not_found(field: &str, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message).at([field]).because(reason)
    }

    /// An invalid argument; `field` is the path below the argument's root.
    pub fn invalid<S: Into<String>>(field: impl IntoIterator<Item = S>, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message).at(field)
    }

    /// Sets the field.
    #[must_use]
    pub fn at<S: Into<String>>(mut self, field: impl IntoIterator<Item = S>) -> Self {
        self.field = field.into_iter().map(Into::into).collect();
        self
    }

    /// Prepends `path` to the field.
    #[must_use]
    pub fn below<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.field = path.into_iter().map(Into::into).chain(self.field).collect();
        self
    }

    /// Sets a more specific reason.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }
}

/// Why an operation failed: the domain refused it, or a part of the server failed.
#[derive(Debug)]
pub enum Failure {
    /// The domain refused it; the client gets all details.
    Refused(Refusal),
    /// The database failed; the client gets no details.
    Store(store::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
