//! The tables: an index supports every search by a person's id.

use tests::{Backend, on_both};

/// The number of columns that refer to a person, and how many of them have no index for finding their rows.
fn without_an_index(backend: Backend) -> [&'static str; 2] {
    match backend {
        Backend::Sqlite => [
            "SELECT count(*) FROM sqlite_master t, pragma_foreign_key_list(t.name) f
             WHERE t.type = 'table' AND f.\"table\" = 'people'",
            "SELECT count(*) FROM sqlite_master t, pragma_foreign_key_list(t.name) f
             WHERE t.type = 'table' AND f.\"table\" = 'people' AND NOT EXISTS (
                SELECT 1 FROM pragma_index_list(t.name) i, pragma_index_info(i.name) c
                LEFT JOIN sqlite_master text ON text.name = i.name
                WHERE c.seqno = 0 AND c.name = f.\"from\"
                AND (i.partial = 0 OR text.sql LIKE '% WHERE ' || f.\"from\" || ' IS NOT NULL'))",
        ],
        Backend::Postgres => [
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confrelid = 'people'::regclass",
            "SELECT count(*) FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
             WHERE f.contype = 'f' AND f.confrelid = 'people'::regclass AND NOT EXISTS (
                SELECT 1 FROM pg_index i WHERE i.indrelid = f.conrelid AND i.indkey[0] = a.attnum
                AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname || ' IS NOT NULL)'))",
        ],
    }
}

on_both! {
    async fn every_column_that_names_a_person_leads_an_index(w: World) {
        let [columns, without] = without_an_index(w.database.backend);
        assert_eq!(w.database.number(columns).await, 21);
        assert_eq!(w.database.number(without).await, 0);
        w.finish().await;
    }
}
