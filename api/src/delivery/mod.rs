//! The part of the flow after the commit. It sends results and decides nothing.

pub(crate) mod hub;
pub(crate) mod relay;
