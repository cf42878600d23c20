//! Plaudit, an achievements backend: events in, achievements out, people see it happen.
//! The modules are in reading order: the values, the flow, the transports, and the start of the server.

pub mod app;
mod budget;
mod bus;
mod catalogue;
pub mod clock;
pub mod config;
pub mod id;
mod packs;
mod progress;
mod pulse;
pub mod refusal;
mod secret;
mod slow_lane;
mod telemetry;
mod text;
pub mod trace;
mod words;

mod audit;
pub mod auth;
mod delivery;
mod pipeline;
mod registry;
mod render;
pub mod store;

mod graphql;
mod http;

pub mod backup;
pub mod check;
pub mod demo;
pub mod doctor;
pub mod handles;
pub mod health;
pub mod outbox;
pub mod repair;
pub mod revoke;
mod rounds;
pub mod signals;
pub mod start;
pub mod watch;

/// The whole schema in the schema language, sorted: the content of `schema.graphql`.
#[must_use]
pub fn schema_sdl() -> String {
    graphql::schema::sdl()
}
