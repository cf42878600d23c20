//! The id that ties a request, its answer and its log lines together: the client's if it is fit, else ours.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, Utc};

use crate::id;

/// The header it comes in and goes out by.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request at hand, kept in its extensions.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// The client's id if it is 1 to 128 visible ASCII characters, else a new one.
pub(super) fn take_or_make(headers: &HeaderMap, now: DateTime<Utc>) -> RequestId {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let fit =
        given.filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    RequestId(fit.map_or_else(|| id::new(now).to_string().into(), Into::into))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::{X_REQUEST_ID, take_or_make};

    #[track_caller]
    fn check(given: &str, taken: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).unwrap());
        let id = take_or_make(&headers, DateTime::<Utc>::UNIX_EPOCH).0;
        assert_eq!(&*id == given, taken, "{given:?} became {id:?}");
        assert_eq!(Uuid::parse_str(&id).is_err(), taken, "{given:?} became {id:?}");
    }

    #[test]
    fn a_fit_id_is_taken_and_any_other_replaced() {
        check("a", true);
        check("trace/42:~!", true);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        check("", false);
        check("a b", false);
        check("a\tb", false);
        check("é", false);
    }

    #[test]
    fn without_an_id_one_is_made() {
        assert!(Uuid::parse_str(&take_or_make(&HeaderMap::new(), DateTime::<Utc>::UNIX_EPOCH).0).is_ok());
    }
}
