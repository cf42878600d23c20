//! The part of the flow after the commit. It sends results and decides nothing.

pub(crate) mod channel;
pub(crate) mod hub;
pub(crate) mod mail;
mod plan;
pub(crate) mod relay;
mod retry;
