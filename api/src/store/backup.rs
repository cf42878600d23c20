//! Copies a SQLite database while it is in use, and checks a copy for damage.

use sea_orm::{ConnectionTrait, Statement};

use super::connect::Database;
use super::error::Error;

/// Writes a snapshot of the database to `file`, which must be empty or absent. Writers can continue meanwhile.
pub(crate) async fn copy_to(db: &Database, file: &str) -> Result<(), Error> {
    let connection = db.untimed().await?;
    let copied = connection.execute_raw(super::statement(&connection, "VACUUM INTO $1", [file.into()])).await;
    connection.close().await?;
    copied?;
    Ok(())
}

/// The faults that the database finds in its own file; empty without faults.
pub(crate) async fn faults(db: &Database) -> Result<Vec<String>, Error> {
    let connection = db.untimed().await?;
    let query = Statement::from_string(connection.get_database_backend(), "PRAGMA integrity_check");
    let rows = connection.query_all_raw(query).await;
    connection.close().await?;
    let lines: Vec<String> =
        rows?.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, sea_orm::DbErr>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
