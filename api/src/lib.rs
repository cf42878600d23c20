//! Plaudit, an achievements backend: events in, achievements out, people see it happen.
//! The modules are declared in reading order: the values, the flow, the rim.

pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod id;
pub mod refusal;
pub mod render;
pub mod store;
