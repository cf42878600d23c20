//! The caller: a token becomes an `Actor`, and `policy` defines what an actor may do to whom.

pub mod policy;
mod reach;
mod rights;
mod scopes;
mod source;
pub mod token;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use scopes::{NAMES as SCOPES, Scopes};
pub use source::{Source, reads_as_uuid};

/// A role in the school. It is stored when the person is first seen; from then on the stored role applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Runs the installation.
    SuperAdmin,
    /// Runs the school.
    Admin,
    /// Teaches courses.
    Teacher,
    /// Takes courses.
    Student,
    /// Is linked to children.
    Parent,
    /// A backend that sends events. Not a person.
    Service,
}

impl Role {
    /// Every role, in the order of tokens, the database and `--help`.
    pub const ALL: [Self; 6] =
        [Self::SuperAdmin, Self::Admin, Self::Teacher, Self::Student, Self::Parent, Self::Service];

    /// The role's name in tokens and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuperAdmin => "super_admin",
            Self::Admin => "admin",
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Parent => "parent",
            Self::Service => "service",
        }
    }

    /// The role with this name; `None` for an unknown name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// The claims of a verified token. They have not been compared with the database yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// A person's UUID; for a service, the name of the sending system.
    pub subject: String,
    /// The role that the issuer states.
    pub role: Role,
    /// The person's name, if the issuer states it.
    pub name: Option<String>,
    /// What the token of a service may do.
    pub scopes: Scopes,
    /// The token's own id (`jti`), by which it can be revoked.
    pub id: Option<String>,
    /// The id (`kid`) of the key that signed it, by which all tokens of the key can be revoked.
    pub key: Option<String>,
    /// When the token expires. A socket opened with it is closed then.
    pub expires_at: DateTime<Utc>,
}

/// The caller, after the token was verified and the person looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person with the role stored in the database.
    Person {
        /// The person's id.
        id: Uuid,
        /// The stored role.
        role: Role,
    },
    /// A backend; `source` is the token's `sub` and scopes the ids of its events.
    Service {
        /// The name of the sending system.
        source: Arc<str>,
        /// What its token may do.
        scopes: Scopes,
    },
}

impl Actor {
    /// The role that decides the actor's rights.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Person { role, .. } => *role,
            Self::Service { .. } => Role::Service,
        }
    }

    /// The person's id; `None` for a service.
    #[must_use]
    pub fn person(&self) -> Option<Uuid> {
        match self {
            Self::Person { id, .. } => Some(*id),
            Self::Service { .. } => None,
        }
    }

    /// The scope that the actor's token needs for this action and does not have.
    pub(crate) fn lacks_scope(&self, action: policy::Action) -> Option<&'static str> {
        match self {
            Self::Person { .. } => None,
            Self::Service { scopes, .. } => scopes.lacks(action),
        }
    }

    /// The kind of the actor.
    #[must_use]
    pub fn kind(&self) -> ActorKind {
        match self {
            Self::Person { .. } => ActorKind::Person,
            Self::Service { .. } => ActorKind::Service,
        }
    }

    /// The name within the kind: a person's id, or the name of a service.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Person { id, .. } => id.to_string(),
            Self::Service { source, .. } => source.to_string(),
        }
    }

    /// The source of the events that this actor records. Event ids are unique within it.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self::Person { id, .. } => Source::Person(*id),
            Self::Service { source, .. } => Source::Service(Arc::clone(source)),
        }
    }
}

/// The kinds of actors. A name identifies an actor only together with its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// A person, named by id.
    Person,
    /// A sending system, named by the `sub` of its token.
    Service,
}

impl ActorKind {
    /// The kind's name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
        }
    }

    /// The kind with this name; `None` for an unknown name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Person, Self::Service].into_iter().find(|kind| kind.as_str() == word)
    }
}
