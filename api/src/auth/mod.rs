//! Who is asking: a token becomes an `Actor`, and `policy` says what an actor may do to whom.

pub mod policy;
mod reach;
mod source;
pub mod token;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use source::{Source, reads_as_uuid};

/// What someone is in the school. Stored in the database; from the first sight on, the stored one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Runs the installation.
    SuperAdmin,
    /// Runs the school.
    Admin,
    /// Teaches courses.
    Teacher,
    /// Learns.
    Student,
    /// Is linked to children.
    Parent,
    /// A backend that sends events: no person.
    Service,
}

impl Role {
    /// Every role, as tokens, the database and `--help` list them.
    pub const ALL: [Self; 6] =
        [Self::SuperAdmin, Self::Admin, Self::Teacher, Self::Student, Self::Parent, Self::Service];

    /// The word for it in tokens and in the database.
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

    /// The role of that word, if there is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// What a verified token says. Nothing here has been compared with the database yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// A person's UUID; for a service, the name of the sending system.
    pub subject: String,
    /// The role the issuer gives.
    pub role: Role,
    /// The person's name, if the issuer tells it.
    pub name: Option<String>,
    /// When the token ends; a socket that lives on it is closed then.
    pub expires_at: DateTime<Utc>,
}

/// Who asks, once the token has been believed and the person is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person with the role the database holds.
    Person {
        /// Whose request this is.
        id: Uuid,
        /// The stored role.
        role: Role,
    },
    /// A backend; `source` is the token's `sub` and scopes the ids of its events.
    Service {
        /// The name of the sending system.
        source: Arc<str>,
    },
}

impl Actor {
    /// The role that rights are judged by.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Person { role, .. } => *role,
            Self::Service { .. } => Role::Service,
        }
    }

    /// The person asking, unless it is a service.
    #[must_use]
    pub fn person(&self) -> Option<Uuid> {
        match self {
            Self::Person { id, .. } => Some(*id),
            Self::Service { .. } => None,
        }
    }

    /// What kind of actor it is.
    #[must_use]
    pub fn kind(&self) -> ActorKind {
        match self {
            Self::Person { .. } => ActorKind::Person,
            Self::Service { .. } => ActorKind::Service,
        }
    }

    /// The name within its kind: a person's id, or the name of a service.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Person { id, .. } => id.to_string(),
            Self::Service { source } => source.to_string(),
        }
    }

    /// The source that ids of events recorded by this actor belong to.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self::Person { id, .. } => Source::Person(*id),
            Self::Service { source } => Source::Service(Arc::clone(source)),
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
    /// The word for it in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
        }
    }

    /// The kind of that word, if there is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Person, Self::Service].into_iter().find(|kind| kind.as_str() == word)
    }
}
