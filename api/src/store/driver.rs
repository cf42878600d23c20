//! One connection of either driver, and the operations on it.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use log::LevelFilter;
use sea_orm::sea_query::{ArrayType, Nullable, Value, ValueType, Values};
use sea_orm::sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, Arguments, AssertSqlSafe, ConnectOptions, Connection, Executor, IntoArguments};
use sea_orm::{ExecResult, QueryResult, Statement};
use sea_query_sqlx::SqlxValues;
use uuid::Uuid;

use super::dialect::Dialect;
use super::error::Error;

/// A statement that takes longer is logged as a warning.
const SLOW: Duration = Duration::from_secs(1);

/// How a connection is opened.
#[derive(Debug, Clone)]
pub(super) enum Options {
    /// To a file.
    Sqlite(Box<SqliteConnectOptions>),
    /// To a server.
    Postgres(Box<PgConnectOptions>),
}

/// The time limits of the statements of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// When PostgreSQL itself stops a statement.
    pub(super) statement: Duration,
    /// When we abandon a statement without a response, and close its connection. Later than `statement`, so that a
    /// responding database can report the timeout itself.
    pub(super) answer: Duration,
}

impl Options {
    /// Parses the URL, and adds the options that every connection to such a database needs.
    ///
    /// # Errors
    /// If the URL is invalid.
    pub(super) fn of(url: &str, dialect: Dialect, deadlines: Deadlines) -> Result<Self, Error> {
        let wrong =
            |error: sqlx::Error| Error::Impossible(format!("the database URL cannot be read: {error}"));
        Ok(match dialect {
            Dialect::Sqlite => Self::Sqlite(Box::new(sqlite(url.parse().map_err(wrong)?))),
            Dialect::Postgres => Self::Postgres(Box::new(postgres(url.parse().map_err(wrong)?, deadlines))),
        })
    }
}

fn sqlite(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
        .pragma("foreign_keys", "ON")
        .pragma("busy_timeout", "5000")
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "MEMORY")
        // Rows pass from SQLite's thread to the task through a queue. If it is short, the two wait for each other.
        .row_buffer_size(1_024)
        // The log contains the SQL with placeholders, never the values.
        .log_statements(LevelFilter::Debug)
        .log_slow_statements(LevelFilter::Warn, SLOW)
}

fn postgres(options: PgConnectOptions, deadlines: Deadlines) -> PgConnectOptions {
    let answer = deadlines.answer.as_millis().to_string();
    options
        .application_name("plaudit")
        .options([
            // "Already exists, skipping" is not of interest: only warnings and worse.
            ("client_min_messages", "warning"),
            ("statement_timeout", &deadlines.statement.as_millis().to_string()),
            // If this process abandons a connection and the server does not notice, its locks must still be released.
            ("idle_in_transaction_session_timeout", &answer),
            // Compiling a statement takes longer than running any of ours.
            ("jit", "off"),
            ("tcp_user_timeout", &answer),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ])
        .log_statements(LevelFilter::Debug)
        .log_slow_statements(LevelFilter::Warn, SLOW)
}

/// An open connection.
pub(super) enum Driver {
    /// To a file.
    Sqlite(Box<SqliteConnection>),
    /// To a server.
    Postgres(Box<PgConnection>),
}

impl Driver {
    /// Opens a connection.
    pub(super) async fn open(options: &Options) -> Result<Self, sqlx::Error> {
        Ok(match options {
            Options::Sqlite(options) => Self::Sqlite(Box::new(options.connect().await?)),
            Options::Postgres(options) => Self::Postgres(Box::new(options.connect().await?)),
        })
    }

