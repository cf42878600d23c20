//! The operations listener: metrics and health at an address of its own, so that they answer when the main
//! listener is full. It asks for no token: the operator decides who can reach the address.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::pages;
use crate::app::App;

/// Connections at once; more are closed at once.
const CONNECTIONS: usize = 64;
/// How long a connection may stay idle or take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection lives: a client that does not read keeps its place no longer.
const LIFE: Duration = Duration::from_secs(60);
/// The format of the metrics.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves metrics and health until `stop` turns true; `stopping` turns true as soon as the server is told to stop.
pub(crate) async fn serve_operations(
    app: App,
    listener: TcpListener,
    stopping: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let router = router(app, stopping);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    tokio::spawn(converse(stream, place, router.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of the operations listener could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, place: OwnedSemaphorePermit, router: Router) {
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
    drop(place);
}

/// What the routes use.
#[derive(Clone)]
struct Operations {
    app: App,
    stopping: watch::Receiver<bool>,
}

pub(super) fn router(app: App, stopping: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/health/live", get(pages::live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Operations { app, stopping })
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
    use axum::http::Request;
    use chrono::DateTime;
    use serde_json::{Value, json};
    use tokio::time::{advance, pause};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    fn app() -> App {
        App::for_tests(Config::demo(), Clock::hand(DateTime::UNIX_EPOCH))
    }

    async fn get(app: &App, stopping: bool, path: &str) -> (u16, String) {
        let (_stop, stopping) = watch::channel(stopping);
        let request = Request::get(path).body(Body::empty()).unwrap();
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
    async fn nothing_but_metrics_and_health_is_served() {
        for path in ["/", "/graphql", "/graphiql", "/badges/secret-rare.svg"] {
            assert_eq!(get(&app(), false, path).await, (404, String::new()), "{path}");
        }
    }
}
