//! The SQL of the steps is one text for both databases but for a few type words, which are spelled here.

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Runs the statements in order, each in the words of the database.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let backend = db.get_database_backend();
    for statement in statements {
        db.execute_unprepared(&spell(backend, statement)).await?;
    }
    Ok(())
}

/// SQLite keeps a UUID as 16 bytes and a time as RFC 3339 text, which sorts as time does. `{letters}` is text
/// that both sort alike: by its letters' numbers, whatever the server's language.
fn spell(backend: DbBackend, statement: &str) -> String {
    let words = match backend {
        DbBackend::Sqlite => [
            ("{uuid}", "blob"),
            ("{time}", "text"),
            ("{date}", "text"),
            ("{json}", "text"),
            ("{letters}", "text"),
        ],
        _ => [
            ("{uuid}", "uuid"),
            ("{time}", "timestamptz"),
            ("{date}", "date"),
            ("{json}", "jsonb"),
            ("{letters}", "text COLLATE \"C\""),
        ],
    };
    words.into_iter().fold(statement.to_owned(), |text, (word, dialect)| text.replace(word, dialect))
}
