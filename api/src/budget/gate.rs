//! Limits how many operations of one subject run concurrently, and shares the remaining capacity fairly:
//! the next turn goes to the waiting subject with the fewest running operations.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Subject;
use super::at_once::AtOnce;

/// How an operation uses the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads. All subjects share the readers' connections.
    Reads,
    /// It writes in its own transaction.
    Writes,
    /// It records events, in the batcher's transactions. Only the subject's own maximum applies.
    Records,
}

/// The maxima of concurrent use.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Operations of one subject.
    pub(super) at_once: fn(&Subject, &AtOnce) -> usize,
    /// The numbers that `at_once` selects from.
    pub(super) numbers: AtOnce,
    /// Writes of one subject. Less than the number of the writers' connections, so that others find one free.
    pub(super) subject_writes: usize,
    /// Reads in total, for a subject that runs no operation yet.
    pub(super) first_reads: usize,
    /// Reads in total, for a subject that already runs an operation.
    pub(super) further_reads: usize,
    /// Total bytes of answers that clients have not read yet.
    pub(super) bytes: usize,
    /// The same for one subject.
    pub(super) subject_bytes: usize,
}

/// Why a turn was not granted in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The subject is at its maximum of operations.
    OwnTurns,
    /// The subject is at its maximum of writes.
    OwnWrites,
    /// The subject has not read its earlier answers.
    OwnBytes,
    /// All clients together have too many unread answers.
    AllBytes,
    /// Other subjects use the readers.
    AllReads,
}

/// Grants turns to operations.
#[derive(Debug)]
pub(super) struct Gate {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: HashMap<Subject, Line>,
    /// Subjects whose oldest read may run when there is room, ordered by their number of turns and then by age.
    ready: BTreeMap<(usize, u64), Subject>,
    /// Subjects that wait until clients read their answers, by age.
    parked: BTreeMap<u64, Subject>,
    reads: usize,
    bytes: usize,
    tickets: u64,
}

/// The operations of one subject.
#[derive(Debug, Default)]
struct Line {
    turns: usize,
    /// The number of turns that write.
    writes: usize,
    bytes: usize,
    /// Each kind of operation has its own queue, so a waiting operation does not delay the other kinds.
    reads: Waiters,
    writes_waiting: Waiters,
    records: Waiters,
    filed: Option<Filed>,
}

/// Waiting operations, by age.
type Waiters = BTreeMap<u64, oneshot::Sender<Turn>>;

impl Line {
    fn waiters(&mut self, access: Access) -> &mut Waiters {
        match access {
            Access::Reads => &mut self.reads,
            Access::Writes => &mut self.writes_waiting,
            Access::Records => &mut self.records,
        }
    }

    /// The next operation. Only reads have to wait for other subjects, so the other kinds come first.
    fn first(&self, bounds: &Bounds) -> Option<(u64, Access)> {
        let first =
            |waiters: &Waiters, access| waiters.first_key_value().map(|(ticket, _)| (*ticket, access));
        let record = first(&self.records, Access::Records);
        let write =
            first(&self.writes_waiting, Access::Writes).filter(|_| self.writes < bounds.subject_writes);
        let oldest = [record, write].into_iter().flatten().min_by_key(|(ticket, _)| *ticket);
        oldest.or_else(|| first(&self.reads, Access::Reads))
    }

    fn is_unused(&self) -> bool {
        let waiting = [&self.reads, &self.writes_waiting, &self.records];
        self.turns == 0 && self.bytes == 0 && waiting.iter().all(|waiters| waiters.is_empty())
    }
}

/// Where a waiting subject is registered.
#[derive(Debug, Clone, Copy)]
enum Filed {
    Ready(usize, u64),
    Parked(u64),
}

/// The permission to execute. Released when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None` after the release.
    gate: Option<Arc<Gate>>,
    subject: Subject,
    access: Access,
}

