//! Turns: their number, their order, and waits for unread answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, pause};

use super::{Access, Bounds, Cause, Gate, Turn};
use crate::budget::Subject;
use crate::budget::at_once::AtOnce;

fn subject(name: &str) -> Subject {
    Subject::Service(name.into())
}

/// Two operations per subject, three reads in total, two of them for subjects that already run one; 100 bytes.
fn gate() -> Arc<Gate> {
    let numbers = AtOnce { person: 1, admin: 1, service: 2, address: 1 };
    Gate::new(Bounds {
        at_once: |_, numbers| numbers.service,
        numbers,
        subject_writes: 1,
        first_reads: 3,
        further_reads: 2,
        bytes: 100,
        subject_bytes: 40,
    })
}

#[track_caller]
fn now(gate: &Arc<Gate>, name: &str, access: Access) -> Turn {
    gate.take(&subject(name), access).now_or_never().expect("the turn comes at once")
}

#[track_caller]
fn waits(gate: &Arc<Gate>, name: &str, access: Access) {
    assert!(gate.take(&subject(name), access).now_or_never().is_none(), "{name} has to wait");
}

fn is_empty(gate: &Arc<Gate>) -> bool {
    let state = gate.lock();
    state.lines.is_empty() && state.ready.is_empty() && state.parked.is_empty() && state.reads == 0
}

