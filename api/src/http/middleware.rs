//! Middleware of every request: its id, security headers for browsers, one log line, and a catch for panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use tracing::Instrument;
use tracing::field::Empty;

use super::Site;
use super::answer::ResponseContext;
use super::media::Media;
use super::request_id::{RequestId, X_CLIENT_REQUEST_ID, X_REQUEST_ID, make, of_client};
use crate::refusal::Refusal;
use crate::trace::{self, TRACEPARENT};

/// Maximum length of a logged path.
const LOGGED_PATH: usize = 200;

/// The caller of a request as logged. The handler attaches it to the response.
#[derive(Clone)]
pub(super) struct Logged(pub(super) Arc<str>);

/// Assigns the request id, adds the common response headers, and writes one log line.
/// The line has no query and no header, because they may contain tokens and names.
pub(super) async fn every_request<E>(
    State(site): State<Site<E>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let request_id = make(site.app.clock.now());
    let client_request_id = of_client(request.headers());
    request.extensions_mut().insert(request_id.clone());
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(LOGGED_PATH).collect();

    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let logged = tracing::info_span!("request", id = %request_id.0);
    let span = tracing::info_span!(
        target: trace::TARGET,
        parent: None,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty,
        request_id = %request_id.0,
    );
    trace::go_on(&span, request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()));
    let mut response = next.run(request).instrument(span.clone()).instrument(logged).await;
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }

    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    if let Some(value) = client_request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(X_CLIENT_REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A page that shows ours in a frame could make its visitors click there.
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let framed = HeaderValue::from_static("frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(framed);
    // A badge picture sets its own cache time.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let caller = response.extensions().get::<Logged>().map(|caller| &*caller.0);
    let status = response.status().as_u16();
    tracing::info!(%method, path, status, caller, ms, request_id = %request_id.0, client_request_id, "answered");
    response
}

/// Answers a panic with an internal error. The panic hook has logged the cause.
pub(super) async fn catch_panics<E>(State(site): State<Site<E>>, request: Request, next: Next) -> Response {
    let response_context = response_context(&site, &request);
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a request panicked");
        response_context.refused(StatusCode::INTERNAL_SERVER_ERROR, &Refusal::internal())
    })
}

/// The response context of this request.
pub(super) fn response_context<E>(site: &Site<E>, request: &Request) -> ResponseContext {
    let request_id = request.extensions().get::<RequestId>();
    ResponseContext {
        media: Media::of_answer(request.headers()),
        request_id: request_id.map_or_else(|| Arc::from(""), |id| Arc::clone(&id.0)),
        limits: Arc::clone(&site.limits),
        telemetry: site.app.telemetry.clone(),
    }
}
