//! The transport's GraphQL half: arguments in, types out; no query, no decision.

pub(crate) mod achievements;
pub(crate) mod audit;
pub(crate) mod awards;
pub(crate) mod certificates;
pub(crate) mod context;
pub(crate) mod courses;
pub(crate) mod erasure;
pub(crate) mod events;
pub(crate) mod fault;
pub(crate) mod feed;
pub(crate) mod guard;
pub(crate) mod guardians;
pub(crate) mod leaderboard;
pub(crate) mod lessons;
pub(crate) mod loaders;
pub(crate) mod mutation;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod people;
pub(crate) mod query;
pub(crate) mod register;
pub(crate) mod roster;
pub(crate) mod scalars;
mod scan;
pub(crate) mod schema;
