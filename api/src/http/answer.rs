//! HTTP responses: media type, status, and errors that always carry a code and the request's id.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response as GraphqlResponse, ServerError, Value};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::bounded;
use super::in_flight;
use super::media::Media;
use crate::auth::Actor;
use crate::budget::turns::Pacer;
use crate::config::Limits;
use crate::graphql::context::Caller;
use crate::graphql::denials::turned_away;
use crate::graphql::reason::ErrorReason;
use crate::refusal::{Code, Failure, Refusal};
use crate::store;
use crate::telemetry::Telemetry;

/// Maximum number of errors in a response. More errors give a client no new information.
const MOST_ERRORS: usize = 20;

/// The properties shared by every response to one request.
#[derive(Clone)]
pub(super) struct ResponseContext {
    /// The negotiated media type. Errors use it too, because clients parse a body by its type.
    pub(super) media: Media,
    /// The id the errors carry.
    pub(super) request_id: Arc<str>,
    /// The limits that error messages name.
    pub(super) limits: Arc<Limits>,
    /// Where the errors are counted.
    pub(super) telemetry: Telemetry,
}

impl ResponseContext {
    /// The caller of this request.
    pub(super) fn caller(&self, actor: Option<Actor>) -> Caller {
        Caller { actor, request_id: Arc::clone(&self.request_id) }
    }

