//! The part of the flow after the commit. It sends results and decides nothing.

pub(crate) mod boards;
pub(crate) mod calendar;
pub(crate) mod channel;
mod disable;
pub(crate) mod hub;
pub(crate) mod mail;
pub(crate) mod manage;
mod plan;
pub(crate) mod relay;
mod retry;
pub(crate) mod tls;
pub(crate) mod webhook;
