//! `App`: everything a request may use, passed as a value to every function that needs it.

use std::sync::Arc;

use crate::auth::token::Keys;
use crate::budget::turns::Turns;
use crate::budget::{CostBudget, Exports};
use crate::bus::Bus;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::hub::Hub;
use crate::pipeline::Batcher;
use crate::pulse::Pulse;
use crate::slow_lane::SlowLane;
use crate::store::Database;
use crate::telemetry::Telemetry;

/// The running application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings, validated whole.
    pub config: Arc<Config>,
    /// Where "now" comes from.
    pub clock: Clock,
    /// The database.
    pub db: Database,
    /// What tokens are verified with.
    pub keys: Arc<Keys>,
    /// The catalogue in force.
    pub(crate) catalogue: Arc<Catalogue>,
    /// The entrance to the pipeline.
    pub(crate) batcher: Batcher,
    /// Hints that the feed has grown.
    pub(crate) bus: Bus,
    /// What subscribers read the feed through.
    pub(crate) hub: Arc<Hub>,
    /// What callers have spent of their cost per minute.
    pub(crate) costs: Arc<CostBudget>,
    /// Who exports at this moment.
    pub(crate) exports: Arc<Exports>,
    /// Whose operations may execute now.
    pub(crate) turns: Turns,
    /// Where long operations run.
    pub(crate) slow_lane: SlowLane,
    /// The heartbeats of the loops.
    pub(crate) pulse: Pulse,
    /// What the server measures about itself.
    pub(crate) telemetry: Telemetry,
}

#[cfg(test)]
impl App {
    /// An application with keys and a clock, but no database: what needs one is told that it does not answer.
    pub(crate) fn for_tests(config: Config, clock: Clock) -> Self {
        let keys = Keys::load(&config.auth).unwrap();
        let turns = Turns::new(&config);
        Self {
            costs: Arc::new(CostBudget::new(&config.limits)),
            config: Arc::new(config),
            clock,
            db: Database::nowhere(),
            keys: Arc::new(keys),
            catalogue: Arc::new(Catalogue::empty()),
            batcher: Batcher::new().0,
            bus: Bus::new(),
            hub: Arc::new(Hub::new()),
            exports: Arc::default(),
            turns,
            slow_lane: SlowLane::default(),
            pulse: Pulse::new(),
            telemetry: Telemetry::new(),
        }
    }
}
