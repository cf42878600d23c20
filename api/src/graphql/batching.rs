//! Runs the loads of a request on the request's own task, and only after every resolver that can run has run. The
//! loads of many fields thus always become one statement. Several threads could not guarantee that.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::runtime::Timer;
use futures_util::future::{BoxFuture, poll_fn, ready};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use futures_util::task::{FutureObj, Spawn, SpawnError};

/// The queue for the loads of a request's loaders.
#[derive(Clone, Default)]
pub(crate) struct Batching {
    sent: Arc<Mutex<Vec<FutureObj<'static, ()>>>>,
}

impl Spawn for Batching {
    fn spawn_obj(&self, load: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(load);
        Ok(())
    }
}

/// A timer without a delay. [`Batching`] already waits until no resolver can run, so the loaders need no further delay.
pub(crate) struct AtOnce;

impl Timer for AtOnce {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}

impl Batching {
    /// Runs the request, and runs its loads whenever the request waits for them.
    pub(crate) async fn run<F: Future>(self, request: F) -> F::Output {
        let mut request = pin!(request);
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| self.poll(&mut running, cx, |cx| request.as_mut().poll(cx))).await
    }

    /// The same for a subscription, which has many responses.
    pub(crate) fn follow<S: Stream + Send + 'static>(self, request: S) -> impl Stream<Item = S::Item> + Send {
        let mut request = Box::pin(request);
        let mut running = FuturesUnordered::new();
        stream::poll_fn(move |cx| self.poll(&mut running, cx, |cx| request.as_mut().poll_next(cx)))
    }

    fn poll<T>(
        &self,
        running: &mut FuturesUnordered<FutureObj<'static, ()>>,
        cx: &mut Context<'_>,
        mut request: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let Poll::Ready(answer) = request(cx) {
                return Poll::Ready(answer);
            }
            running.extend(self.sent.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
            match running.poll_next_unpin(cx) {
                // A load is complete: the resolvers that waited for it can run, and may request more loads.
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