/// Bytes of an answer that its client has not read yet. They count until this is dropped.
#[derive(Debug)]
pub(crate) struct Unread {
    gate: Arc<Gate>,
    subject: Subject,
    bytes: usize,
}

/// A waiting operation in the queue of its subject. Dropping it removes it from the queue.
struct Waiting<'a> {
    gate: &'a Arc<Gate>,
    subject: &'a Subject,
    access: Access,
    ticket: u64,
    granted: oneshot::Receiver<Turn>,
}

impl Gate {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, state: Mutex::default() })
    }

    /// Waits for a turn.
    pub(super) async fn take(self: &Arc<Self>, subject: &Subject, access: Access) -> Turn {
        let mut waiting = self.join(subject, access);
        match (&mut waiting.granted).await {
            Ok(turn) => turn,
            // The gate keeps the sender until it grants the turn, so this does not happen.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for a turn. If the subject's own operations or unread answers are the reason, waits at most `patience`.
    /// Reads of other subjects end soon, so the caller's own deadline limits the wait for them.
    ///
    /// # Errors
    /// The reason for the wait.
    pub(super) async fn take_within(
        self: &Arc<Self>,
        subject: &Subject,
        access: Access,
        patience: Duration,
    ) -> Result<Turn, Cause> {
        let mut turn = pin!(self.take(subject, access));
        loop {
            if let Ok(turn) = timeout(patience, turn.as_mut()).await {
                return Ok(turn);
            }
            match self.cause(subject, access) {
                Cause::AllReads => {}
                cause => return Err(cause),
            }
        }
    }

    /// Takes a turn without waiting, for completed work whose answer is still to be sent.
    pub(super) fn resume(self: &Arc<Self>, subject: &Subject, access: Access) -> Turn {
        let mut state = self.lock();
        let line = state.lines.entry(subject.clone()).or_default();
        line.turns += 1;
        line.writes += usize::from(access == Access::Writes);
        state.reads += usize::from(access == Access::Reads);
        self.refile(&mut state, subject);
        Turn { gate: Some(Arc::clone(self)), subject: subject.clone(), access }
    }

    /// Counts the bytes of an answer until its client has read it.
    pub(super) fn count(self: &Arc<Self>, subject: &Subject, bytes: usize) -> Unread {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_add(bytes);
        let line = state.lines.entry(subject.clone()).or_default();
        line.bytes = line.bytes.saturating_add(bytes);
        Unread { gate: Arc::clone(self), subject: subject.clone(), bytes }
    }

    /// Total bytes of answers that clients have not read yet.
    pub(super) fn unread(&self) -> usize {
        self.lock().bytes
    }

    fn join<'a>(self: &'a Arc<Self>, subject: &'a Subject, access: Access) -> Waiting<'a> {
        let (grant, granted) = oneshot::channel();
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        let line = state.lines.entry(subject.clone()).or_default();
        let waiters = line.waiters(access);
        waiters.insert(ticket, grant);
        // If operations of its kind already wait, nothing changes.
        if waiters.len() == 1 {
            self.refile(&mut state, subject);
            self.dispatch(&mut state);
        }
        Waiting { gate: self, subject, access, ticket, granted }
    }

    /// Updates where a subject is registered after its queue has changed.
    fn refile(self: &Arc<Self>, state: &mut State, subject: &Subject) {
        loop {
            let all = state.bytes;
            let Some(line) = state.lines.get_mut(subject) else { return };
            match line.filed.take() {
                Some(Filed::Ready(turns, ticket)) => drop(state.ready.remove(&(turns, ticket))),
                Some(Filed::Parked(ticket)) => drop(state.parked.remove(&ticket)),
                None => {}
            }
            let Some((ticket, access)) = line.first(&self.bounds) else {
                if line.is_unused() {
                    state.lines.remove(subject);
                }
                return;
            };
            if line.turns >= self.bounds.most(subject) {
                return;
            }
            if !self.bounds.has_room(line.bytes, all) {
                line.filed = Some(Filed::Parked(ticket));
                state.parked.insert(ticket, subject.clone());
                return;
            }
            if access == Access::Reads {
                line.filed = Some(Filed::Ready(line.turns, ticket));
                state.ready.insert((line.turns, ticket), subject.clone());
                return;
            }
            self.grant(state, subject);
        }
    }

    /// Grants turns to ready subjects while there is room.
    fn dispatch(self: &Arc<Self>, state: &mut State) {
        while let Some((&(turns, ticket), _)) = state.ready.first_key_value() {
            let bound = if turns == 0 { self.bounds.first_reads } else { self.bounds.further_reads };
            if state.reads >= bound {
                return;
            }
            let Some(subject) = state.ready.remove(&(turns, ticket)) else { return };
            let all = state.bytes;
            if let Some(line) = state.lines.get_mut(&subject) {
                line.filed = None;
                if self.bounds.has_room(line.bytes, all) {
                    self.grant(state, &subject);
                }
            }
            self.refile(state, &subject);
        }
    }

    /// Grants a turn to the first operation of a queue.
    fn grant(self: &Arc<Self>, state: &mut State, subject: &Subject) {
        let Some(line) = state.lines.get_mut(subject) else { return };
        let Some((ticket, access)) = line.first(&self.bounds) else { return };
        let Some(grant) = line.waiters(access).remove(&ticket) else { return };
        let turn = Turn { gate: Some(Arc::clone(self)), subject: subject.clone(), access };
        match grant.send(turn) {
            Ok(()) => {
                line.turns += 1;
                line.writes += usize::from(access == Access::Writes);
                state.reads += usize::from(access == Access::Reads);
            }
            // This turn was not counted, so nothing is released.
            Err(mut turn) => turn.gate = None,
        }
    }

    fn cause(&self, subject: &Subject, access: Access) -> Cause {
        let state = self.lock();
        let line = state.lines.get(subject);
        let (turns, writes, bytes) = line.map_or((0, 0, 0), |line| (line.turns, line.writes, line.bytes));
        if turns >= self.bounds.most(subject) {
            Cause::OwnTurns
        } else if access == Access::Writes && writes >= self.bounds.subject_writes {
            Cause::OwnWrites
        } else if self.bounds.has_room(bytes, state.bytes) {
            Cause::AllReads
        } else if bytes == 0 {
            Cause::AllBytes
        } else {
            Cause::OwnBytes
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bounds {
    fn most(&self, subject: &Subject) -> usize {
        (self.at_once)(subject, &self.numbers)
    }

    /// Whether a subject that holds `own` of `all` unread bytes may produce another answer. Each subject leaves as much
    /// free as it holds, so a few that do not read cannot use up the room of the others.
    fn has_room(&self, own: usize, all: usize) -> bool {
        let free = self.bytes.saturating_sub(all);
        free > 0 && own <= free && own < self.subject_bytes
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(gate) = self.gate.take() else { return };
        let mut state = gate.lock();
        state.reads -= usize::from(self.access == Access::Reads);
        if let Some(line) = state.lines.get_mut(&self.subject) {
            line.turns -= 1;
            line.writes -= usize::from(self.access == Access::Writes);
        }
        gate.refile(&mut state, &self.subject);
        gate.dispatch(&mut state);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.bytes -= self.bytes;
        if let Some(line) = state.lines.get_mut(&self.subject) {
            line.bytes -= self.bytes;
        }
        self.gate.refile(&mut state, &self.subject);
        for subject in mem::take(&mut state.parked).into_values() {
            if let Some(line) = state.lines.get_mut(&subject) {
                line.filed = None;
            }
            self.gate.refile(&mut state, &subject);
        }
        self.gate.dispatch(&mut state);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        let line = state.lines.get_mut(self.subject);
        let left = line.is_some_and(|line| line.waiters(self.access).remove(&self.ticket).is_some());
        if left {
            self.gate.refile(&mut state, self.subject);
            self.gate.dispatch(&mut state);
        }
    }
}

#[cfg(test)]
mod tests;
