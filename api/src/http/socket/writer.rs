//! The task that writes to a socket, separate from the one that reads. A client that does not read delays only its
//! own messages, and its socket is closed.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::protocol::Close;
use super::queue::Queued;

/// Sends queued messages until `closing` resolves. The client has `patience` to take each message. If it does not,
/// the socket is closed with 1013, and the client can resume by its cursor.
pub(super) async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Queued>,
    mut closing: oneshot::Receiver<Close>,
    patience: Duration,
) {
    let last = loop {
        let queued = tokio::select! {
            biased;
            // Without a close, the reader has ended because the client disconnected.
            close = &mut closing => break close.ok(),
            queued = queue.recv() => queued,
        };
        let Some(mut queued) = queued else { break (&mut closing).await.ok() };
        // The message's bytes count until it is written, so the rest of `queued` is kept until then.
        let message = std::mem::replace(&mut queued.message, Message::Ping(Default::default()));
        match timeout(patience, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break None,
            Err(_) => {
                break Some(Close::new(Close::LATER, "Too slow: the client does not read messages in time."));
            }
        }
    };
    if let Some(close) = last {
        let _ = timeout(patience, sink.send(close.frame())).await;
    }
}
