//! A stream that closes in two steps if its client may still be sending: first the write side, then, when the client
//! has closed too or after a short time, the whole connection. If it closed at once with unread body bytes, the
//! kernel would reset the connection, and the client would lose the response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long the client has to read the response and to close.
const PATIENCE: Duration = Duration::from_secs(1);
/// Maximum number of bytes that are read and discarded meanwhile.
const MOST: usize = 4 * 1024 * 1024;

/// Whether bytes of the client may be unread.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Whether the client may still send a body that the server does not read.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }

    /// Wraps the body of a request and notes whether it was read to its end.
    pub(super) fn watch<B>(&self, body: B) -> Body
    where
        B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin + Send + 'static,
    {
        self.set(!body.is_end_stream());
        Body::new(Watched { body, unread: self.clone() })
    }
}

struct Watched<B> {
    body: B,
    unread: Unread,
}

impl<B: HttpBody + Unpin> HttpBody for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.set(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that waits before it closes for a client that is still sending.
pub(super) struct Linger<S> {
    stream: S,
    unread: Unread,
    closing: Option<Closing>,
}

struct Closing {
    end: Pin<Box<Sleep>>,
    read: usize,
}

impl<S> Linger<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Self { stream, unread, closing: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, unread, closing } = &mut *self;
        if closing.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            if !unread.0.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let closing = closing.get_or_insert_with(|| Closing { end: Box::pin(sleep(PATIENCE)), read: 0 });
        let mut space = [0; 4_096];
        loop {
            if closing.read >= MOST || closing.end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut space);
            // A read error means that the client has disconnected and will not read the response.
            let gone = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)).is_err();
            let length = buffer.filled().len();
            if gone || length == 0 {
                return Poll::Ready(Ok(()));
            }
            closing.read = closing.read.saturating_add(length);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.unread.set(true);
        }
        Poll::Ready(Ok(()))
    }
}
