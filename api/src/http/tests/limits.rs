//! Limits of bodies, by sender.

use serde_json::json;

use super::{Answer, JSON, NEW, StatusCode, pass, request, send, site, token};
use crate::config::Config;
use crate::http::router;

/// The answer to a body of this many bytes, with or without a token.
async fn post(bytes: usize, signed_in: bool) -> Answer {
    let (site, _stop) = site(Config::demo());
    let authorization = format!("Bearer {}", token(&site.app, "crm"));
    let start = json!({ "query": "{__typename}", "variables": { "x": "" } }).to_string();
    let body = start.replace("\"\"", &format!("\"{}\"", "y".repeat(bytes - start.len())));
    assert_eq!(body.len(), bytes);
    let authorization = ("authorization", authorization.as_str());
    let headers = [JSON, authorization];
    let headers = if signed_in { &headers[..] } else { &headers[..1] };
    pass(router(site), request("POST", "/graphql", headers, &body)).await
}

#[tokio::test]
async fn a_body_without_a_token_is_short() {
    assert_eq!(post(65_536, false).await.status, 200);
    let answer = post(65_537, false).await;
    let message = "Without a token a body has at most 65536 bytes (limits.anonymous_body_bytes). Sign in, or send less.";
    assert_eq!((answer.status.as_u16(), answer.error()["message"].as_str()), (413, Some(message)));
    assert_eq!(post(65_537, true).await.status, 200);
    assert_eq!(post(2_097_152, true).await.status, 200);
    let answer = post(2_097_153, true).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "TOO_COMPLEX"));
}

#[tokio::test]
async fn a_token_that_is_not_valid_reads_no_body() {
    let (site, _stop) = site(Config::demo());
    let bodies = std::sync::Arc::clone(&site.bodies);
    let body =
        axum::body::Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let mut request = request("POST", "/graphql", &[JSON, ("authorization", "Bearer a.b.c")], "");
    *request.body_mut() = body;
    // The body never arrives: the response does not wait for it.
    assert_eq!(pass(router(site), request).await.status, 401);
    assert_eq!(bodies.holders(), 0);
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_413_in_the_negotiated_type() {
    let body = json!({ "query": "{hello}", "variables": { "x": "y".repeat(1_000) } }).to_string();
    let answer = send(request("POST", "/graphql", &[JSON, NEW], &body)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "TOO_COMPLEX"));
    assert_eq!(answer.header("content-type"), "application/graphql-response+json; charset=utf-8");
    assert_eq!(
        answer.error()["message"],
        "The body has more than 1000 bytes (limits.body_bytes). Send less in one request."
    );
}
