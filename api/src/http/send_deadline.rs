//! A stream with a deadline for its client to read. A write fails if it makes no progress for
//! `limits.send_seconds`, or less than `limits.send_bytes_per_second`. The failure frees the data that waits to be sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;

/// A stream whose writes have a deadline.
pub(super) struct SendDeadline<S> {
    stream: S,
    pause: Duration,
    bytes_per_second: u64,
    /// Set while the client has not taken all data.
    waiting: Option<Waiting>,
    /// Fires at the deadline. Created at the first wait.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// The progress of a client that the server waits for.
struct Waiting {
    since: Instant,
    progress: Instant,
    sent: u64,
}

impl<S> SendDeadline<S> {
    pub(super) fn new(stream: S, limits: &Limits) -> Self {
        Self {
            stream,
            pause: Duration::from_secs(limits.send_seconds),
            bytes_per_second: limits.send_bytes_per_second.max(1),
            waiting: None,
            alarm: None,
        }
    }

    /// Records the outcome of a write; fails when the deadline has passed.
    fn watch(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (outcome, &mut self.waiting) {
            (Poll::Ready(Ok(bytes)), Some(waiting)) => {
                waiting.progress = Instant::now();
                waiting.sent = waiting.sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
                Poll::Ready(Ok(bytes))
            }
            (outcome @ Poll::Ready(_), _) => outcome,
            (Poll::Pending, waiting) => {
                let now = Instant::now();
                let waiting = waiting.get_or_insert(Waiting { since: now, progress: now, sent: 0 });
                let earned = Duration::from_secs(waiting.sent / self.bytes_per_second);
                let deadline = (waiting.progress + self.pause).min(waiting.since + self.pause + earned);
                let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if alarm.deadline() != deadline {
                    alarm.as_mut().reset(deadline);
                }
                ready!(alarm.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SendDeadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // A flush follows the last byte of a response, so the next response starts a new wait.
        self.waiting = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SendDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
