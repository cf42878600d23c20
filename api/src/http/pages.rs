//! Everything except GraphQL and GraphiQL: health, badge pictures, and 404.

use async_graphql::Executor;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::catalog::achievement_id;
use serde_json::json;

use super::Site;
use super::request_id::RequestId;
use crate::app::App;
use crate::catalogue::rarity_word;
use crate::refusal::Code;
use crate::render;

/// Liveness: the process runs.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// Readiness: whether a load balancer should send requests here.
pub(super) async fn ready<E: Executor>(State(site): State<Site<E>>) -> Response {
    readiness(&site.app, *site.stopping.borrow())
}

/// Ready while every loop runs in time, including the database ping. It reads what the loops have recorded and
/// waits for nothing, so it responds even when the database does not.
pub(super) fn readiness(app: &App, stopping: bool) -> Response {
    let late = app.pulse.late();
    let (status, body) = match (stopping, late.is_empty()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "stopping" })),
        (false, true) => (StatusCode::OK, json!({ "status": "ready" })),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "late": late, "status": "unavailable" })),
    };
    (status, Json(body)).into_response()
}

/// The picture of one achievement, `/badges/<key>.svg`; of a secret achievement, `/badges/secret-<rarity>.svg`.
pub(super) async fn badge<E: Executor>(
    State(site): State<Site<E>>,
    Extension(request_id): Extension<RequestId>,
    file: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(file)) = file else {
        let message = "The address is not UTF-8 text. Pictures are at /badges/<key>.svg.";
        return error_response(StatusCode::BAD_REQUEST, Code::InvalidInput, &request_id, message);
    };
    match file.strip_suffix(".svg").and_then(|key| draw(&site.app, key)) {
        Some(picture) => picture_response(picture),
        None => not_found(&request_id, "This badge does not exist. Pictures are at /badges/<key>.svg."),
    }
}

/// The response at every other address.
pub(super) async fn no_such_address(Extension(request_id): Extension<RequestId>) -> Response {
    not_found(&request_id, "This address does not exist. GraphQL is at /graphql.")
}

/// The response to a method other than GET.
pub(super) async fn wrong_method(Extension(request_id): Extension<RequestId>, _request: Request) -> Response {
    error_response(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::InvalidInput,
        &request_id,
        "This address supports only GET.",
    )
}

/// The picture with this name: of an achievement that is or was published, or of a rarity's secret achievements.
fn draw(app: &App, picture: &str) -> Option<String> {
    if let Some(rarity) = picture.strip_prefix("secret-") {
        let known = ["common", "rare", "epic", "legendary"].contains(&rarity);
        return known.then(|| render::badge("Secret", "secret", rarity));
    }
    let published = app.catalogue.current();
    let known = published.achievements.get(&achievement_id(picture))?;
    let definition = &known.definition;
    let drawn = || render::badge(&definition.name, &definition.category, rarity_word(definition.rarity));
    (known.picture() == picture).then(drawn)
}

fn picture_response(picture: String) -> Response {
    let mut response = Response::new(Body::from(picture));
    set(&mut response, CONTENT_TYPE, "image/svg+xml; charset=utf-8");
    // A picture changes only when a pack is published. An outdated picture does no harm.
    set(&mut response, CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=86400");
    set(
        &mut response,
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
    );
    response
}

pub(super) fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

pub(super) fn not_found(request_id: &RequestId, message: &str) -> Response {
    error_response(StatusCode::NOT_FOUND, Code::NotFound, request_id, message)
}

fn error_response(status: StatusCode, code: Code, request_id: &RequestId, message: &str) -> Response {
    let extensions = json!({ "code": code.as_str(), "requestId": &*request_id.0 });
    (status, Json(json!({ "errors": [{ "message": message, "extensions": extensions }] }))).into_response()
}
