//! What a client is told when something fails: a code and a sentence, never a cause of ours.
//! A fault is deliberately not `Display`, so that no foreign error can become one by a question mark.

use async_graphql::{Enum, Error, ErrorExtensions, SimpleObject};

use super::denials;
use crate::refusal::{Code, Failure, Refusal};
use crate::store;

/// A top-level error in the making.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    refusal: Refusal,
}

/// What a resolver returns.
pub(crate) type Answer<T> = Result<T, Fault>;

impl Fault {
    /// Nobody is asking.
    pub(crate) fn unauthenticated() -> Self {
        let message = "Sign in first: send the header `Authorization: Bearer <token>`, or on a socket the same in \
                       connection_init as {\"authorization\": \"Bearer <token>\"}.";
        Refusal::new(Code::Unauthenticated, message).into()
    }

    /// An argument is wrong: which, and what would be right.
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
    /// The cause goes to the log, once; the client learns only whether to try again.
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
                extensions.set("reason", reason);
            }
            if let Some(seconds) = retry_after {
                extensions.set("retryAfter", seconds);
            }
        })
    }
}

/// The code of an error; what a client can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ErrorCode {
    /// Nobody is signed in, or the token is not to be believed.
    Unauthenticated,
    /// Your role may not do this.
    Forbidden,
    /// It does not exist, or you cannot see it.
    NotFound,
    /// An argument is wrong; the field says which.
    InvalidInput,
    /// It contradicts what is kept already.
    Conflict,
    /// The caller has reached a limit. Send the same request again after `extensions.retryAfter` seconds.
    RateLimited,
    /// The document asks for more than one request may.
    TooComplex,
    /// The request has a hash in place of its document. Send the document.
    PersistedQueryNotSupported,
    /// Not now; the same request may succeed later.
    Unavailable,
    /// Our fault.
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

/// Something that the person behind the request can mend.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct UserError {
    /// The path into the arguments, such as ["input", "events", "3", "userId"].
    field: Option<Vec<String>>,
    /// What was wrong and what would be right.
    message: String,
    /// What kind of error it is.
    code: ErrorCode,
    /// Finer than the code, where it helps: ID_REUSED, UNKNOWN_ACTIVITY, …
    reason: Option<String>,
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        denials::note(&refusal);
        Self {
            field: (!refusal.field.is_empty()).then_some(refusal.field),
            message: refusal.message,
            code: refusal.code.into(),
            reason: refusal.reason.map(str::to_owned),
        }
    }
}

/// Sorts a failed mutation: what a person can mend is data below `path`; what concerns the request is a fault.
pub(crate) fn user_error(failure: Failure, path: &[&str]) -> Answer<UserError> {
    match failure {
        Failure::Refused(refusal) if !refusal.field.is_empty() => {
            Ok(refusal.below(path.iter().copied()).into())
        }
        failure => Err(failure.into()),
    }
}
