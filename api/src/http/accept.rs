//! The accept loop. It sets deadlines for the request head and for reading the response. On shutdown it waits
//! for the requests in progress. `admission` decides which connections are served.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use super::admission::Admission;
pub(super) use super::admission::Connection;
use super::linger::{Linger, Unread};
use super::send_deadline::SendDeadline;
use super::{GraphiqlFiles, Site, router};
use crate::app::App;
use crate::config::Limits;

/// Maximum length of a request head: address and headers together. Each connection may hold as much. A document
/// of the default `limits.query_bytes` fits into the address of a GET, where one character takes up to three bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// The part of `limits.shutdown_seconds` that is reserved for work after the last connection has ended.
const CLEANUP_TIME: Duration = Duration::from_secs(1);
/// How long the accept loop pauses when the process or the machine has no free file handle.
const PAUSE: Duration = Duration::from_millis(100);
/// Minimum time between two log lines about a failing accept.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// A connection over the maximum has this long to send the head of its request,
const REFUSED_HEAD: Duration = Duration::from_secs(1);
/// and this long in total, which is enough for a readiness response.
const REFUSED: Duration = Duration::from_secs(4);

/// Serves until `shutdown` resolves. Then it accepts no more connections, closes sockets with 1012, lets requests
/// in progress finish, and returns within `shutdown_seconds`.
///
/// # Errors
/// None after the start; an error of one connection ends that connection only.
pub(crate) async fn serve<E: Executor>(
    app: App,
    schema: E,
    graphiql: Option<GraphiqlFiles>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let telemetry = app.telemetry.clone();
    let (stop, stopping) = watch::channel(false);
    let site = Site { graphiql: graphiql.map(Arc::new), ..Site::new(app, schema, stopping.clone()) };
    let limits = Arc::clone(&site.limits);
    let router = router(site);
    let admission = Admission::new(Arc::clone(&limits), telemetry);
    let mut shutdown = pin!(shutdown);
    let mut logged: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(connection) = admission.admit(peer) {
                    // Responses are small and clients wait for them: Nagle's algorithm would only delay them.
                    let _ = stream.set_nodelay(true);
                    let serving = attend(stream, connection, router.clone(), &limits, stopping.clone());
                    tokio::spawn(serving);
                }
            }
            Err(error) if ended_early(&error) => {}
            Err(error) => {
                // Most likely no file handle is free. Connections that end free some.
                if logged.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
                    logged = Some(Instant::now());
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = &mut shutdown => break,
                }
            }
        }
    }
    drop(listener);
    let _ = stop.send(true);
    let patience = Duration::from_secs(limits.shutdown_seconds).saturating_sub(CLEANUP_TIME);
    if timeout(patience, admission.ended()).await.is_err() {
        tracing::warn!("closed connections that did not end in time (limits.shutdown_seconds)");
    }
    Ok(())
}

/// Whether the error concerns one connection that ended before it was accepted.
fn ended_early(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves a connection, or answers one request if the connection is over the maximum.
fn attend(
    stream: TcpStream,
    connection: Connection,
    router: Router,
    limits: &Limits,
    stopping: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let stream = SendDeadline::new(stream, limits);
    let header = Duration::from_secs(limits.header_seconds);
    async move {
        if connection.is_refused() {
            let refusing = serve_connection(stream, connection, router, REFUSED_HEAD.min(header), stopping);
            let _ = timeout(REFUSED, refusing).await;
        } else {
            serve_connection(stream, connection, router, header, stopping).await;
        }
    }
}

/// Serves the requests of one connection until it ends, or until it is idle during shutdown.
pub(super) async fn serve_connection<S>(
    stream: S,
    connection: Connection,
    router: Router,
    header: Duration,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unread = Unread::default();
    let stream = Linger::new(stream, unread.clone());
    let once = connection.is_refused();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        let unread = unread.clone();
        let answer = router.clone().oneshot(request.map(|body| unread.watch(body)));
        async move {
            let mut response = answer.await.map_err(|never: Infallible| never)?;
            // The server closes the connection after a response to an unread body, and announces this to the client.
            if unread.is_set() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header)
            .max_buf_size(HEAD_BYTES)
            .keep_alive(!once)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    // A connection that breaks is not a server error.
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

#[cfg(test)]
mod tests;
