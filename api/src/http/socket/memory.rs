//! The estimated memory of operations on sockets: per caller, and in total.

use std::sync::Arc;

use super::super::quota::{Quota, Share};
use crate::budget::Subject;
use crate::config::Limits;

/// All operations on sockets may take this many times `limits.body_bytes_in_flight`, because a socket stays open for hours.
const WHOLE: usize = 4;
/// The part of that which is reserved for callers that hold little.
const RESERVE_PART: usize = 8;
/// A caller that holds at most this part of it may use the reserve.
const LITTLE_PART: usize = 256;
/// One caller's operations may take `limits.body_bytes_in_flight` divided by this.
const CALLER_PART: usize = 4;

/// Bytes in use per caller; the total is under `None`.
#[derive(Debug, Default)]
pub(in crate::http) struct Memory {
    held: Arc<Quota<Option<Subject>>>,
}

/// The memory of one operation; released when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _shares: [Share<Option<Subject>>; 2],
}

/// Why an operation gets no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The caller is at its maximum, in bytes.
    Caller(usize),
    /// All callers together are at their maximum, in bytes.
    All(usize),
}

impl Memory {
    /// Reserves memory for an operation of this caller.
    pub(super) fn take(&self, caller: &Subject, bytes: usize, limits: &Limits) -> Result<Taken, Full> {
        let most = limits.body_bytes_in_flight / CALLER_PART;
        let whole = limits.body_bytes_in_flight.saturating_mul(WHOLE);
        let mut own = self.held.share(Some(caller.clone()));
        if !own.grow(bytes, most) {
            return Err(Full::Caller(most));
        }
        let reserve = if own.total() <= whole / LITTLE_PART { 0 } else { whole / RESERVE_PART };
        let mut all = self.held.share(None);
        if !all.grow(bytes, whole.saturating_sub(reserve)) {
            return Err(Full::All(whole));
        }
        Ok(Taken { _shares: [own, all] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_part_and_the_last_part_is_for_those_that_hold_little() {
        let memory = Memory::default();
        let limits = Limits { body_bytes_in_flight: 1_024, ..Limits::default() };
        let caller = |number: usize| Subject::Service(format!("{number}").into());
        let mut held: Vec<Taken> = Vec::new();
        for number in 0..14 {
            held.push(memory.take(&caller(number), 256, &limits).unwrap());
        }
        assert_eq!(memory.take(&caller(0), 1, &limits).unwrap_err(), Full::Caller(256));
        assert_eq!(memory.take(&caller(14), 17, &limits).unwrap_err(), Full::All(4_096));
        held.push(memory.take(&caller(14), 16, &limits).unwrap());
        held.clear();
        assert_eq!(memory.held.keys(), 0);
    }
}
