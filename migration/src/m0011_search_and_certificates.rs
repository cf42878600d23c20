//! Step 11: the key by which a search finds a person's name without its accents, and who issued a certificate with which
//! id of their own, by which a repeated call is recognised.

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::dialect::run;

/// The eleventh step.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0011_search_and_certificates"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STATEMENTS).await?;
        fill_search_keys(manager).await?;
        let db = manager.get_connection();
        db.execute_unprepared(match db.get_database_backend() {
            DbBackend::Sqlite => ISSUERS_ON_SQLITE,
            _ => ISSUERS_ON_POSTGRES,
        })
        .await?;
        Ok(())
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE people ADD COLUMN search_key {letters} NOT NULL DEFAULT ''",
    "ALTER TABLE certificates ADD COLUMN created_by {uuid} REFERENCES people (id)",
    "ALTER TABLE certificates ADD COLUMN client_mutation_id text",
    "ALTER TABLE certificates ADD COLUMN sent_hash {uuid}",
    "CREATE UNIQUE INDEX certificates_of_creator ON certificates (created_by, client_mutation_id)",
    // A search scans the names in their order and compares the key, which the index has too.
    "DROP INDEX people_by_name",
    "CREATE INDEX people_by_name ON people (search_name, id, search_key)",
];

/// Until now only the audit log had the person who issued a certificate.
const ISSUERS_ON_POSTGRES: &str = "UPDATE certificates SET created_by = people.id FROM audit_log, people \
    WHERE audit_log.act = 'create_certificate' AND audit_log.actor_kind = 'person' \
    AND audit_log.object_id = certificates.id AND people.id::text = audit_log.actor";
const ISSUERS_ON_SQLITE: &str = "UPDATE certificates SET created_by = people.id FROM audit_log, people \
    WHERE audit_log.act = 'create_certificate' AND audit_log.actor_kind = 'person' \
    AND audit_log.object_id = certificates.id AND people.id = unhex(replace(audit_log.actor, '-', ''))";

/// The people of one page.
const PAGE: usize = 1_000;

async fn fill_search_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let backend = db.get_database_backend();
    let mut after: Option<Uuid> = None;
    loop {
        let beyond = if after.is_some() { "WHERE id > $1" } else { "" };
        let sql = format!("SELECT id, display_name FROM people {beyond} ORDER BY id LIMIT {PAGE}");
        let page = Statement::from_sql_and_values(backend, sql, after.map(Value::from));
        let rows = db.query_all_raw(page).await?;
        let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 2);
        for row in &rows {
            let (id, name): (Uuid, String) = (row.try_get("", "id")?, row.try_get("", "display_name")?);
            values.extend([id.into(), search_key(&name).into()]);
            after = Some(id);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let (uuid, text) = if backend == DbBackend::Sqlite { ("", "") } else { ("::uuid", "::text") };
        let row = |place: usize| format!("(${}{uuid}, ${}{text})", place * 2 + 1, place * 2 + 2);
        let list: Vec<String> = (0..rows.len()).map(row).collect();
        let sql = format!(
            "UPDATE people SET search_key = filled.column2 FROM (VALUES {}) AS filled WHERE people.id = filled.column1",
            list.join(", ")
        );
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
}

/// A copy of `text::search_key` of the server as of this step. A released migration never changes, so a later change
/// of the key needs another migration.
fn search_key(text: &str) -> String {
    let letters = text.nfkd().filter(|letter| canonical_combining_class(*letter) == 0);
    let lower = letters.flat_map(char::to_lowercase);
    let folded = lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let mut key = String::with_capacity(text.len());
    for letter in folded {
        match letter {
            'æ' => key.push_str("ae"),
            'œ' => key.push_str("oe"),
            'ø' => key.push('o'),
            'ł' => key.push('l'),
            'đ' => key.push('d'),
            letter => key.push(letter),
        }
    }
    key
}
