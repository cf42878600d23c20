//! Common properties of every response: our request id, security headers, and the structure of errors.

use async_graphql::{Response, ServerError};
use serde_json::json;
use uuid::Uuid;

use super::{StatusCode, ask, request, send};
use crate::config::Limits;
use crate::http::answer::{ResponseContext, server_error};
use crate::http::media::Media;
use crate::refusal::{Code, Reason, Refusal};
use crate::telemetry::Telemetry;

#[tokio::test]
async fn every_response_has_our_request_id_and_security_headers() {
    for uri in
        ["/graphql?query=%7Bhello%7D", "/graphql", "/graphiql", "/health/live", "/nowhere", "/badges/%ff"]
    {
        let answer = send(request("GET", uri, &[("x-request-id", "my own")], "")).await;
        let id = Uuid::parse_str(answer.header("x-request-id")).unwrap();
        assert_eq!(id.get_version_num(), 7, "{uri}");
        let names = ["x-client-request-id", "x-content-type-options", "x-frame-options", "cache-control"];
        assert_eq!(names.map(|name| answer.header(name)), ["myown", "nosniff", "DENY", "no-store"], "{uri}");
        assert_eq!(answer.header("content-security-policy"), "frame-ancestors 'none'", "{uri}");
    }
    assert_eq!(ask("{ hello }", &[]).await.headers.get("x-client-request-id"), None);
}

#[tokio::test]
async fn pictures_have_a_sandbox_policy() {
    let answer = send(request("GET", "/badges/secret-epic.svg", &[], "")).await;
    assert_eq!(answer.header("content-type"), "image/svg+xml; charset=utf-8");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";
    assert_eq!(answer.header("content-security-policy"), policy);
}

#[tokio::test]
async fn every_refusal_is_json_with_a_code() {
    for (method, uri, status, code) in [
        ("GET", "/badges/%ff.svg", 400, "INVALID_INPUT"),
        ("GET", "/badges/%2e%2e%2fx.svg", 404, "NOT_FOUND"),
        ("GET", "/badges/", 404, "NOT_FOUND"),
        ("GET", "/%ff", 404, "NOT_FOUND"),
        ("POST", "/badges/x.svg", 405, "INVALID_INPUT"),
        ("TRACE", "/graphql", 405, "INVALID_INPUT"),
        ("PATCH", "/health/ready", 405, "INVALID_INPUT"),
        ("GET", "/graphql?query=%ff", 200, "INVALID_INPUT"),
    ] {
        let answer = send(request(method, uri, &[], "")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{method} {uri}");
        assert!(answer.header("content-type").starts_with("application/json"), "{method} {uri}");
        let id = answer.header("x-request-id");
        assert_eq!(answer.error()["extensions"]["requestId"], json!(id), "{method} {uri}");
    }
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let answer = send(request("GET", "/graphql", &upgrade, "")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "INVALID_INPUT"));
}

#[test]
fn an_operation_over_its_budget_is_429_with_the_time_to_wait() {
    let limited = Refusal::rate_limited("Too much (limits.x).", std::time::Duration::from_millis(2_500));
    for media in [Media::Json, Media::GraphqlResponse] {
        let response_context = ResponseContext {
            media,
            request_id: "r".into(),
            limits: Limits::default().into(),
            telemetry: Telemetry::new(),
        };
        let refused = |refusal: &Refusal| {
            let response = Response::from_errors(vec![server_error(refusal)]);
            let answer = response_context.executed(response, None);
            let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            (answer.status().as_u16(), wait)
        };
        assert_eq!(refused(&limited), (429, Some("3".to_owned())));
        let other = if media == Media::Json { 200 } else { 400 };
        assert_eq!(refused(&Refusal::new(Code::TooComplex, "no")), (other, None));
    }
}

#[tokio::test]
async fn an_unknown_address_is_a_json_404() {
    let answer = send(request("GET", "/nowhere", &[], "")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer.error()["extensions"],
        json!({ "code": "NOT_FOUND", "requestId": answer.header("x-request-id") })
    );
    let answer = send(request("POST", "/health/live", &[], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD"));
}

#[test]
fn an_error_that_has_a_code_keeps_it() {
    let mut errors =
        vec![server_error(&Refusal::invalid(["input", "id"], "wrong").because(Reason::IdReused))];
    crate::http::answer::dress(&mut errors, "r-1", &Limits::default(), &Telemetry::new());
    assert_eq!(
        serde_json::to_value(&errors).unwrap(),
        json!([{ "message": "wrong", "extensions":
            { "code": "INVALID_INPUT", "field": ["input", "id"], "reason": "ID_REUSED", "requestId": "r-1" } }])
    );
    let pathless = Response::from_errors(vec![ServerError::new("x", None)]);
    assert!(crate::http::answer::is_request_error(&pathless));
}

#[test]
fn internal_errors_have_the_same_form_everywhere() {
    let errors: [(fn() -> crate::store::Error, u16); 2] =
        [(|| crate::store::Error::Busy, 503), (|| crate::store::Error::Impossible("a row".to_owned()), 500)];
    for (error, status) in errors {
        let (told, refusal) = crate::http::answer::explain(error().into());
        let in_a_field = async_graphql::Error::from(crate::graphql::fault::Fault::from(error()));
        assert_eq!(told.as_u16(), status);
        assert_eq!(in_a_field.message, refusal.message);
    }
}
