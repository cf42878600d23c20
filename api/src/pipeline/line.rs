//! The submissions that wait for a transaction, in one queue per source. A transaction takes one submission of each
//! source in turn, so a source with many events does not delay the events of other sources.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The queues of all sources.
pub(super) struct Line<T> {
    state: Mutex<State<T>>,
    arrived: Notify,
    /// The maximum number of waiting events of one source.
    places: usize,
}

struct State<T> {
    sources: HashMap<Arc<str>, Source<T>>,
    /// Sources with waiting submissions. The first source is next.
    order: VecDeque<Arc<str>>,
    closed: bool,
}

struct Source<T> {
    places: Arc<Semaphore>,
    waiting: VecDeque<Waiting<T>>,
    /// The number of submissions that are about to enter.
    entering: usize,
}

struct Waiting<T> {
    events: usize,
    submission: T,
    _places: OwnedSemaphorePermit,
}

/// The place of a submission in the queue of its source.
pub(super) struct Place<T> {
    line: Arc<Line<T>>,
    source: Arc<str>,
    events: usize,
    places: Option<OwnedSemaphorePermit>,
}

impl<T> Line<T> {
    /// Empty queues for at most `places` waiting events per source. Further submissions wait in [`Self::enter`].
    pub(super) fn new(places: usize) -> Arc<Self> {
        let state = State { sources: HashMap::new(), order: VecDeque::new(), closed: false };
        Arc::new(Self { state: Mutex::new(state), arrived: Notify::new(), places })
    }

    /// Waits until the queue of this source has room for this number of events. None if the queues are closed.
    pub(super) async fn enter(self: &Arc<Self>, source: &str, events: usize) -> Option<Place<T>> {
        let source: Arc<str> = source.into();
        let semaphore = {
            let mut state = self.lock();
            if state.closed {
                return None;
            }
            let entry = state.sources.entry(Arc::clone(&source)).or_insert_with(|| Source {
                places: Arc::new(Semaphore::new(self.places)),
                waiting: VecDeque::new(),
                entering: 0,
            });
            entry.entering += 1;
            Arc::clone(&entry.places)
        };
        // From here on, dropping the place leaves the queue.
        let mut place = Place { line: Arc::clone(self), source, events, places: None };
        let wanted = u32::try_from(events.clamp(1, self.places)).unwrap_or(u32::MAX);
        place.places = Some(semaphore.acquire_many_owned(wanted).await.ok()?);
        Some(place)
    }

    /// Waits for submissions and takes one of each source in turn, until they have at least `most` events or no
    /// submission waits. Empty if the queues are closed and no submission waits.
    pub(super) async fn gather(&self, most: usize) -> Vec<T> {
        loop {
            let arrived = self.arrived.notified();
            let taken = self.take(most);
            if !taken.is_empty() || self.lock().closed {
                return taken;
            }
            arrived.await;
        }
    }

    /// As [`Self::gather`], without waiting.
    pub(super) fn take(&self, most: usize) -> Vec<T> {
        let mut state = self.lock();
        let State { sources, order, .. } = &mut *state;
        let (mut events, mut taken) = (0, Vec::new());
        while events < most {
            let Some(source) = order.pop_front() else { break };
            let Some(line) = sources.get_mut(&source) else { continue };
            if let Some(waiting) = line.waiting.pop_front() {
                events += waiting.events;
                taken.push(waiting.submission);
            }
            if !line.waiting.is_empty() {
                order.push_back(source);
            } else if line.entering == 0 {
                sources.remove(&source);
            }
        }
        if !order.is_empty() {
            self.arrived.notify_one();
        }
        taken
    }

    /// Closes the queues for new submissions. Waiting submissions can still be taken.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for source in state.sources.values() {
            source.places.close();
        }
        self.arrived.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Place<T> {
    /// Enqueues the submission at this place. False if the queues are closed.
    pub(super) fn wait(mut self, submission: T) -> bool {
        let line = Arc::clone(&self.line);
        let mut state = line.lock();
        let (Some(places), false) = (self.places.take(), state.closed) else {
            drop(state);
            return false;
        };
        let State { sources, order, .. } = &mut *state;
        if let Some(source) = sources.get_mut(&self.source) {
            if source.waiting.is_empty() {
                order.push_back(Arc::clone(&self.source));
            }
            source.waiting.push_back(Waiting { events: self.events, submission, _places: places });
        }
        drop(state);
        line.arrived.notify_one();
        true
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        if let Some(source) = state.sources.get_mut(&self.source) {
            source.entering -= 1;
            if source.entering == 0 && source.waiting.is_empty() {
                state.sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Line;

    async fn send(
        line: &std::sync::Arc<Line<&'static str>>,
        source: &str,
        events: usize,
        name: &'static str,
    ) {
        assert!(line.enter(source, events).await.unwrap().wait(name));
    }

    #[tokio::test]
    async fn each_source_is_taken_in_turn() {
        let line = Line::new(2_000);
        for name in ["a1", "a2", "a3"] {
            send(&line, "a", 600, name).await;
        }
        send(&line, "b", 1, "b1").await;
        send(&line, "b", 1, "b2").await;
        assert_eq!(line.take(1_000), ["a1", "b1", "a2"]);
        assert_eq!(line.gather(1_000).await, ["b2", "a3"]);
        assert!(line.gather(1_000).now_or_never().is_none());
        assert_eq!(line.lock().sources.len(), 0);
    }

    #[tokio::test]
    async fn what_exceeds_the_places_of_its_source_waits_outside() {
        let line = Line::new(10);
        send(&line, "a", 10, "a1").await;
        let mut outside = Box::pin(line.enter("a", 25));
        assert!(outside.as_mut().now_or_never().is_none());
        assert!(line.enter("a", 1).now_or_never().is_none());
        assert!(line.enter("b", 1).now_or_never().is_some());
        assert_eq!(line.take(1_000), ["a1"]);
        // The submission has more events than the queue has places, so it waits alone in the queue.
        assert!(outside.await.unwrap().wait("a2"));
        assert!(line.enter("a", 1).now_or_never().is_none());
        assert_eq!(line.take(1_000), ["a2"]);
        assert_eq!(line.lock().sources.len(), 0);
    }

    #[tokio::test]
    async fn closed_lines_give_what_waits_and_take_no_more() {
        let line = Line::new(10);
        send(&line, "a", 10, "a1").await;
        let place = line.enter("b", 1).await.unwrap();
        let mut outside = Box::pin(line.enter("a", 1));
        assert!(outside.as_mut().now_or_never().is_none());
        line.close();
        assert!(outside.await.is_none());
        assert!(!place.wait("b1"));
        assert_eq!(line.gather(1).await, ["a1"]);
        assert_eq!(line.gather(1).await, Vec::<&str>::new());
    }
}
