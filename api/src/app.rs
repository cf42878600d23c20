//! `App`: everything a request may use, passed as a value to every function that needs it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;

/// The running application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings, validated whole.
    pub config: Arc<Config>,
    /// Where "now" comes from.
    pub clock: Clock,
}
