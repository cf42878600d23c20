//! The flow, right of the commit: nothing is decided here, only told.

pub(crate) mod hub;
pub(crate) mod relay;
