//! Why a server does not start.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::store;

/// Why the server does not start. The text says what to do.
#[derive(Debug)]
pub enum Refused {
    /// The catalogue's files are invalid: one line per problem.
    Catalogue(Vec<String>),
    /// The keys cannot be used.
    Keys(String),
    /// The tables are not at the version of this build.
    Outdated(Vec<String>),
    /// Nothing has been published yet.
    Unpublished,
    /// The address is in use, or not an address of this machine.
    Listen(SocketAddr, std::io::Error),
    /// The address of the operations listener is in use, or not an address of this machine.
    ListenOperations(SocketAddr, std::io::Error),
    /// The database does not respond, or responds with an error.
    Database(store::Error),
    /// The database file does not exist.
    Missing(PathBuf),
    /// Deliveries cannot be made as the settings say.
    Delivery(String),
    /// The folder of GraphiQL's files cannot be used.
    Graphiql(String),
    /// The folder of the database file cannot be created.
    Folder(std::io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue(problems) => {
                write!(f, "the catalogue cannot be used:\n  {}", problems.join("\n  "))
            }
            Self::Keys(problem) => write!(f, "the keys cannot be used: {problem}"),
            Self::Outdated(steps) => {
                write!(
                    f,
                    "the tables are outdated, missing migrations: {}. Run `plaudit migrate` first",
                    steps.join(", ")
                )
            }
            Self::Unpublished => write!(f, "no catalogue is published yet: run `plaudit migrate` first"),
            Self::Listen(address, error) => {
                write!(
                    f,
                    "cannot listen on {address} ({error}): set PLAUDIT_LISTEN to a free address, such as 127.0.0.1:8001"
                )
            }
            Self::ListenOperations(address, error) => {
                write!(
                    f,
                    "cannot listen on {address} ({error}): set PLAUDIT_OPERATIONS_LISTEN to a free address, such as 127.0.0.1:9001"
                )
            }
            Self::Database(error @ store::Error::Unavailable(_)) => {
                let cause = error.chain();
                write!(
                    f,
                    "{cause}: check PLAUDIT_DATABASE_URL. The server must run and have the database; a file must be readable \
                     and writable for this user"
                )
            }
            Self::Database(error) => {
                write!(
                    f,
                    "{}. If PLAUDIT_DATABASE_URL names the wrong database or file, correct it",
                    error.chain()
                )
            }
            Self::Missing(file) => {
                write!(
                    f,
                    "there is no database file {}: run the command in its folder, or set PLAUDIT_DATABASE_URL. \
                     `plaudit migrate` creates a new database",
                    file.display()
                )
            }
            Self::Delivery(problem) => f.write_str(problem),
            Self::Graphiql(problem) => write!(
                f,
                "{problem}: PLAUDIT_GRAPHIQL_FILES needs a folder with the four files that config.default.toml names"
            ),
            Self::Folder(error) => write!(
                f,
                "the folder of the database file cannot be created ({error}): see PLAUDIT_DATABASE_URL"
            ),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            Self::Listen(_, error) | Self::ListenOperations(_, error) | Self::Folder(error) => Some(error),
            Self::Catalogue(_)
            | Self::Keys(_)
            | Self::Outdated(_)
            | Self::Unpublished
            | Self::Missing(_)
            | Self::Delivery(_)
            | Self::Graphiql(_) => None,
        }
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Database(error)
    }
}
