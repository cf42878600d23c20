//! Limits of one caller: concurrent operations, and cost per minute.

mod at_once;
mod cost;
mod exports;
mod gate;
pub(crate) mod turns;

pub(crate) use cost::CostBudget;
pub(crate) use exports::Exports;

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::auth::{Actor, Claims, Role};

/// The subject that usage is counted for. A service whose name equals a person's id is a different subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A person. The budget depends on the role.
    Person {
        /// The person's id.
        id: Uuid,
        /// The stored role.
        role: Role,
    },
    /// A sending system, by the `sub` of its token.
    Service(Arc<str>),
    /// A client without a token, by its address.
    Address(IpAddr),
    /// A client without a token and without a known address: a trusted proxy did not report it.
    Unnamed,
}

impl Subject {
    /// The subject of a verified token; `None` if a person's `sub` is not a UUID.
    pub(crate) fn of_claims(claims: &Claims) -> Option<Self> {
        match claims.role {
            Role::Service => Some(Self::Service(claims.subject.as_str().into())),
            role => claims.subject.parse().ok().map(|id| Self::Person { id, role }),
        }
    }

    /// The subject as written to the log. An address is not logged.
    pub(crate) fn logged(&self) -> String {
        match self {
            Self::Person { id, role } => format!("{} {id}", role.as_str()),
            Self::Service(name) => format!("service {name}"),
            Self::Address(_) | Self::Unnamed => "not signed in".to_owned(),
        }
    }

    /// The caller, or the client's address if the request has no token.
    pub(crate) fn of(actor: Option<&Actor>, address: Option<IpAddr>) -> Self {
        match (actor, address) {
            (Some(Actor::Person { id, role }), _) => Self::Person { id: *id, role: *role },
            (Some(Actor::Service { source, .. }), _) => Self::Service(Arc::clone(source)),
            (None, Some(address)) => Self::Address(address),
            (None, None) => Self::Unnamed,
        }
    }
}
