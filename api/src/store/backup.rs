//! A copy of a SQLite database while it is in use, and whether a copy is intact.

use sea_orm::{ConnectionTrait, Statement};

use super::connect::Database;
use super::error::Error;

/// Writes one moment of the database to `file`, which has to be empty or absent. Writers go on meanwhile.
pub(crate) async fn copy_to(db: &Database, file: &str) -> Result<(), Error> {
    let connection = db.untimed().await?;
    let copied = connection.execute_raw(super::statement(&connection, "VACUUM INTO $1", [file.into()])).await;
    connection.close().await?;
    copied?;
    Ok(())
}

/// What the database itself finds wrong with its file; empty if nothing.
pub(crate) async fn faults(db: &Database) -> Result<Vec<String>, Error> {
    let connection = db.untimed().await?;
    let query = Statement::from_string(connection.get_database_backend(), "PRAGMA integrity_check");
    let rows = connection.query_all_raw(query).await;
    connection.close().await?;
    let lines: Vec<String> =
        rows?.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, sea_orm::DbErr>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
