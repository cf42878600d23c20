//! A socket, from the upgrade to the last frame. We run the loop ourselves, because clients decide by the close
//! code whether to reconnect.

mod introduction;
pub(super) mod memory;
mod operations;
mod protocol;
mod queue;
mod session;
mod task;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::Executor;
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{self, sleep_until, timeout};
use tracing::Instrument;

use super::Site;
use super::accept::Connection;
use super::answer::ResponseContext;
use crate::refusal::{Code, Refusal};
use crate::telemetry::Open;
use protocol::{Close, SUBPROTOCOL};
use session::{End, Event, Session};

/// Size of the library's read buffer. Each socket holds it while it is open.
const READ_BUFFER: usize = 4 * 1024;
/// A message may exceed the limit by this much and is still read.
const LITTLE: usize = 1024;
/// How much the library may buffer for a client in addition to one message.
const WRITE_BUFFER: usize = 1024 * 1024;
/// How often deadlines are checked.
const TICK: Duration = Duration::from_secs(1);
/// A stopping server spreads its close frames over this time, so that not all clients reconnect at once.
const JITTER: Duration = Duration::from_secs(2);
/// How long the client has to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Upgrades the request to a socket, if the origin of its page is allowed.
pub(super) async fn upgrade<E: Executor>(
    site: Site<E>,
    mut parts: Parts,
    response_context: &ResponseContext,
) -> Response {
    if let Some(origin) = parts.headers.get(ORIGIN)
        && !origin.to_str().is_ok_and(|origin| site.app.config.allows_origin(origin))
    {
        let message =
            "Pages of this origin cannot open sockets here. The setting `origins` lists the allowed origins.";
        return response_context.refused(StatusCode::FORBIDDEN, &Refusal::new(Code::Forbidden, message));
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let message = format!(
                "This is not a WebSocket handshake: {}.",
                rejection.body_text().trim_end_matches('.')
            );
            return response_context.refused(rejection.status(), &Refusal::new(Code::InvalidInput, message));
        }
    };
    let Some(connection) = parts.extensions.remove::<Connection>() else {
        return response_context.refused(StatusCode::INTERNAL_SERVER_ERROR, &Refusal::internal());
    };
    // A message slightly over the limit is still read, so that the socket closes with the correct code.
    let most = site.limits.socket_message_bytes.saturating_add(LITTLE);
    let request_id = Arc::clone(&response_context.request_id);
    // This span is only for the log. A trace would be as long as the socket is open, which may be hours.
    let span = tracing::info_span!(parent: None, "request", id = %request_id);
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(most)
        .max_frame_size(most)
        .read_buffer_size(READ_BUFFER)
        .max_write_buffer_size(site.limits.answer_bytes.saturating_add(WRITE_BUFFER))
        .on_upgrade(move |socket| run(site, socket, connection, request_id).instrument(span))
}

/// What can happen on a socket.
enum SocketEvent {
    ClientMessage(Option<Result<Message, axum::Error>>),
    Done(Event),
    Tick,
    Stopping,
    TimeToStop,
    WriterGone,
}

async fn run<E: Executor>(site: Site<E>, socket: WebSocket, connection: Connection, request_id: Arc<str>) {
    let opened = Instant::now();
    let _counted = site.app.telemetry.open(Open::Socket);
    let speaks_it = socket.protocol().is_some_and(|protocol| protocol.as_bytes() == SUBPROTOCOL.as_bytes());
    let (sink, mut incoming) = socket.split();
    let (queue, queued) = queue::queue();
    let (hang_up, closing) = oneshot::channel();
    let patience = Duration::from_secs(site.limits.socket_send_seconds);
    let mut writer = tokio::spawn(writer::write(sink, queued, closing, patience));
    let mut stopping = site.stopping.clone();
    let mut session = Session::new(site, request_id, connection.client.0, queue.clone());

    let mut stop_at = None;
    let mut tick = time::interval(TICK);
    tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let end = loop {
        if !speaks_it {
            let reason = format!("Use the protocol {SUBPROTOCOL}.");
            break End::Closed(Close::new(Close::WRONG_PROTOCOL, reason));
        }
        let event = tokio::select! {
            message = incoming.next() => SocketEvent::ClientMessage(message),
            event = session.next() => SocketEvent::Done(event),
            _ = tick.tick() => SocketEvent::Tick,
            _ = stopping.wait_for(|stopping| *stopping), if stop_at.is_none() => SocketEvent::Stopping,
            () = sleep_until(stop_at.unwrap_or_else(time::Instant::now)), if stop_at.is_some() => SocketEvent::TimeToStop,
            _ = &mut writer => SocketEvent::WriterGone,
        };
        let step = match event {
            SocketEvent::ClientMessage(Some(Ok(message))) => session.receive(message).await,
            // The library distinguishes its errors only by their text.
            SocketEvent::ClientMessage(Some(Err(error)))
                if error.to_string().starts_with("Space limit exceeded") =>
            {
                Err(too_big(session.most_bytes()))
            }
            SocketEvent::ClientMessage(Some(Err(error))) => Err(broken(&error)),
            SocketEvent::ClientMessage(None) | SocketEvent::WriterGone => Err(End::Gone),
            SocketEvent::Done(Event::Introduced(introduced)) => session.welcome(*introduced).await,
            SocketEvent::Done(Event::Operation(room, step)) => session.forward(room, *step),
            SocketEvent::Tick => session.check_deadlines(),
            SocketEvent::Stopping => {
                stop_at = Some(time::Instant::now() + jitter());
                Ok(())
            }
            SocketEvent::TimeToStop => {
                Err(Close::new(Close::RESTART, "The server is restarting. Reconnect.").into())
            }
        };
        if let Err(end) = step {
            break end;
        }
    };
    drop(session);

    let code = match end {
        End::Gone => {
            drop(hang_up);
            None
        }
        End::Closed(close) => {
            let code = close.code;
            let _ = hang_up.send(close);
            Some(code)
        }
    };
    // Both close frames, ours and the reply to the client's, arrive only if we read until the client disconnects.
    let drain = async { while let Some(Ok(_)) = incoming.next().await {} };
    let _ = timeout(CLOSE_TIMEOUT, drain).await;
    drop(queue);
    if !writer.is_finished() {
        let _ = writer.await;
    }
    let seconds = opened.elapsed().as_secs();
    tracing::info!(code, seconds, "a socket closed");
    drop(connection);
}

fn too_big(most: usize) -> End {
    Close::new(Close::TOO_BIG, format!("A message must be text of at most {most} bytes.")).into()
}

/// The end that follows from invalid bytes: a connected client gets the reason. The library also reports a connection
/// that ended without a close frame as a protocol error.
fn broken(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("without closing handshake") {
        return End::Gone;
    }
    if text.starts_with("UTF-8 encoding error") {
        return Close::new(Close::BAD_TEXT, "A message must be text in UTF-8.").into();
    }
    if text.starts_with("WebSocket protocol error") {
        return Close::new(Close::BAD_FRAME, "This is not a valid WebSocket frame.").into();
    }
    End::Gone
}

/// A part of `JITTER`, different for every socket.
fn jitter() -> Duration {
    let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
    JITTER.mul_f64(f64::from(byte) / 255.0)
}
