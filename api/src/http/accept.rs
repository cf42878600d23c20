//! The accept loop: a cap on connections, a deadline for the head of a request, and an end that waits
//! for what is under way.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::{Site, router};
use crate::app::App;
use crate::telemetry::{Counted, Open};

/// The head of a request, address and headers together, is at most this long.
const HEAD_BYTES: usize = 128 * 1024;
/// What the end of the process keeps for itself after the last connection is gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One connection, as its requests and its socket know it. Its place is free once the last clone is gone.
#[derive(Clone)]
pub(super) struct Connection {
    /// The other end.
    pub(super) peer: SocketAddr,
    _place: Arc<OwnedSemaphorePermit>,
    _counted: Option<Arc<Counted>>,
}

/// Serves until `shutdown` resolves; then takes no more connections, closes sockets with 1012, lets requests
/// under way finish, and returns within `shutdown_seconds`.
///
/// # Errors
/// None after the start; a connection that fails is its own trouble.
pub(crate) async fn serve<E: Executor>(
    app: App,
    schema: E,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let limits = app.config.limits.clone();
    let telemetry = app.telemetry.clone();
    let (stop, stopping) = watch::channel(false);
    let router = router(Site::new(app, schema, stopping.clone()));
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            // A closed semaphore would be a reason to stop, but nobody closes it.
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, peer) = listener.accept().await?;
            let counted = Some(Arc::new(telemetry.open(Open::Connection)));
            Ok::<_, io::Error>((stream, Connection { peer, _place: Arc::new(place), _counted: counted }))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, connection)) => {
                // Answers are small and awaited: waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                let header = Duration::from_secs(limits.header_seconds);
                tokio::spawn(converse(stream, connection, router.clone(), header, stopping.clone()));
            }
            Err(error) => {
                // Out of file handles, most likely: give others time to close some.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let _ = stop.send(true);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let patience = Duration::from_secs(limits.shutdown_seconds).saturating_sub(LAST_WORDS);
    if timeout(patience, places.acquire_many(all)).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
    Ok(())
}

/// Answers the requests of one connection until it ends, or until it is idle once the server stops.
pub(super) async fn converse<S>(
    stream: S,
    connection: Connection,
    router: Router,
    header: Duration,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { answer.await.map_err(|never: Infallible| never) }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    // How a connection ends is the client's affair: a broken one is no error of ours.
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Connection {
    /// A connection of its own for a test that has no listener.
    pub(super) fn alone() -> Self {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Self { peer: SocketAddr::from(([127, 0, 0, 1], 1)), _place: Arc::new(place), _counted: None }
    }
}
