//! The tables as types, and nothing else. The API does not expose rows: `graphql` converts them.

pub mod achievements;
pub mod active_days;
pub mod audit_log;
pub mod awards;
pub mod capped_days;
pub mod catalogue_revision;
pub mod certificates;
pub mod comments;
pub mod completions;
pub mod consequence;
pub mod courses;
pub mod enrollments;
pub mod events;
pub mod feed;
pub mod feed_counter;
pub mod guardians;
pub mod lessons;
pub mod metric_members;
pub mod metrics;
pub mod outbox;
pub mod outbox_trims;
pub mod people;
pub mod publications;
pub mod role;
pub mod totals;
pub mod xp_entries;
