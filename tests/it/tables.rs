//! The entities say what the migrated tables are: every table, every column, its type and whether it can be null.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, ColumnType, ConnectionTrait, EntityTrait, Iterable, Statement};
use tests::{Backend, Database, on_both};

/// The columns of a table by name: its type, and whether it can be null.
type Columns = BTreeMap<String, (&'static str, bool)>;

/// The word for a column's type that both databases and the entities share.
fn class(text: &str) -> &'static str {
    match text {
        "uuid" | "blob" => "uuid",
        "timestamp with time zone" | "timestamptz" => "time",
        "date" => "date",
        "jsonb" | "json" => "json",
        "bigint" => "bigint",
        "integer" => "integer",
        "smallint" => "smallint",
        "boolean" => "boolean",
        "text" => "text",
        "bytea" => "bytes",
        other => panic!("a type without a class: {other}"),
    }
}

/// The columns as an entity describes them. SQLite keeps times, dates and JSON as text.
fn described<E: EntityTrait>(backend: Backend) -> (String, Columns) {
    let columns = E::Column::iter().map(|column| {
        let definition = column.def();
        let class = match definition.get_column_type() {
            ColumnType::Uuid => "uuid",
            ColumnType::TimestampWithTimeZone => "time",
            ColumnType::Date => "date",
            ColumnType::Json | ColumnType::JsonBinary => "json",
            ColumnType::BigInteger => "bigint",
            ColumnType::Integer => "integer",
            ColumnType::SmallInteger => "smallint",
            ColumnType::Boolean => "boolean",
            ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => "bytes",
            ColumnType::String(_) | ColumnType::Text | ColumnType::Enum { .. } => "text",
            other => panic!("a type without a class: {other:?}"),
        };
        let class = match (backend, class) {
            (Backend::Sqlite, "time" | "date" | "json") => "text",
            // Both are blobs there.
            (Backend::Sqlite, "bytes") => "uuid",
            (_, class) => class,
        };
        (sea_orm::IdenStatic::as_str(&column).to_owned(), (class, definition.is_null()))
    });
    (E::default().table_name().to_owned(), columns.collect())
}

/// The columns of the migrated tables.
async fn migrated(database: &Database) -> BTreeMap<String, Columns> {
    let sql = match database.backend {
        Backend::Sqlite => {
            "SELECT m.name AS name, c.name AS col, c.type AS kind, c.\"notnull\" = 0 AS nullable
             FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
        Backend::Postgres => {
            "SELECT table_name::text AS name, column_name::text AS col, data_type::text AS kind,
                    is_nullable = 'YES' AS nullable
             FROM information_schema.columns WHERE table_schema = 'public'"
        }
    };
    let connection = database.connect().await;
    let rows = connection.query_all_raw(Statement::from_string(database.dialect(), sql)).await.unwrap();
    connection.close().await.unwrap();
    let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
    for row in rows {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        if text("name") == "seaql_migrations" || text("name").starts_with("sqlite_") {
            continue;
        }
        let nullable: bool = row.try_get("", "nullable").unwrap();
        tables
            .entry(text("name"))
            .or_default()
            .insert(text("col"), (class(&text("kind").to_lowercase()), nullable));
    }
    tables
}

on_both! {
    async fn every_entity_is_its_migrated_table_column_by_column(w: World) {
        let backend = w.database.backend;
        let entities: BTreeMap<String, Columns> = [
            described::<entity::achievements::Entity>(backend),
            described::<entity::active_days::Entity>(backend),
            described::<entity::audit_log::Entity>(backend),
            described::<entity::awards::Entity>(backend),
            described::<entity::board_log::Entity>(backend),
            described::<entity::capped_days::Entity>(backend),
            described::<entity::catalogue_revision::Entity>(backend),
            described::<entity::certificates::Entity>(backend),
            described::<entity::comments::Entity>(backend),
            described::<entity::completions::Entity>(backend),
            described::<entity::courses::Entity>(backend),
            described::<entity::deliveries::Entity>(backend),
            described::<entity::delivery_messages::Entity>(backend),
            described::<entity::enrollments::Entity>(backend),
            described::<entity::events::Entity>(backend),
            described::<entity::feed::Entity>(backend),
            described::<entity::feed_counter::Entity>(backend),
            described::<entity::guardians::Entity>(backend),
            described::<entity::installation_keys::Entity>(backend),
            described::<entity::lessons::Entity>(backend),
            described::<entity::mail_settings::Entity>(backend),
            described::<entity::metric_members::Entity>(backend),
            described::<entity::metrics::Entity>(backend),
            described::<entity::outbox::Entity>(backend),
            described::<entity::outbox_trims::Entity>(backend),
            described::<entity::people::Entity>(backend),
            described::<entity::person_days::Entity>(backend),
            described::<entity::publications::Entity>(backend),
            described::<entity::revoked_tokens::Entity>(backend),
            described::<entity::totals::Entity>(backend),
            described::<entity::webhooks::Entity>(backend),
            described::<entity::xp_entries::Entity>(backend),
        ]
        .into();
        let tables = migrated(&w.database).await;
        assert_eq!(tables.keys().collect::<Vec<_>>(), entities.keys().collect::<Vec<_>>());
        for (table, columns) in tables {
            assert_eq!(columns, entities[&table], "{table}");
        }
        w.finish().await;
    }
}

/// The columns that name a person, and those of them that lead no index by which their rows are found.
fn person_columns(backend: Backend) -> [&'static str; 2] {
    match backend {
        Backend::Sqlite => [
            "SELECT t.name || '.' || f.\"from\" FROM sqlite_master t, pragma_foreign_key_list(t.name) f
             WHERE t.type = 'table' AND f.\"table\" = 'people'",
            "SELECT t.name || '.' || f.\"from\" FROM sqlite_master t, pragma_foreign_key_list(t.name) f
             WHERE t.type = 'table' AND f.\"table\" = 'people' AND NOT EXISTS (
                SELECT 1 FROM pragma_index_list(t.name) i, pragma_index_info(i.name) c
                LEFT JOIN sqlite_master text ON text.name = i.name
                WHERE c.seqno = 0 AND c.name = f.\"from\"
                AND (i.partial = 0 OR text.sql LIKE '% WHERE ' || f.\"from\" || ' IS NOT NULL'))",
        ],
        Backend::Postgres => [
            "SELECT conrelid::regclass::text FROM pg_constraint
             WHERE contype = 'f' AND confrelid = 'people'::regclass",
            "SELECT f.conrelid::regclass::text || '.' || a.attname FROM pg_constraint f
             JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
             WHERE f.contype = 'f' AND f.confrelid = 'people'::regclass AND NOT EXISTS (
                SELECT 1 FROM pg_index i WHERE i.indrelid = f.conrelid AND i.indkey[0] = a.attnum
                AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname || ' IS NOT NULL)'))",
        ],
    }
}

on_both! {
    async fn every_column_that_names_a_person_leads_an_index(w: World) {
        let connection = w.database.connect().await;
        let backend = connection.get_database_backend();
        let mut found = Vec::new();
        for sql in person_columns(w.database.backend) {
            let rows = connection.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
            found.push(rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect::<Vec<String>>());
        }
        connection.close().await.unwrap();
        assert!(found[0].len() > 20, "{found:?}");
        assert_eq!(found[1], Vec::<String>::new());
        w.finish().await;
    }
}
