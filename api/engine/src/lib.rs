//! The pure core: turns state and events into decisions. It uses no clock, database or network.
//! Each decision is a [`Step`]: `advance` decides events (`needs` → load → `late` → load → `further` → load → `advance`), `grant` and
//! `revoke` decide people's grants and revocations, and `catch_up` decides a publication.

pub mod advance;
pub mod catalog;
mod decide;
pub mod entitlement;
pub mod event;
pub mod grant;
pub mod late;
pub mod memory;
pub mod metric;
pub mod needs;
pub mod offer;
pub mod overflow;
mod person;
pub mod progress;
pub mod publish;
pub mod ranks;
pub mod rebuild;
pub mod redate;
mod rewind;
pub mod rule;
mod run;
pub mod state;
pub mod step;
pub mod streak;
pub mod trial;
pub mod xp;

pub use advance::{Overflow, advance, owed};
pub use catalog::{
    Achievement, Activity, AttributeProblem, Catalog, DomainEventKind, LoadedPack, Pack, Problem, Settings,
};
pub use entitlement::{Entitlement, entitlement, misjudged};
pub use event::{Attributes, Event, EventKey, Local, Value, local};
pub use grant::{Grant, Granted, Revocation, grant, revoke};
pub use late::{Further, Late, Span, further, late};
pub use needs::{Candidates, Needs, PersonNeeds, candidates, needs};
pub use overflow::overflows;
pub use progress::{Progress, Summary, progress, summary};
pub use publish::{CatchUp, Changes, catch_up};
pub use ranks::{add_ranks, ranks_need};
pub use rebuild::{Rebuilt, rebuild};
pub use redate::{Dates, redate};
pub use rewind::History;
pub use state::{Cause, Held, MetricState, PersonState, RunCursor, RunEvents, State};
pub use step::{
    AwardKey, Consequence, ConsequenceKind, Entry, EntryCause, Flag, Gain, NewAward, PersonTotals, Revoked,
    Step,
};
pub use streak::{LocalDay, Streak};
pub use xp::{Level, MAX_XP};
