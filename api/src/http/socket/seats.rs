//! Who holds how many sockets: one caller may hold a few, so that one page in a loop harms only itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::budget::Subject;

/// The sockets held, by holder.
#[derive(Debug, Default)]
pub(in crate::http) struct Seats {
    held: Mutex<HashMap<Subject, usize>>,
}

impl Seats {
    /// One more socket for this holder, unless that would be more than `most`.
    pub(in crate::http) fn take(self: &Arc<Self>, holder: Subject, most: usize) -> Option<Seat> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(holder.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: Arc::clone(self), holder })
    }
}

/// One socket's seat; free again when dropped.
#[derive(Debug)]
pub(in crate::http) struct Seat {
    seats: Arc<Seats>,
    holder: Subject,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.seats.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Seats, Subject};

    #[test]
    fn a_holder_has_at_most_so_many_seats_and_each_is_free_again_when_dropped() {
        let seats = Arc::new(Seats::default());
        let ada = || Subject::Service("ada".into());
        let first = seats.take(ada(), 2).unwrap();
        let _second = seats.take(ada(), 2).unwrap();
        assert!(seats.take(ada(), 2).is_none());
        assert!(seats.take(Subject::Address([127, 0, 0, 1].into()), 2).is_some());
        drop(first);
        let third = seats.take(ada(), 2);
        assert!(third.is_some());
        drop((third, _second));
        assert!(seats.held.lock().unwrap().is_empty());
    }
}