    /// Runs a statement.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, sqlx::Error> {
        let (text, values) = parts(statement);
        Ok(match self {
            Self::Sqlite(connection) => {
                sqlx::query_with(text, SqlxValues(values)).execute(connection.as_mut()).await?.into()
            }
            Self::Postgres(connection) => {
                sqlx::query_with(text, arguments(values)?).execute(connection.as_mut()).await?.into()
            }
        })
    }

    /// Runs a text without preparing it; it may contain several statements.
    pub(super) async fn execute_text(&mut self, text: &str) -> Result<ExecResult, sqlx::Error> {
        let text = AssertSqlSafe(text.to_owned());
        Ok(match self {
            Self::Sqlite(connection) => connection.execute(text).await?.into(),
            Self::Postgres(connection) => connection.execute(text).await?.into(),
        })
    }

    /// The first row of a query.
    pub(super) async fn one(&mut self, statement: Statement) -> Result<Option<QueryResult>, sqlx::Error> {
        let (text, values) = parts(statement);
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_with(text, SqlxValues(values))
                .fetch_optional(connection.as_mut())
                .await?
                .map(QueryResult::from),
            Self::Postgres(connection) => sqlx::query_with(text, arguments(values)?)
                .fetch_optional(connection.as_mut())
                .await?
                .map(QueryResult::from),
        })
    }

    /// All rows of a query.
    pub(super) async fn all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        let (text, values) = parts(statement);
        Ok(match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query_with(text, SqlxValues(values)).fetch_all(connection.as_mut()).await?;
                rows.into_iter().map(QueryResult::from).collect()
            }
            Self::Postgres(connection) => {
                let rows = sqlx::query_with(text, arguments(values)?).fetch_all(connection.as_mut()).await?;
                rows.into_iter().map(QueryResult::from).collect()
            }
        })
    }

    /// Waits for the responses to everything sent so far, and to one ping.
    pub(super) async fn ping(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.ping().await,
            Self::Postgres(connection) => connection.ping().await,
        }
    }

    /// Closes the connection.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => (*connection).close().await,
            Self::Postgres(connection) => (*connection).close().await,
        }
    }

    /// Whether the driver tracks an open transaction. We begin ours by SQL text, so it does not track them.
    pub(super) fn counts_a_transaction(&self) -> bool {
        match self {
            Self::Sqlite(connection) => connection.is_in_transaction(),
            Self::Postgres(connection) => connection.is_in_transaction(),
        }
    }
}

fn parts(statement: Statement) -> (AssertSqlSafe<String>, Values) {
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    (AssertSqlSafe(statement.sql), values)
}

/// The arguments of a statement on PostgreSQL. The library's conversion accepts no NULL in an array, so a statement whose
/// arguments are all arrays, as [`super::rows`] makes them, is converted here.
fn arguments(values: Values) -> Result<PgArguments, sqlx::Error> {
    if !values.0.iter().all(|value| matches!(value, Value::Array(_, Some(_)))) {
        return Ok(IntoArguments::<sqlx::Postgres>::into_arguments(SqlxValues(values)));
    }
    let mut arguments = PgArguments::default();
    for value in values.0 {
        let Value::Array(kind, Some(items)) = value else { continue };
        match kind {
            ArrayType::Bool => arguments.add(column::<bool>(*items)?),
            ArrayType::SmallInt => arguments.add(column::<i16>(*items)?),
            ArrayType::Int => arguments.add(column::<i32>(*items)?),
            ArrayType::BigInt => arguments.add(column::<i64>(*items)?),
            ArrayType::String => arguments.add(column::<String>(*items)?),
            ArrayType::Uuid => arguments.add(column::<Uuid>(*items)?),
            ArrayType::ChronoDate => arguments.add(column::<NaiveDate>(*items)?),
            ArrayType::ChronoDateTimeUtc => arguments.add(column::<DateTime<Utc>>(*items)?),
            ArrayType::Json => arguments.add(column::<serde_json::Value>(*items)?),
            other => Err(format!("no column has the type {other:?}").into()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The values of a column, some of which may be NULL.
fn column<T: ValueType + Nullable>(values: Vec<Value>) -> Result<Vec<Option<T>>, sqlx::Error> {
    let wrong = |_| sqlx::Error::Encode("a column has values of several types".into());
    values.into_iter().map(|value| <Option<T> as ValueType>::try_from(value).map_err(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_logged_at_debug_and_slow_ones_as_warnings() {
        let second = Duration::from_secs(1);
        let deadlines = Deadlines { statement: second, answer: second };
        for (url, dialect) in
            [("sqlite://x.db", Dialect::Sqlite), ("postgres://localhost/x", Dialect::Postgres)]
        {
            let options = format!("{:?}", Options::of(url, dialect, deadlines).unwrap());
            assert!(options.contains("statements_level: Debug"), "{options}");
            assert!(options.contains("slow_statements_level: Warn"), "{options}");
            assert!(options.contains("slow_statements_duration: 1s"), "{options}");
        }
    }
}
