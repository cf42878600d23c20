//! The operations listener: metrics and health at a separate address, so that they respond when the main listener
//! is full. It requires no token: the operator decides who can reach the address.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::{hosts, pages};
use crate::app::App;
use crate::refusal::Code;

/// Maximum number of connections. One more closes the oldest, so idle clients cannot block a probe.
const CONNECTIONS: usize = 64;
/// How long a connection may stay idle or take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection lives. A client that does not read frees its place after this time.
const LIFE: Duration = Duration::from_secs(60);
/// The format of the metrics.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves metrics and health until `stop` turns true; `stopping` turns true as soon as the server begins to stop.
pub(crate) async fn serve_operations(
    app: App,
    listener: TcpListener,
    stopping: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let router = router(app, stopping);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() >= CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tokio::spawn(serve_connection(stream, router.clone())).abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of the operations listener could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { answer.await.map_err(|never: Infallible| never) }
    });
    let serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    let _ = timeout(LIFE, serving).await;
}

/// The state of the routes.
#[derive(Clone)]
struct Operations {
    app: App,
    stopping: watch::Receiver<bool>,
}

pub(super) fn router(app: App, stopping: watch::Receiver<bool>) -> Router {
    let operations = Operations { app, stopping };
    Router::new()
        .route("/health/live", get(pages::live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || {
            let message = "Metrics are at /metrics, health at /health/live and /health/ready.";
            refused(StatusCode::NOT_FOUND, Code::NotFound, message)
        })
        .method_not_allowed_fallback(async || {
            refused(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidInput, "Send GET to this address.")
        })
        .layer(from_fn_with_state(operations.clone(), check_host))
        .with_state(operations)
}

async fn check_host(State(operations): State<Operations>, request: Request, next: Next) -> Response {
    if hosts::is_for_operations(&operations.app.config, &request) {
        return next.run(request).await;
    }
    let message = "The demo does not accept this host name. Use localhost.";
    refused(StatusCode::MISDIRECTED_REQUEST, Code::Forbidden, message)
}

fn refused(status: StatusCode, code: Code, message: &str) -> Response {
    let error = json!({ "message": message, "extensions": { "code": code.as_str() } });
    (status, Json(json!({ "errors": [error] }))).into_response()
}

async fn ready(State(operations): State<Operations>) -> Response {
    pages::readiness(&operations.app, *operations.stopping.borrow())
}

async fn metrics(State(Operations { app, .. }): State<Operations>) -> Response {
    app.telemetry.observe(&app);
    let headers =
        [(CONTENT_TYPE, PROMETHEUS), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, app.telemetry.text()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::request::Builder;
    use chrono::DateTime;
    use serde_json::{Value, json};
    use tokio::time::{advance, pause};

    use super::*;
    use crate::clock::Clock;
    use crate::config::{Config, Profile};

    fn app() -> App {
        App::for_tests(Config::demo(), Clock::hand(DateTime::UNIX_EPOCH))
    }

    async fn get(app: &App, stopping: bool, path: &str) -> (u16, String) {
        ask(app, stopping, Request::get(path).header("host", "localhost")).await
    }

    async fn ask(app: &App, stopping: bool, request: Builder) -> (u16, String) {
        let (_stop, stopping) = watch::channel(stopping);
        let request = request.body(Body::empty()).unwrap();
        let response = router(app.clone(), stopping).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn ready(app: &App, stopping: bool) -> (u16, Value) {
        let (status, body) = get(app, stopping, "/health/ready").await;
        (status, serde_json::from_str(&body).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_the_loops_that_are_late() {
        pause();
        let app = app();
        let (lane, hub) =
            (app.pulse.watch("batcher lane 1", Duration::from_secs(10)), app.pulse.watch("hub", HEAD));
        lane.begin_turn();
        hub.begin_turn();
        hub.end_turn();
        assert_eq!(ready(&app, false).await, (200, json!({"status": "ready"})));
        advance(Duration::from_secs(11)).await;
        let late = json!({"late": ["batcher lane 1"], "status": "unavailable"});
        assert_eq!(ready(&app, false).await, (503, late));
        assert_eq!(ready(&app, true).await, (503, json!({"status": "stopping"})));
        lane.end_turn();
        assert_eq!(ready(&app, false).await, (200, json!({"status": "ready"})));
        assert_eq!(get(&app, true, "/health/live").await, (200, "{\"status\":\"live\"}".to_owned()));
    }

    #[tokio::test]
    async fn other_addresses_methods_and_hosts_get_an_error() {
        let error = |message: &str, code: &str| {
            json!({"errors": [{"message": message, "extensions": {"code": code}}]}).to_string()
        };
        let nothing =
            error("Metrics are at /metrics, health at /health/live and /health/ready.", "NOT_FOUND");
        for path in ["/", "/graphql", "/graphiql", "/badges/secret-rare.svg"] {
            assert_eq!(get(&app(), false, path).await, (404, nothing.clone()), "{path}");
        }
        let posted = Request::post("/metrics").header("host", "localhost");
        let wrong = error("Send GET to this address.", "INVALID_INPUT");
        assert_eq!(ask(&app(), false, posted).await, (405, wrong));
        let foreign = Request::get("/metrics").header("host", "attacker.example");
        let misdirected = error("The demo does not accept this host name. Use localhost.", "FORBIDDEN");
        assert_eq!(ask(&app(), false, foreign).await, (421, misdirected));
        let mut production = Config::demo();
        production.profile = Profile::Production;
        let app = App::for_tests(production, Clock::hand(DateTime::UNIX_EPOCH));
        let by_address = Request::get("/health/live").header("host", "10.0.0.7:9100");
        assert_eq!(ask(&app, false, by_address).await.0, 200);
    }
}
