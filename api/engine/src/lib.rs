//! The pure core: state and events in, decisions out. It knows no clock, database or network.
//! A batch goes `needs` → (load) → `late` → (load) → `advance` → (write the `Step`).

pub mod advance;
pub mod catalog;
pub mod entitlement;
pub mod event;
pub mod memory;
pub mod metric;
pub mod needs;
pub mod offer;
pub mod overflow;
mod person;
pub mod progress;
pub mod rebuild;
pub mod rule;
pub mod state;
pub mod streak;
pub mod trial;
pub mod xp;

pub use advance::{Entry, EntryCause, Flag, Gain, NewAward, Overflow, PersonTotals, Step, advance, owed};
pub use catalog::{
    Achievement, Activity, AttributeProblem, Catalog, DomainEventKind, LoadedPack, Pack, Problem, Settings,
};
pub use entitlement::{Entitlement, due, entitlement, misjudged};
pub use event::{Attributes, Event, EventKey, Local, Value, local};
pub use needs::{Late, Needs, PersonNeeds, late, needs};
pub use overflow::overflows;
pub use progress::{Progress, Summary, progress, summary};
pub use rebuild::{Rebuilt, rebuild};
pub use state::{Cause, Held, History, MetricState, PersonState, RunCursor, State};
pub use streak::Streak;
pub use xp::{Level, MAX_XP};
