//! What the domain says when it says no: one table of codes, one shape for every refusal.
//! A refusal names what was wrong, what would be right, and in which field.

use std::time::Duration;

use crate::store;

/// When a request should be sent again that met a part that was away.
const RETRY: Duration = Duration::from_secs(2);

/// The codes a client can act on; `ErrorCode` in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Nobody, or nobody we can believe, is asking.
    Unauthenticated,
    /// The caller's role may not do this to anyone.
    Forbidden,
    /// It does not exist, or not within the caller's scope: the answer is the same.
    NotFound,
    /// An argument is wrong; the field says which.
    InvalidInput,
    /// It contradicts what is already kept.
    Conflict,
    /// The caller has spent a budget; the same request succeeds after `retry_after`.
    RateLimited,
    /// The document asks for more than one request may.
    TooComplex,
    /// The request names its document by a hash, which we do not keep.
    PersistedQueryNotSupported,
    /// A part we need does not answer now; the same request may succeed later.
    Unavailable,
    /// Our fault. The log has the cause under the request's id.
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

    /// The code as clients see it.
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

    /// Whether it keeps somebody from something: those go to the log.
    pub(crate) fn is_denial(self) -> bool {
        matches!(self, Self::Unauthenticated | Self::Forbidden | Self::NotFound)
    }
}

/// The domain says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of no.
    pub code: Code,
    /// What was wrong and what would be right, for a person.
    pub message: String,
    /// The path into the arguments, such as `["input", "events", "3", "userId"]`; empty if none applies.
    pub field: Vec<String>,
    /// Finer than the code, where that helps: `ID_REUSED`, `SELF_AWARD`.
    pub reason: Option<&'static str>,
    /// How long to wait before the same request can succeed.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a code and a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: Vec::new(), reason: None, retry_after: None }
    }

    /// The caller has spent a budget and may try again after `wait`. The message names the setting.
    pub(crate) fn rate_limited(message: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(Code::RateLimited, message) }
    }

    /// Whole seconds to wait, rounded up and at least one: the unit of `retryAfter` and of `Retry-After`.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.retry_after?;
        Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// We failed: all that a client is told of it.
    pub(crate) fn internal() -> Self {
        let message = "Something went wrong on our side; the log has the cause under this request's id.";
        Self::new(Code::Internal, message)
    }

    /// A part we need is away: all that a client is told of it.
    pub(crate) fn unavailable() -> Self {
        let message = "Not available at this moment: send the same request again.";
        Self { retry_after: Some(RETRY), ..Self::new(Code::Unavailable, message) }
    }

    /// An argument is wrong: `field` is the path below the argument's root.
    pub fn invalid<S: Into<String>>(field: impl IntoIterator<Item = S>, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message).at(field)
    }

    /// The same refusal, about this field.
    #[must_use]
    pub fn at<S: Into<String>>(mut self, field: impl IntoIterator<Item = S>) -> Self {
        self.field = field.into_iter().map(Into::into).collect();
        self
    }

    /// The same refusal, with its field below `path`.
    #[must_use]
    pub fn below<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.field = path.into_iter().map(Into::into).chain(self.field).collect();
        self
    }

    /// The same refusal, with a finer reason.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
}

/// Why an operation did not happen: the domain refused, or a part of ours failed.
#[derive(Debug)]
pub enum Failure {
    /// The domain said no; the client is told in full.
    Refused(Refusal),
    /// The database failed; the client is told only that it did.
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
