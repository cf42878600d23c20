//! Routes and the middleware of every request. The only module that uses axum and hyper.
//! From outside to inside: `accept`, `middleware`, `hosts`, `admission`, `graphql` and `socket`, `operation`, `answer`.

mod accept;
mod address;
mod admission;
mod answer;
mod body;
mod bounded;
mod graphiql;
mod graphql;
mod hosts;
mod identity;
mod in_flight;
mod linger;
mod media;
mod middleware;
mod operation;
mod operations;
mod pages;
mod params;
mod quota;
mod request_id;
mod send_deadline;
mod socket;
#[cfg(test)]
mod tests;
mod unsubscribe;

pub(crate) use accept::serve;
pub(crate) use graphiql::GraphiqlFiles;
pub(crate) use operations::serve_operations;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{any, get};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::app::App;
use crate::budget::Subject;
use crate::config::{Config, Limits};
use body::Bodies;
use quota::Quota;
use request_id::{X_CLIENT_REQUEST_ID, X_REQUEST_ID};
use socket::memory::Memory;

/// The state shared by all handlers.
#[derive(Clone)]
struct Site<E> {
    app: App,
    schema: E,
    /// The limits, shared with every response.
    limits: Arc<Limits>,
    /// Turns true once, when the server begins to stop.
    stopping: watch::Receiver<bool>,
    /// The sockets of each caller.
    connection_limit: Arc<Quota<Subject>>,
    /// The memory of operations on sockets.
    memory: Arc<Memory>,
    /// The memory held by request bodies.
    bodies: Arc<Bodies>,
    /// The files of GraphiQL, if the settings name a folder. Otherwise browsers load them from a CDN.
    graphiql: Option<Arc<GraphiqlFiles>>,
}

impl<E: Executor> Site<E> {
    fn new(app: App, schema: E, stopping: watch::Receiver<bool>) -> Self {
        let limits = Arc::new(app.config.limits.clone());
        let bodies = Arc::new(Bodies::new(app.telemetry.clone()));
        Self {
            app,
            schema,
            limits,
            stopping,
            connection_limit: Arc::default(),
            memory: Arc::default(),
            bodies,
            graphiql: None,
        }
    }
}

fn router<E: Executor>(site: Site<E>) -> Router {
    let mut router = Router::new()
        .route("/graphql", any(graphql::respond::<E>))
        .route("/health/live", get(pages::live))
        .route("/health/ready", get(pages::ready::<E>))
        .route("/badges/{*file}", get(pages::badge::<E>))
        .route("/unsubscribe", get(unsubscribe::ask::<E>).post(unsubscribe::confirm::<E>));
    if site.app.config.is_demo() {
        router = router
            .route("/", get(async || Redirect::temporary("/graphiql")))
            .route("/graphiql", get(graphiql::page::<E>))
            .route("/graphiql/{file}", get(graphiql::file::<E>));
    }
    router
        .fallback(pages::no_such_address)
        .method_not_allowed_fallback(pages::wrong_method)
        .layer(from_fn_with_state(site.clone(), middleware::catch_panics::<E>))
        .layer(from_fn_with_state(site.clone(), admission::each_request::<E>))
        .layer(cors(Arc::clone(&site.app.config)))
        .layer(from_fn_with_state(site.clone(), hosts::each_request::<E>))
        .layer(from_fn_with_state(site.clone(), middleware::every_request::<E>))
        .with_state(site)
}

/// Headers that front-end libraries add: traces, and the client's name and version. The server reads only `traceparent`.
const OF_CLIENTS: [&str; 9] = [
    "apollographql-client-name",
    "apollographql-client-version",
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-apollo-operation-id",
    "x-apollo-operation-name",
    "apollo-require-preflight",
];

/// Pages of the allowed origins may call, and may read the request ids and the retry time.
fn cors(config: Arc<Config>) -> CorsLayer {
    let allowed =
        move |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| config.allows_origin(origin));
    let own = [AUTHORIZATION, CONTENT_TYPE, X_REQUEST_ID];
    let headers = own.into_iter().chain(OF_CLIENTS.map(HeaderName::from_static)).collect::<Vec<_>>();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| allowed(origin)))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers)
        .expose_headers([X_REQUEST_ID, X_CLIENT_REQUEST_ID, RETRY_AFTER])
        .max_age(Duration::from_secs(3_600))
}
