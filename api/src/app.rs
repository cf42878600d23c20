//! `App`: the shared state of the application, passed as a value to every function that needs it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::auth::token::Keys;
use crate::budget::turns::Turns;
use crate::budget::{CostBudget, Exports};
use crate::bus::Bus;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::boards::Boards;
use crate::delivery::hub::Hub;
use crate::delivery::mail::Mailer;
use crate::delivery::mail::unsubscribe::Unsubscribing;
use crate::delivery::webhook::Webhooks;
use crate::pipeline::Batcher;
use crate::pulse::Pulse;
use crate::registry::revocations::Revocations;
use crate::slow_lane::SlowLane;
use crate::store::Database;
use crate::telemetry::Telemetry;

/// How many deliveries read their content at a time.
pub(crate) const DELIVERY_READS: usize = 2;

/// The running application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The validated settings.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// The database.
    pub db: Database,
    /// The keys that verify tokens.
    pub keys: Arc<Keys>,
    /// The tokens and keys that are no longer accepted.
    pub(crate) revocations: Arc<Revocations>,
    /// The current catalogue.
    pub(crate) catalogue: Arc<Catalogue>,
    /// Passes events to the pipeline.
    pub(crate) batcher: Batcher,
    /// Hints that the feed has grown.
    pub(crate) bus: Bus,
    /// The leaderboards in memory.
    pub(crate) boards: Boards,
    /// The reader of the feed for subscribers.
    pub(crate) hub: Arc<Hub>,
    /// Where mails go.
    pub(crate) mailer: Arc<Mailer>,
    /// Signs the links by which people stop their mails.
    pub(crate) unsubscribing: Unsubscribing,
    /// How many deliveries read their content at a time, so that they leave connections for requests.
    pub(crate) delivery_reads: Arc<Semaphore>,
    /// Sends requests to webhooks.
    pub(crate) webhooks: Webhooks,
    /// The cost budget of each caller.
    pub(crate) costs: Arc<CostBudget>,
    /// The running exports.
    pub(crate) exports: Arc<Exports>,
    /// The turns of operations.
    pub(crate) turns: Turns,
    /// The threads for long operations.
    pub(crate) slow_lane: SlowLane,
    /// The heartbeats of the loops.
    pub(crate) pulse: Pulse,
    /// The server's metrics.
    pub(crate) telemetry: Telemetry,
}

#[cfg(test)]
impl App {
    /// An application with keys and a clock but no database. Database access fails with an error.
    pub(crate) fn for_tests(config: Config, clock: Clock) -> Self {
        let keys = Keys::load(&config.auth).unwrap();
        let turns = Turns::new(&config);
        Self {
            costs: Arc::new(CostBudget::new(&config.limits)),
            config: Arc::new(config),
            clock,
            db: Database::nowhere(),
            keys: Arc::new(keys),
            revocations: Arc::default(),
            catalogue: Arc::new(Catalogue::empty()),
            batcher: Batcher::new().0,
            bus: Bus::new(),
            boards: Boards::new().0,
            hub: Arc::new(Hub::new()),
            mailer: Arc::new(Mailer::Off),
            delivery_reads: Arc::new(Semaphore::new(DELIVERY_READS)),
            webhooks: Webhooks::off(),
            unsubscribing: Unsubscribing::new("the key of a test"),
            exports: Arc::default(),
            turns,
            slow_lane: SlowLane::default(),
            pulse: Pulse::new(),
            telemetry: Telemetry::new(),
        }
    }
}
