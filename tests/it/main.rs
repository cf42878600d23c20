//! All integration tests, in one binary.
#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod actions;
mod audit;
mod backup;
mod badges;
mod boards;
mod certificates;
mod chaos;
mod check;
mod checklist;
mod consequences;
mod contract;
mod courses;
mod crash;
mod crowd;
mod denials;
mod disk;
mod door;
mod erasure;
mod faults;
mod flow;
mod graphql;
mod harness;
mod history;
mod input;
mod late_events;
mod limits;
mod mail;
mod n_plus_one;
mod network;
mod operations;
mod operator;
mod order;
mod outbox;
mod packs;
mod policy;
mod publication;
mod race;
mod readme;
mod repair;
mod restricted;
mod resume;
mod rights;
mod search;
mod self_reports;
mod streaks;
mod tables;
mod tidy;
mod traces;
mod webhooks;
