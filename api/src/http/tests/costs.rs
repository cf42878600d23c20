//! The requests that are charged, and those that are not.

use axum::Router;
use axum::http::StatusCode;
use chrono::TimeDelta;
use tower::ServiceExt;
use uuid::Uuid;

use super::{JSON, request, router, site};
use crate::auth::Role;
use crate::config::Config;

/// The small site with budgets of 20 units, and the authorization of a student.
fn narrow() -> (Router, String) {
    let mut config = Config::demo();
    config.limits.cost_per_minute = 20;
    let (site, _) = site(config);
    let student = Uuid::from_u128(1).to_string();
    let token =
        site.app.keys.mint(&student, Role::Student, None, TimeDelta::minutes(1), site.app.clock.now());
    (router(site), format!("Bearer {}", token.unwrap()))
}

async fn status(router: &Router, headers: &[(&str, &str)], body: &str) -> StatusCode {
    let headers: Vec<_> = [JSON].into_iter().chain(headers.iter().copied()).collect();
    router.clone().oneshot(request("POST", "/graphql", &headers, body)).await.unwrap().status()
}

#[tokio::test]
async fn a_failure_of_the_database_is_not_charged() {
    let (router, authorization) = narrow();
    let hello = r#"{"query":"{ hello }"}"#;
    for _ in 0..3 {
        let answered = status(&router, &[("authorization", &authorization)], hello).await;
        assert!(answered.is_server_error(), "{answered}");
    }
    assert_eq!(status(&router, &[], r#"{"query":"{ __typename }"}"#).await, StatusCode::OK);
}

#[tokio::test]
async fn invalid_requests_are_charged_until_the_budget_is_exceeded() {
    let (router, _) = narrow();
    // The first spends the budget, the second leaves a debt.
    assert_eq!(status(&router, &[], "{").await, StatusCode::BAD_REQUEST);
    assert_eq!(status(&router, &[], "{").await, StatusCode::BAD_REQUEST);
    assert_eq!(status(&router, &[], "{").await, StatusCode::TOO_MANY_REQUESTS);
}
