//! The id that connects a request, its response, its log lines and its audit entries. The server creates it. An
//! id that the client sends is logged and returned in a separate header.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, Utc};

use crate::id;

/// The header that carries the server's id in an answer, and the client's in a request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that repeats the client's id in the answer.
pub(super) const X_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// A longer client id is cut to this length.
const LONGEST: usize = 128;

/// The id of the current request, stored in its extensions.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// Creates a new id.
pub(super) fn make(now: DateTime<Utc>) -> RequestId {
    RequestId(id::new(now).to_string().into())
}

/// The id that the client sent: its visible ASCII characters, at most 128; `None` without any.
pub(super) fn of_client(headers: &HeaderMap) -> Option<String> {
    let sent = headers.get(X_REQUEST_ID)?.as_bytes();
    let visible = sent.iter().filter(|byte| byte.is_ascii_graphic()).take(LONGEST);
    let id: String = visible.map(|byte| char::from(*byte)).collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{X_REQUEST_ID, of_client};

    #[track_caller]
    fn check(sent: &str, kept: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(sent.as_bytes()).unwrap());
        assert_eq!(of_client(&headers).as_deref(), kept, "{sent:?}");
    }

    #[test]
    fn a_client_id_is_reduced_to_characters_that_fit_a_log_line() {
        check("a", Some("a"));
        check("trace/42:~!", Some("trace/42:~!"));
        check(&"x".repeat(128), Some(&"x".repeat(128)));
        check(&"x".repeat(129), Some(&"x".repeat(128)));
        check("a b\tc", Some("abc"));
        check("aéb", Some("ab"));
        check("", None);
        check(" é ", None);
        assert_eq!(of_client(&HeaderMap::new()), None);
    }
}
