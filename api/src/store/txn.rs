//! A transaction. A commit counts only if it ends the outermost transaction and all earlier statements succeeded.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::prelude::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, sqlx};
use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::connect::{Reads, Source};
use super::dialect::Dialect;
use super::error::Error;
use super::session::Session;

/// An open transaction, required for every write. Dropping it without [`Txn::commit`] rolls it back.
pub(crate) struct Txn {
    state: Mutex<State>,
    statements: Arc<AtomicU64>,
    pub(super) dialect: Dialect,
}

struct State {
    session: Session,
    /// A statement has failed. PostgreSQL refuses all following ones. SQLite may have rolled back already, so the next
    /// statement would be a separate transaction. Therefore no more statements run, and nothing is committed.
    failed: bool,
}

impl Txn {
    /// Begins a transaction with this statement.
    ///
    /// # Errors
    /// If no connection becomes free in time, or the database does not begin.
    pub(super) async fn begin(source: &Source, text: &str) -> Result<Self, Error> {
        let mut session = source.pool.session().await?;
        session.begin(text).await.map_err(failed_query)?;
        let statements = Arc::clone(&source.statements);
        Ok(Self { state: Mutex::new(State { session, failed: false }), statements, dialect: source.dialect })
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// If the database could not commit. Then nothing was stored, unless the connection was lost before the response.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        let mut state = self.state.into_inner();
        if state.failed {
            let refused = "a transaction with a failed statement was rolled back instead of committed";
            roll_back(state).await;
            return Err(Error::Impossible(refused.to_owned()));
        }
        Ok(state.session.end("COMMIT").await.map_err(failed_query)?)
    }

    /// Rolls the transaction back. If the database does not respond, closing the connection rolls it back too.
    pub(crate) async fn rollback(self) {
        roll_back(self.state.into_inner()).await;
    }

    /// Allows each following statement of the transaction ten minutes, for work on the whole school. If the client sends
    /// nothing for ten seconds between two statements, PostgreSQL ends the transaction and releases its locks.
    pub(crate) async fn take_time(&self) -> Result<(), Error> {
        self.state.lock().await.session.take_time();
        if self.dialect == Dialect::Postgres {
            let untimed =
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 10000";
            self.connection().execute_unprepared(untimed).await?;
        }
        Ok(())
    }
}

async fn roll_back(mut state: State) {
    if let Err(error) = state.session.end("ROLLBACK").await {
        tracing::debug!(%error, "closed a connection that could not roll back");
    }
}

fn failed_query(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn failed_execution(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

impl State {
    fn open(&mut self) -> Result<&mut Session, DbErr> {
        if self.failed {
            return Err(DbErr::Custom("an earlier statement of the transaction failed".to_owned()));
        }
        // An abandoned statement also counts as failed.
        self.failed = true;
        Ok(&mut self.session)
    }

    fn note<T>(&mut self, answer: Result<T, DbErr>) -> Result<T, DbErr> {
        self.failed = answer.is_err();
        answer
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Txn {
    fn get_database_backend(&self) -> DbBackend {
        self.dialect.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().await;
        let answer = state.open()?.execute(statement).await.map_err(failed_execution);
        state.note(answer)
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        let mut state = self.state.lock().await;
        let answer = state.open()?.execute_text(text).await.map_err(failed_execution);
        state.note(answer)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().await;
        let answer = state.open()?.one(statement).await.map_err(failed_query);
        state.note(answer)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().await;
        let answer = state.open()?.all(statement).await.map_err(failed_query);
        state.note(answer)
    }
}

impl Source {
    /// A connection for one statement, and the operation's permit for it.
    async fn session(&self) -> Result<(Option<OwnedSemaphorePermit>, Session), DbErr> {
        let right = match &self.at_once {
            // The semaphore is never closed. If it were, no limit would be better than no connection.
            Some(at_once) => Arc::clone(at_once).acquire_owned().await.ok(),
            None => None,
        };
        Ok((right, self.pool.session().await?))
    }
}

impl Reads for Txn {
    type Connection = Self;

    fn connection(&self) -> &Self {
        self
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Source {
    fn get_database_backend(&self) -> DbBackend {
        self.dialect.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.session().await?.1.execute(statement).await.map_err(failed_execution)
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.session().await?.1.execute_text(text).await.map_err(failed_execution)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.session().await?.1.one(statement).await.map_err(failed_query)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.session().await?.1.all(statement).await.map_err(failed_query)
    }
}