#[tokio::test]
async fn a_subject_runs_its_number_of_operations_and_the_next_waits_for_one_to_end() {
    let gate = gate();
    let first = now(&gate, "ada", Access::Records);
    let second = now(&gate, "ada", Access::Records);
    waits(&gate, "ada", Access::Records);
    let other = now(&gate, "ben", Access::Records);
    let ada = subject("ada");
    let mut third = Box::pin(gate.take(&ada, Access::Records));
    assert!(third.as_mut().now_or_never().is_none());
    drop(first);
    let third = third.await;
    drop((second, third, other));
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn a_subject_leaves_writer_connections_for_others() {
    pause();
    let (gate, ada) = (gate(), subject("ada"));
    let write = now(&gate, "ada", Access::Writes);
    let mut second = Box::pin(gate.take(&ada, Access::Writes));
    assert!(second.as_mut().now_or_never().is_none(), "one write at once");
    // Operations that do not write do not wait for it.
    drop(now(&gate, "ada", Access::Records));
    drop(now(&gate, "ada", Access::Reads));
    let other = now(&gate, "ben", Access::Writes);
    let patience = Duration::from_secs(2);
    let refused = gate.take_within(&ada, Access::Writes, patience).await.map(drop);
    assert_eq!(refused, Err(Cause::OwnWrites));
    drop(write);
    let second = second.await;
    let record = now(&gate, "ada", Access::Records);
    drop((second, other, record));
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn recording_waits_neither_for_reads_nor_after_its_commit() {
    let (gate, ada) = (gate(), subject("ada"));
    let readers = ["ben", "cat", "dan"].map(|name| now(&gate, name, Access::Reads));
    let mut read = Box::pin(gate.take(&ada, Access::Reads));
    assert!(read.as_mut().now_or_never().is_none());
    let records = [now(&gate, "ada", Access::Records), now(&gate, "ada", Access::Records)];
    waits(&gate, "ada", Access::Records);
    // Its events are recorded, so it gets a turn in addition to the two.
    let committed = gate.resume(&ada, Access::Records);
    drop(records);
    waits(&gate, "ada", Access::Reads);
    drop((committed, readers));
    drop(read.await);
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn a_subject_without_running_operations_goes_first() {
    let gate = gate();
    let (ada, ben) = (subject("ada"), subject("ben"));
    let running = (now(&gate, "ada", Access::Reads), now(&gate, "cat", Access::Reads));
    // Two reads run, so a second read of the same subject waits, and the first of another subject does not.
    let mut more = Box::pin(gate.take(&ada, Access::Reads));
    assert!(more.as_mut().now_or_never().is_none());
    let dan = now(&gate, "dan", Access::Reads);
    let mut newcomer = Box::pin(gate.take(&ben, Access::Reads));
    assert!(newcomer.as_mut().now_or_never().is_none());
    // Writes do not use the readers.
    let write = now(&gate, "eve", Access::Writes);
    drop(dan);
    let newcomer = newcomer.as_mut().now_or_never().expect("the newcomer goes first");
    assert!(more.as_mut().now_or_never().is_none());
    drop(newcomer);
    assert!(more.as_mut().now_or_never().is_none());
    drop(running.1);
    let more = more.as_mut().now_or_never().expect("then comes the second turn");
    drop((running.0, more, write));
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn a_cancelled_operation_leaves_the_queue() {
    let gate = gate();
    let held = [now(&gate, "ada", Access::Reads), now(&gate, "ada", Access::Reads)];
    for _ in 0..1_000 {
        waits(&gate, "ada", Access::Reads);
    }
    assert_eq!(gate.lock().lines[&subject("ada")].reads.len(), 0);
    let ada = subject("ada");
    let mut granted = Box::pin(gate.take(&ada, Access::Reads));
    assert!(granted.as_mut().now_or_never().is_none());
    drop(held);
    // It gets its turn but is dropped without using it: the turn is released.
    drop(granted);
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn a_subject_with_unread_answers_waits_until_they_are_read() {
    let gate = gate();
    let ada = subject("ada");
    let unread = gate.count(&ada, 40);
    waits(&gate, "ada", Access::Writes);
    let ben = now(&gate, "ben", Access::Reads);
    let mut next = Box::pin(gate.take(&ada, Access::Reads));
    assert!(next.as_mut().now_or_never().is_none());
    drop(unread);
    drop(next.as_mut().now_or_never().expect("its turn comes"));
    drop((next, ben));
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn subjects_that_do_not_read_leave_room_for_others() {
    let gate = gate();
    let unread = [gate.count(&subject("ada"), 30), gate.count(&subject("ben"), 30)];
    // 40 bytes are free: a subject that holds as much waits, and a third subject does not.
    let ada = now(&gate, "ada", Access::Reads);
    let third = gate.count(&subject("cat"), 15);
    waits(&gate, "ben", Access::Reads);
    let cat = now(&gate, "cat", Access::Reads);
    let rest = gate.count(&subject("dan"), 25);
    // No byte is free.
    waits(&gate, "eve", Access::Reads);
    drop((ada, cat, unread, third, rest));
    assert!(is_empty(&gate));
}

#[tokio::test]
async fn the_reason_of_a_wait_is_named() {
    pause();
    let gate = gate();
    let patience = Duration::from_secs(2);
    let ada = subject("ada");
    let start = Instant::now();
    let held = [now(&gate, "ada", Access::Reads), now(&gate, "ada", Access::Reads)];
    let cause = async |name: &str| {
        gate.take_within(&subject(name), Access::Reads, patience).await.map(drop).unwrap_err()
    };
    assert_eq!(cause("ada").await, Cause::OwnTurns);
    assert_eq!(start.elapsed().as_secs(), 2);
    drop(held);
    let unread = gate.count(&ada, 40);
    assert_eq!(cause("ada").await, Cause::OwnBytes);
    let others = gate.count(&subject("ben"), 60);
    assert_eq!(cause("cat").await, Cause::AllBytes);
    drop((unread, others));
    // The wait for reads of others has no time limit.
    let reads = ["ada", "ben", "cat"].map(|name| now(&gate, name, Access::Reads));
    let dan = subject("dan");
    let mut turn = Box::pin(gate.take_within(&dan, Access::Reads, patience));
    assert!(tokio::time::timeout(Duration::from_secs(20), turn.as_mut()).await.is_err());
    drop(reads);
    assert!(turn.await.is_ok());
    assert!(is_empty(&gate));
}
