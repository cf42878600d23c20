//! The errors that clients receive: a code and a message, and never an internal cause.
//! `Fault` does not implement `Display`, so that the `?` operator cannot convert other errors into it.

use async_graphql::{Enum, Error, ErrorExtensions, SimpleObject};

use super::denials;
use super::reason::ErrorReason;
use crate::refusal::{Code, Failure, Refusal};
use crate::store;

/// An error of a resolver, which becomes a top-level error of the response.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    refusal: Refusal,
}

/// The result of a resolver.
pub(crate) type Answer<T> = Result<T, Fault>;

impl Fault {
    /// An argument is invalid. The message says what is wrong and what to send.
    pub(crate) fn argument(name: &str, message: impl Into<String>) -> Self {
        Refusal::invalid([name], message).into()
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self { refusal }
    }
}

impl From<store::Error> for Fault {
    /// Logs the cause once. The client receives only UNAVAILABLE, which it can retry, or INTERNAL.
    fn from(error: store::Error) -> Self {
        let refusal = match error {
            store::Error::Collision(_)
            | store::Error::Unavailable(_)
            | store::Error::Busy
            | store::Error::Stopping => {
                tracing::warn!(error = error.chain(), "a request could not be served now");
                Refusal::unavailable()
            }
            store::Error::Impossible(_) | store::Error::Broken(_) => {
                tracing::error!(error = error.chain(), "a request failed");
                Refusal::internal()
            }
        };
        Self { refusal }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Store(error) => error.into(),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        denials::note(&fault.refusal);
        let retry_after = fault.refusal.retry_after_seconds();
        let Refusal { code, message, field, reason, .. } = fault.refusal;
        Self::new(message).extend_with(|_, extensions| {
            extensions.set("code", code.as_str());
            if !field.is_empty() {
                extensions.set("field", field);
            }
            if let Some(reason) = reason {
                extensions.set("reason", ErrorReason::from(reason).name());
            }
            if let Some(seconds) = retry_after {
                extensions.set("retryAfter", seconds);
            }
        })
    }
}

/// The code of an error. A `UserError` has it as `code`; a top-level error has it as `extensions.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ErrorCode {
    /// The request has no token, or the token is not valid.
    Unauthenticated,
    /// The caller's role is not allowed to do this.
    Forbidden,
    /// The object does not exist, or the caller may not see it.
    NotFound,
    /// An argument is invalid. `field` names it.
    InvalidInput,
    /// The request conflicts with stored data, for example with an existing key.
    Conflict,
    /// The caller has reached a limit. Send the same request again after `extensions.retryAfter` seconds.
    RateLimited,
    /// The document or the response exceeds a limit. Request fewer rows or fields.
    TooComplex,
    /// The request has a hash instead of a document. Send the document.
    PersistedQueryNotSupported,
    /// The server cannot execute the request now. Send the same request again later.
    Unavailable,
    /// The server failed. The log has the cause under the request's id.
    Internal,
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Unauthenticated => Self::Unauthenticated,
            Code::Forbidden => Self::Forbidden,
            Code::NotFound => Self::NotFound,
            Code::InvalidInput => Self::InvalidInput,
            Code::Conflict => Self::Conflict,
            Code::RateLimited => Self::RateLimited,
            Code::TooComplex => Self::TooComplex,
            Code::PersistedQueryNotSupported => Self::PersistedQueryNotSupported,
            Code::Unavailable => Self::Unavailable,
            Code::Internal => Self::Internal,
        }
    }
}

/// An error in the input of a mutation, which the user can correct.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct UserError {
    /// The path of the invalid argument, such as ["input", "events", "3", "userId"].
    field: Option<Vec<String>>,
    /// What is wrong and what to do, in English.
    message: String,
    /// The error code.
    code: ErrorCode,
    /// A more specific code. Null if `code` is specific enough.
    reason: Option<ErrorReason>,
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        denials::note(&refusal);
        Self {
            field: (!refusal.field.is_empty()).then_some(refusal.field),
            message: refusal.message,
            code: refusal.code.into(),
            reason: refusal.reason.map(Into::into),
        }
    }
}

/// Classifies the failure of a mutation. A refusal with a field becomes a `UserError` below `path`; every other failure
/// becomes a fault.
pub(crate) fn user_error(failure: Failure, path: &[&str]) -> Answer<UserError> {
    match failure {
        Failure::Refused(refusal) if !refusal.field.is_empty() => {
            Ok(refusal.below(path.iter().copied()).into())
        }
        failure => Err(failure.into()),
    }
}
