//! The transport's GraphQL half: arguments in, types out; no query, no decision.

pub(crate) mod achievements;
pub(crate) mod awards;
pub(crate) mod context;
pub(crate) mod errands;
pub(crate) mod events;
pub(crate) mod fault;
pub(crate) mod feed;
pub(crate) mod guard;
pub(crate) mod leaderboard;
pub(crate) mod loaders;
pub(crate) mod mutation;
pub(crate) mod omitted;
pub(crate) mod page;
pub(crate) mod people;
pub(crate) mod query;
pub(crate) mod scalars;
mod scan;
pub(crate) mod schema;
