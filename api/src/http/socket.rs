//! A socket, from the upgrade to the last frame: our own loop, since clients decide by our close codes
//! whether they come back.

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

/// What the library reads at once. Each socket holds it for as long as it is open.
const READ_BUFFER: usize = 4 * 1024;
/// How much longer than the limit a message may be to be still read.
const LITTLE: usize = 1024;
/// What the library may buffer for a client beside one answer.
const WRITE_BUFFER: usize = 1024 * 1024;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Over how long a stopping server spreads its goodbyes, so that not all clients come back at once.
const JITTER: Duration = Duration::from_secs(2);
/// How long the client has to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(2);

/// Turns the request into a socket, if its page may open one.
pub(super) async fn upgrade<E: Executor>(
    site: Site<E>,
    mut parts: Parts,
    response_context: &ResponseContext,
) -> Response {
    if let Some(origin) = parts.headers.get(ORIGIN)
        && !origin.to_str().is_ok_and(|origin| site.app.config.allows_origin(origin))
    {
        let message =
            "Pages of this origin may not open sockets here; the setting `origins` lists those that may.";
        return response_context.refused(StatusCode::FORBIDDEN, &Refusal::new(Code::Forbidden, message));
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let message =
                format!("This is no WebSocket handshake: {}.", rejection.body_text().trim_end_matches('.'));
            return response_context.refused(rejection.status(), &Refusal::new(Code::InvalidInput, message));
        }
    };
    let Some(connection) = parts.extensions.remove::<Connection>() else {
        return response_context.refused(StatusCode::INTERNAL_SERVER_ERROR, &Refusal::internal());
    };
    // What is only a little too long is still read, and closed with the right words.
    let most = site.limits.socket_message_bytes.saturating_add(LITTLE);
    let request_id = Arc::clone(&response_context.request_id);
    let span = tracing::Span::current();
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(most)
        .max_frame_size(most)
        .read_buffer_size(READ_BUFFER)
        .max_write_buffer_size(site.limits.answer_bytes.saturating_add(WRITE_BUFFER))
        .on_upgrade(move |socket| converse(site, socket, connection, request_id).instrument(span))
}

/// What can happen on a socket.
enum Happening {
    ClientMessage(Option<Result<Message, axum::Error>>),
    Done(Event),
    Tick,
    ToldToStop,
    TimeToStop,
    WriterGone,
}

async fn converse<E: Executor>(
    site: Site<E>,
    socket: WebSocket,
    connection: Connection,
    request_id: Arc<str>,
) {
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
            let reason = format!("Speak the protocol {SUBPROTOCOL}.");
            break End::Closed(Close::new(Close::WRONG_PROTOCOL, reason));
        }
        let happening = tokio::select! {
            message = incoming.next() => Happening::ClientMessage(message),
            event = session.next() => Happening::Done(event),
            _ = tick.tick() => Happening::Tick,
            _ = stopping.wait_for(|stopping| *stopping), if stop_at.is_none() => Happening::ToldToStop,
            () = sleep_until(stop_at.unwrap_or_else(time::Instant::now)), if stop_at.is_some() => Happening::TimeToStop,
            _ = &mut writer => Happening::WriterGone,
        };
        let step = match happening {
            Happening::ClientMessage(Some(Ok(message))) => session.hear(message).await,
            // The library names its errors only in words.
            Happening::ClientMessage(Some(Err(error)))
                if error.to_string().starts_with("Space limit exceeded") =>
            {
                Err(too_big(session.most_bytes()))
            }
            Happening::ClientMessage(Some(Err(error))) => Err(broken(&error)),
            Happening::ClientMessage(None) | Happening::WriterGone => Err(End::Gone),
            Happening::Done(Event::Introduced(introduced)) => session.welcome(*introduced).await,
            Happening::Done(Event::Told(room, step)) => session.tell(room, *step),
            Happening::Tick => session.look_at_the_clock(),
            Happening::ToldToStop => {
                stop_at = Some(time::Instant::now() + jitter());
                Ok(())
            }
            Happening::TimeToStop => {
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
    // Both close frames, ours and the answer to the client's, arrive only if we read on until it hangs up.
    let goodbye = async { while let Some(Ok(_)) = incoming.next().await {} };
    let _ = timeout(FAREWELL, goodbye).await;
    drop(queue);
    if !writer.is_finished() {
        let _ = writer.await;
    }
    let seconds = opened.elapsed().as_secs();
    tracing::info!(code, seconds, "a socket closed");
    drop(connection);
}

fn too_big(most: usize) -> End {
    Close::new(Close::TOO_BIG, format!("A message is text of at most {most} bytes.")).into()
}

/// What follows from bytes that are no message: a client that still listens learns why. A connection that has ended
/// without a close frame is named a protocol error, too.
fn broken(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("without closing handshake") {
        return End::Gone;
    }
    if text.starts_with("UTF-8 encoding error") {
        return Close::new(Close::BAD_TEXT, "A message is text in UTF-8.").into();
    }
    if text.starts_with("WebSocket protocol error") {
        return Close::new(Close::BAD_FRAME, "This is no valid WebSocket frame.").into();
    }
    End::Gone
}

/// A part of `JITTER`, different for every socket.
fn jitter() -> Duration {
    let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
    JITTER.mul_f64(f64::from(byte) / 255.0)
}
