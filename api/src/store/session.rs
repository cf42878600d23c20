//! A connection used by one caller. Every wait for the database has a deadline here. A connection in an uncertain
//! state is closed instead of being reused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use sea_orm::sqlx;
use sea_orm::{ExecResult, QueryResult, Statement};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::error::is_lost;
use super::pool::{Era, Opener, Pooled};

/// The time limit of a statement in a transaction that has declared itself long.
const LONG: Duration = Duration::from_secs(600);

/// A connection, until it returns to its pool or is closed. It returns if its last statement got a response and no
/// transaction is open. It is closed if BEGIN, COMMIT or ROLLBACK failed or was abandoned, if a deadline was missed, or if
/// the connection broke. If another statement or an open transaction was abandoned, a separate task waits for the
/// response and rolls back; if that fails, it closes the connection.
pub(super) struct Session {
    connection: Option<Object<Opener>>,
    era: Arc<Era>,
    answer: Duration,
    amid: Amid,
}

/// The work in progress on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amid {
    /// None: everything sent has got a response.
    Nothing,
    /// A statement.
    Statement,
    /// The beginning or the end of a transaction.
    Boundary,
}

impl Session {
    /// A session on a connection from the pool.
    pub(super) fn new(connection: Object<Opener>, era: Arc<Era>, answer: Duration) -> Self {
        Self { connection: Some(connection), era, answer, amid: Amid::Nothing }
    }

    /// Sets a long time limit for all following statements.
    pub(super) fn take_time(&mut self) {
        self.answer = self.answer.max(LONG);
    }

    /// Runs a statement. The driver's futures are large, so they are boxed here and below to save stack.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, sqlx::Error> {
        let limit = self.answer;
        let ran = timeout(limit, Box::pin(self.enter(Amid::Statement)?.driver.execute(statement))).await;
        self.leave(ran)
    }

    /// Runs a text without preparing it.
    pub(super) async fn execute_text(&mut self, text: &str) -> Result<ExecResult, sqlx::Error> {
        let limit = self.answer;
        let ran = timeout(limit, Box::pin(self.enter(Amid::Statement)?.driver.execute_text(text))).await;
        self.leave(ran)
    }

    /// The first row of a query.
    pub(super) async fn one(&mut self, statement: Statement) -> Result<Option<QueryResult>, sqlx::Error> {
        let limit = self.answer;
        let ran = timeout(limit, Box::pin(self.enter(Amid::Statement)?.driver.one(statement))).await;
        self.leave(ran)
    }

    /// All rows of a query.
    pub(super) async fn all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        let limit = self.answer;
        let ran = timeout(limit, Box::pin(self.enter(Amid::Statement)?.driver.all(statement))).await;
        self.leave(ran)
    }

    /// Checks that the database responds.
    pub(super) async fn ping(&mut self) -> Result<(), sqlx::Error> {
        let limit = self.answer;
        let ran = timeout(limit, Box::pin(self.enter(Amid::Statement)?.driver.ping())).await;
        self.leave(ran)
    }

    /// Begins a transaction with this statement.
    ///
    /// # Errors
    /// Also if a transaction is already open: then a commit would not end the outermost one.
    pub(super) async fn begin(&mut self, text: &str) -> Result<(), sqlx::Error> {
        let limit = self.answer;
        let pooled = self.enter(Amid::Boundary)?;
        if pooled.in_transaction || pooled.driver.counts_a_transaction() {
            self.close();
            return Err(sqlx::Error::Protocol("a transaction is already open on the connection".to_owned()));
        }
        pooled.in_transaction = true;
        let ran = timeout(limit, Box::pin(pooled.driver.execute_text(text))).await;
        self.leave_boundary(ran, true)
    }

    /// Ends the transaction with COMMIT or ROLLBACK.
    ///
    /// # Errors
    /// If it could not be ended, or no transaction is open.
    pub(super) async fn end(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let limit = self.answer;
        let pooled = self.enter(Amid::Boundary)?;
        if !pooled.in_transaction {
            self.close();
            return Err(sqlx::Error::Protocol("no transaction is open on the connection".to_owned()));
        }
        let ran = timeout(limit, Box::pin(pooled.driver.execute_text(text))).await;
        self.leave_boundary(ran, false)
    }

    fn enter(&mut self, amid: Amid) -> Result<&mut Pooled, sqlx::Error> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "the connection has been closed");
        let connection = self.connection.as_mut().ok_or_else(|| sqlx::Error::Io(closed()))?;
        self.amid = amid;
        Ok(connection)
    }

    fn leave<T>(&mut self, ran: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, sqlx::Error> {
        let error = match ran {
            Ok(Ok(answer)) => {
                self.amid = Amid::Nothing;
                return Ok(answer);
            }
            Ok(Err(error)) => error,
            Err(_) => self.silent(),
        };
        if is_lost(&error) {
            self.close();
            self.era.end();
        }
        self.amid = Amid::Nothing;
        Err(error)
    }

    fn leave_boundary(
        &mut self,
        ran: Result<Result<ExecResult, sqlx::Error>, Elapsed>,
        in_transaction: bool,
    ) -> Result<(), sqlx::Error> {
        match self.leave(ran) {
            Ok(_) => {
                if let Some(connection) = &mut self.connection {
                    connection.in_transaction = in_transaction;
                }
                Ok(())
            }
            Err(error) => {
                self.close();
                Err(error)
            }
        }
    }

    fn silent(&self) -> sqlx::Error {
        let message = format!("the database did not respond within {} ms", self.answer.as_millis());
        sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message))
    }

    fn close(&mut self) {
        drop(self.connection.take().map(Object::take));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let unsettled = Unsettled(Some(connection));
        match self.amid {
            Amid::Nothing if !unsettled.in_transaction() => unsettled.give_back(),
            Amid::Boundary => drop(unsettled),
            Amid::Nothing | Amid::Statement => {
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(unsettled.settle(self.answer, Arc::clone(&self.era)));
                }
            }
        }
    }
}

/// A connection in an unknown state. Dropping it closes it.
struct Unsettled(Option<Object<Opener>>);

impl Unsettled {
    fn in_transaction(&self) -> bool {
        self.0.as_ref().is_some_and(|connection| connection.in_transaction)
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }

    /// Waits for running statements, rolls back an open transaction, and returns the connection if both succeed.
    async fn settle(mut self, limit: Duration, era: Arc<Era>) {
        let Some(connection) = &mut self.0 else { return };
        let settled = timeout(limit, async {
            connection.driver.ping().await?;
            if connection.in_transaction {
                connection.driver.execute_text("ROLLBACK").await?;
            }
            Ok::<(), sqlx::Error>(())
        });
        match settled.await {
            Ok(Ok(())) => {
                connection.in_transaction = false;
                self.give_back();
            }
            Ok(Err(error)) => tracing::debug!(%error, "closed a connection that could not roll back"),
            Err(_) => era.end(),
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
