//! The messages that wait to be written to one socket, bounded by number and by bytes.

use std::sync::Arc;

use axum::extract::ws::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::budget::turns::Unread;

/// Maximum number of messages that wait for one client.
const MESSAGES: usize = 64;
/// Maximum bytes that wait for one client. The last message may exceed it, so that it can have any length.
const BYTES: usize = 1024 * 1024;

/// A waiting message, with the permits that it holds until it is written.
pub(super) struct Queued {
    /// The message.
    pub(super) message: Message,
    _bytes: Option<OwnedSemaphorePermit>,
    _unread: Option<Unread>,
}

/// The sending end of the queue.
#[derive(Clone)]
pub(super) struct Queue {
    messages: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
}

/// Room for one message.
pub(super) struct Room {
    place: mpsc::OwnedPermit<Queued>,
    bytes: OwnedSemaphorePermit,
    all: Arc<Semaphore>,
}

/// The queue of a new socket, and the receiving end for the writer.
pub(super) fn queue() -> (Queue, mpsc::Receiver<Queued>) {
    let (messages, queued) = mpsc::channel(MESSAGES);
    (Queue { messages, bytes: Arc::new(Semaphore::new(BYTES)) }, queued)
}

impl Queue {
    /// Waits until there is room; `None` once the writer has ended.
    pub(super) async fn room(&self) -> Option<Room> {
        let bytes = Arc::clone(&self.bytes).acquire_owned().await.ok()?;
        let place = self.messages.clone().reserve_owned().await.ok()?;
        Some(Room { place, bytes, all: Arc::clone(&self.bytes) })
    }

    /// Queues a message if there is room now; it counts no bytes.
    pub(super) fn offer(&self, message: Message) {
        let _ = self.messages.try_send(Queued { message, _bytes: None, _unread: None });
    }
}

impl Room {
    /// Queues a message. `unread` holds the bytes that count until the client takes them.
    pub(super) fn put(self, message: Message, unread: Option<Unread>) {
        let Self { place, mut bytes, all } = self;
        let length = match &message {
            Message::Text(text) => text.len(),
            _ => 0,
        };
        // One byte is held already. Only this socket's loop takes permits from `all`, so free permits stay free.
        let more = length.saturating_sub(1).min(all.available_permits());
        if let Ok(more) = u32::try_from(more)
            && let Ok(more) = all.try_acquire_many_owned(more)
        {
            bytes.merge(more);
        }
        place.send(Queued { message, _bytes: Some(bytes), _unread: unread });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{BYTES, MESSAGES, Message, queue};

    #[tokio::test]
    async fn a_queue_is_full_by_bytes_or_by_messages() {
        let (queue, mut queued) = queue();
        queue.room().await.unwrap().put(Message::text("a".repeat(BYTES - 1)), None);
        // One byte is free, so the next message may be of any length.
        queue.room().await.unwrap().put(Message::text("b".repeat(3 * BYTES)), None);
        assert!(queue.room().now_or_never().is_none());
        drop(queued.recv().await);
        for _ in 0..MESSAGES - 1 {
            queue.room().await.unwrap().put(Message::text("c"), None);
        }
        assert!(queue.room().now_or_never().is_none());
        drop(queued.recv().await);
        assert!(queue.room().now_or_never().is_some());
        drop(queued);
        assert!(queue.room().await.is_none());
    }
}