    /// The response to a request that was not executed: this status and this one error.
    pub(super) fn refused(&self, status: StatusCode, refusal: &Refusal) -> Response {
        turned_away(&self.caller(None), refusal);
        let mut errors = vec![server_error(refusal)];
        dress(&mut errors, &self.request_id, &self.limits, &self.telemetry);
        let mut response =
            self.write(status, &Outcome { data: None, errors: &errors, extensions: &BTreeMap::new() }, None);
        if let Some(seconds) = refusal.retry_after_seconds() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// The response to a request that was executed, or refused by parsing, validation or the guard. If a pacer is
    /// passed, the bytes count until the client has read them, and the operation's turn ends.
    pub(super) fn executed(&self, mut response: GraphqlResponse, pacer: Option<&Pacer>) -> Response {
        dress(&mut response.errors, &self.request_id, &self.limits, &self.telemetry);
        let refused = is_request_error(&response);
        let wait = response.errors.iter().filter_map(retry_after).max().filter(|_| refused);
        let unauthenticated = refused && response.errors.iter().any(|e| has_code(e, Code::Unauthenticated));
        let status = match (wait, self.media) {
            // As for an invalid token: the status does not depend on the media type.
            _ if unauthenticated => StatusCode::UNAUTHORIZED,
            // Clients and proxies decide by the status when to retry, whatever media type they accept.
            (Some(_), _) => StatusCode::TOO_MANY_REQUESTS,
            (None, Media::GraphqlResponse) if refused => StatusCode::BAD_REQUEST,
            (None, Media::GraphqlResponse | Media::Json) => StatusCode::OK,
        };
        let mut answer = self.write(status, &Outcome::of(&response), pacer);
        if let Some(seconds) = wait {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }

    fn write(&self, status: StatusCode, outcome: &Outcome<'_>, pacer: Option<&Pacer>) -> Response {
        // Serialisation of our own values cannot fail: only the limit ends it.
        let body = bounded::to_json(outcome, self.limits.answer_bytes).unwrap_or_else(|| {
            let mut errors = vec![too_long(&self.limits)];
            dress(&mut errors, &self.request_id, &self.limits, &self.telemetry);
            let outcome =
                Outcome { data: Some(&Value::Null), errors: &errors, extensions: outcome.extensions };
            serde_json::to_vec(&outcome).unwrap_or_else(|_| b"{}".to_vec())
        });
        let body = match pacer {
            Some(pacer) => in_flight::counted(body, pacer),
            None => Body::from(body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media.content_type()));
        response
    }
}

/// An execution result in the order of the specification. A request error has no `data` field.
#[derive(Serialize)]
pub(super) struct Outcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[ServerError]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl<'a> Outcome<'a> {
    /// The outcome of this response.
    pub(super) fn of(response: &'a GraphqlResponse) -> Self {
        let data = (!is_request_error(response)).then_some(&response.data);
        Self { data, errors: &response.errors, extensions: &response.extensions }
    }
}

/// The error that replaces a response over the size limit. The writes of a mutation remain committed.
pub(super) fn too_long(limits: &Limits) -> ServerError {
    let message = format!(
        "The answer has more than {} bytes (limits.answer_bytes). Ask for fewer rows or fields.",
        limits.answer_bytes
    );
    server_error(&Refusal::new(Code::TooComplex, message))
}

/// Whether the error has this code.
pub(super) fn has_code(error: &ServerError, code: Code) -> bool {
    let extensions = error.extensions.as_ref();
    extensions.and_then(|extensions| extensions.get("code")) == Some(&code.as_str().into())
}

/// Whether nothing was executed: no data, and no error that belongs to a field.
pub(super) fn is_request_error(response: &GraphqlResponse) -> bool {
    !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The number of seconds to wait, from an error about an exceeded budget; `None` for every other error.
fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfter") {
        Some(Value::Number(seconds)) if has_code(error, Code::RateLimited) => seconds.as_u64(),
        _ => None,
    }
}

/// Adds a code and the request's id to every error, counts the errors, and keeps the first twenty.
pub(super) fn dress(errors: &mut Vec<ServerError>, request_id: &str, limits: &Limits, telemetry: &Telemetry) {
    errors.truncate(MOST_ERRORS);
    for error in errors {
        let known = error.extensions.as_ref().and_then(|extensions| code_of(extensions.get("code")?));
        let code = known.unwrap_or_else(|| classify(error, limits));
        telemetry.refused(code);
        let extensions = error.extensions.get_or_insert_default();
        if known.is_none() {
            extensions.set("code", code.as_str());
        }
        extensions.set("requestId", request_id);
    }
}

/// The code in the extensions of an error.
fn code_of(value: &Value) -> Option<Code> {
    let Value::String(word) = value else { return None };
    Code::ALL.into_iter().find(|code| code.as_str() == word)
}

/// Converts a refusal into a GraphQL error.
pub(super) fn server_error(refusal: &Refusal) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", refusal.code.as_str());
    if !refusal.field.is_empty() {
        extensions.set("field", refusal.field.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if let Some(reason) = refusal.reason {
        extensions.set("reason", ErrorReason::from(reason).name());
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        extensions.set("retryAfter", seconds);
    }
    let mut error = ServerError::new(refusal.message.clone(), None);
    error.extensions = Some(extensions);
    error
}

/// Converts a failure into an HTTP status and the error for the client. The cause is logged once.
pub(super) fn explain(failure: Failure) -> (StatusCode, Refusal) {
    match failure {
        Failure::Refused(refusal) => {
            let status = match refusal.code {
                Code::Unauthenticated => StatusCode::UNAUTHORIZED,
                Code::Forbidden => StatusCode::FORBIDDEN,
                Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
                Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                Code::NotFound
                | Code::InvalidInput
                | Code::Conflict
                | Code::TooComplex
                | Code::PersistedQueryNotSupported => StatusCode::BAD_REQUEST,
            };
            (status, refusal)
        }
        Failure::Store(error) => {
            tracing::error!(error = error.chain(), "the look-up of the caller failed");
            match error {
                store::Error::Broken(_) | store::Error::Impossible(_) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, Refusal::internal())
                }
                store::Error::Collision(_)
                | store::Error::Unavailable(_)
                | store::Error::Busy
                | store::Error::Stopping => (StatusCode::SERVICE_UNAVAILABLE, Refusal::unavailable()),
            }
        }
    }
}

/// The code for an error of the GraphQL library, which has no code. If a limit was exceeded, the message names its value.
fn classify(error: &mut ServerError, limits: &Limits) -> Code {
    if error.message == "Query is nested too deep." {
        error.message = format!("The operation nests fields deeper than {} (limits.depth).", limits.depth);
        Code::TooComplex
    } else if error.message.starts_with("The recursion depth of the query cannot be greater than") {
        Code::TooComplex
    } else if error.message.starts_with("internal:") {
        tracing::error!(message = error.message, "the schema contradicts itself");
        error.message = Refusal::internal().message;
        Code::Internal
    } else {
        Code::InvalidInput
    }
}
