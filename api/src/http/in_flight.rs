//! HTTP responses that clients have not read yet: their bytes count against the caller.

use axum::body::{Body, Bytes};

use crate::budget::turns::{Pacer, Unread};

/// A body that counts until its bytes are written or dropped. The turn of its operation ends here, after the
/// bytes have started to count.
pub(super) fn counted(body: Vec<u8>, pacer: &Pacer) -> Body {
    let unread = pacer.count(body.len());
    pacer.release();
    Body::from(Bytes::from_owner(Counted { body, _unread: unread }))
}

/// The connection shares these bytes until it has written them all.
struct Counted {
    body: Vec<u8>,
    _unread: Unread,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::response::Response;
    use futures_util::FutureExt;
    use serde_json::{Value, json};
    use tokio::time::{Instant, pause};
    use tower::ServiceExt;

    use crate::config::Config;
    use crate::http::router;
    use crate::http::tests::{site, token};

    /// A server with these settings, and the token of a service.
    fn server(config: Config) -> (Router, String) {
        pause();
        let (site, _) = site(config);
        let token = token(&site.app, "crm");
        (router(site), token)
    }

    async fn ask((router, token): &(Router, String), query: &str) -> Response {
        let request = Request::post("/graphql")
            .header("host", "server")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(json!({ "query": query }).to_string()));
        router.clone().oneshot(request.unwrap()).await.unwrap()
    }

    async fn check_refused(response: Response, message: &str) {
        assert_eq!(response.status().as_u16(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body(), 4_096).await.unwrap()).unwrap();
        let error = &body["errors"][0];
        assert_eq!(error["message"], message);
        assert_eq!(error["extensions"]["code"], "RATE_LIMITED");
        assert_eq!(error["extensions"]["retryAfter"], 1);
    }

    #[tokio::test]
    async fn a_request_waits_two_seconds_for_its_turn_and_is_then_refused() {
        let mut config = Config::demo();
        config.limits.operations_at_once_service = 1;
        let server = server(config);
        let mut first = Box::pin(ask(&server, "{ never }"));
        assert!(first.as_mut().now_or_never().is_none());
        let start = Instant::now();
        let message = "At most 1 operations of one caller execute at the same time \
                       (limits.operations_at_once_service). Send the request again when one has ended.";
        check_refused(ask(&server, "{ hello }").await, message).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        let mut waiting = Box::pin(ask(&server, "{ hello }"));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(waiting.await.status().as_u16(), 200);
    }

    #[tokio::test]
    async fn a_caller_that_does_not_take_its_answers_gets_no_more_of_them() {
        let mut config = Config::demo();
        // A hundred bytes for one caller: one response of 78 bytes fits, and after the second there is no room.
        config.limits.answer_bytes_in_flight = 1_600;
        let server = server(config);
        let unread = (ask(&server, "{ hello }").await, ask(&server, "{ hello }").await);
        let message = "Your unread answers exceed 100 bytes (a sixteenth of limits.answer_bytes_in_flight). Read them, \
                       then retry.";
        check_refused(ask(&server, "{ hello }").await, message).await;
        let bytes = to_bytes(unread.0.into_body(), 4_096).await.unwrap();
        assert_eq!(
            bytes,
            r#"{"data":{"hello":"world"},"extensions":{"cost":{"requested":1,"limit":10000}}}"#
        );
        // The test still holds the bytes that it has read; they count until it drops them.
        check_refused(ask(&server, "{ hello }").await, message).await;
        drop(bytes);
        assert_eq!(ask(&server, "{ hello }").await.status().as_u16(), 200);
    }
}
