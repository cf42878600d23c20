//! The loads of one request, run on the request's own task and only when all that can ask has asked: what
//! many fields want at once is then always read in one statement, which several threads could not promise.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::runtime::Timer;
use futures_util::future::{BoxFuture, poll_fn, ready};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use futures_util::task::{FutureObj, Spawn, SpawnError};

/// Where a request's loaders send their loads.
#[derive(Clone, Default)]
pub(crate) struct Batching {
    sent: Arc<Mutex<Vec<FutureObj<'static, ()>>>>,
}

impl Spawn for Batching {
    fn spawn_obj(&self, errand: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(errand);
        Ok(())
    }
}

/// Batching wait by themselves until nobody else can ask: no time has to pass besides.
pub(crate) struct AtOnce;

impl Timer for AtOnce {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}

impl Batching {
    /// Runs the request, and its errands whenever it waits for them.
    pub(crate) async fn run<F: Future>(self, request: F) -> F::Output {
        let mut request = pin!(request);
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| self.poll(&mut running, cx, |cx| request.as_mut().poll(cx))).await
    }

    /// The same for a request that answers many times.
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
                // One is back: whoever waited for it can go on, and may ask for more.
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
