//! The SQL of the migrations is the same for both databases, except for a few type names. This module replaces them.

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Runs the statements in order, each in the dialect of the database.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let backend = db.get_database_backend();
    for statement in statements {
        db.execute_unprepared(&spell(backend, statement)).await?;
    }
    Ok(())
}

/// SQLite stores a UUID as 16 bytes and a time as RFC 3339 text, which sorts in time order. `{letters}` is text that both
/// databases sort by code points, independent of the server's locale.
fn spell(backend: DbBackend, statement: &str) -> String {
    let words = match backend {
        DbBackend::Sqlite => [
            ("{uuid}", "blob"),
            ("{time}", "text"),
            ("{date}", "text"),
            ("{json}", "text"),
            ("{bytes}", "blob"),
            ("{letters}", "text"),
        ],
        _ => [
            ("{uuid}", "uuid"),
            ("{time}", "timestamptz"),
            ("{date}", "date"),
            ("{json}", "jsonb"),
            ("{bytes}", "bytea"),
            ("{letters}", "text COLLATE \"C\""),
        ],
    };
    words.into_iter().fold(statement.to_owned(), |text, (word, dialect)| text.replace(word, dialect))
}
