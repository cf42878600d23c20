//! A search finds names in every letter case, with and without accents.

use plaudit::auth::Role;
use plaudit::start;
use serde_json::{Value, json};
use tests::{Backend, Client, World, on_both};
use uuid::Uuid;

const PEOPLE: &str =
    "query($search: String) { people(search: $search, first: 100) { totalCount nodes { displayName } } }";

/// In the order of lists: by the name in lower case, by code points.
const NAMES: [&str; 12] = [
    "100% Kim",
    "100x Kim",
    "ada_b",
    "adaxb",
    "Lucía Ruiz",
    "Søren",
    "zoe",
    "Zoë",
    "Łukasz",
    "Őzra Straße",
    "Ωμέγα",
    "김민수",
];

async fn found(client: &Client, search: &str) -> Vec<String> {
    let answer = client.ask(PEOPLE, json!({"search": search})).await;
    let people = &answer.data()["people"];
    let nodes = people["nodes"].as_array().unwrap();
    assert_eq!(people["totalCount"], json!(nodes.len()));
    nodes.iter().map(|node| node["displayName"].as_str().unwrap().to_owned()).collect()
}

async fn people_are_found(client: &Client) {
    for (search, names) in [
        ("lucia", vec!["Lucía Ruiz"]),
        ("LUCÍA", vec!["Lucía Ruiz"]),
        ("lucía r", vec!["Lucía Ruiz"]),
        ("zoe", vec!["zoe", "Zoë"]),
        ("ZOË", vec!["zoe", "Zoë"]),
        ("zoe\u{308}", vec!["zoe", "Zoë"]),
        ("strasse", vec!["Őzra Straße"]),
        ("STRAßE", vec!["Őzra Straße"]),
        ("ozra", vec!["Őzra Straße"]),
        ("ωμεγα", vec!["Ωμέγα"]),
        ("ΩΜΈΓΑ", vec!["Ωμέγα"]),
        ("soren", vec!["Søren"]),
        ("lukasz", vec!["Łukasz"]),
        ("김", vec!["김민수"]),
        ("%", vec!["100% Kim"]),
        ("0% k", vec!["100% Kim"]),
        ("a_b", vec!["ada_b"]),
        ("|", vec![]),
        ("luciana", vec![]),
    ] {
        assert_eq!(found(client, search).await, names, "{search}");
    }
}

/// Undoes the step that added the search key and the issuers of certificates.
async fn undo(w: &World) {
    for sql in [
        "DROP INDEX people_by_name",
        "CREATE INDEX people_by_name ON people (search_name, id)",
        "DROP INDEX certificates_of_creator",
        "ALTER TABLE people DROP COLUMN search_key",
        "ALTER TABLE certificates DROP COLUMN created_by",
        "ALTER TABLE certificates DROP COLUMN client_mutation_id",
        "ALTER TABLE certificates DROP COLUMN sent_hash",
        "DELETE FROM seaql_migrations WHERE version = 'm0011_search_and_certificates'",
    ] {
        w.database.execute(sql).await;
    }
}

on_both! {
    async fn people_are_found_without_accents_and_stay_in_their_order(w: World) {
        for name in NAMES.iter().rev() {
            w.upsert(Uuid::new_v4(), json!({"displayName": name})).await;
        }
        let service = w.service();
        people_are_found(&service).await;
        assert_eq!(found(&service, "").await, NAMES);
        // A new name is found by its new key only.
        let id = Uuid::new_v4();
        w.upsert(id, json!({"displayName": "Renée"})).await;
        assert_eq!(found(&service, "renee").await, ["Renée"]);
        w.upsert(id, json!({"displayName": "Noé"})).await;
        assert_eq!((found(&service, "renee").await, found(&service, "noe").await), (vec![], vec!["Noé".to_owned()]));
        w.finish().await;
    }

    async fn badges_are_found_without_accents(w: World) {
        let (_, admin) = crate::courses::join(&w, Role::Admin).await;
        for (name, description) in [("Élan", "Für Größe"), ("Elan 2", ""), ("Crème", "100 %")] {
            let input = json!({"name": name, "description": description});
            assert_eq!(crate::courses::mutate(&admin, "createBadge", "", input).await["userErrors"], json!([]));
        }
        let query = "query($search: String) { catalog(pack: \"school\", search: $search) { categories { achievements { name } } } }";
        for (search, names) in [
            ("elan", vec!["Elan 2", "Élan"]), ("ÉLAN", vec!["Elan 2", "Élan"]), ("grosse", vec!["Élan"]), ("creme", vec!["Crème"]),
            ("%", vec!["Crème"]), ("_", vec![]), ("für  g", vec![]), ("élan für", vec![]),
        ] {
            let answer = admin.ask(query, json!({"search": search})).await;
            let categories = answer.data()["catalog"]["categories"].as_array().unwrap().clone();
            let found = categories.iter().flat_map(|category| category["achievements"].as_array().unwrap());
            let mut found: Vec<&str> = found.map(|known| known["name"].as_str().unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, names, "{search}");
        }
        w.finish().await;
    }

    async fn the_migration_fills_the_keys_of_existing_people_and_the_issuers_of_certificates(w: World) {
        for name in NAMES {
            w.upsert(Uuid::new_v4(), json!({"displayName": name})).await;
        }
        let (_, admin) = crate::courses::join(&w, Role::Admin).await;
        let student = w.student("UTC").await;
        let input = json!({"studentId": student, "title": "One", "issuedBy": "School", "issuedDate": "2025-06-15"});
        crate::courses::mutate(&admin, "createCertificate", "certificate { id }", input).await;
        // More people than one page of the migration.
        let (id, series) = match w.database.backend {
            Backend::Sqlite => ("randomblob(16)", "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2500) SELECT n FROM s)"),
            Backend::Postgres => ("gen_random_uuid()", "generate_series(1, 2500) AS s(n)"),
        };
        let template = "FROM people WHERE display_name = 'zoe'";
        w.database.execute(&format!(
            "INSERT INTO people (id, display_name, search_name, role, timezone, created_at, updated_at)
             SELECT {id}, 'Élève ' || n, 'élève ' || n, 'student', 'UTC', (SELECT created_at {template}), (SELECT created_at {template}) FROM {series}"
        )).await;
        let issuers = "SELECT count(*) FROM certificates c JOIN people p ON p.id = c.created_by WHERE p.role = 'admin'";
        assert_eq!(w.database.number(issuers).await, 1);
        undo(&w).await;
        let migrated = start::migrate(&w.config, &w.clock).await.expect("the tables are migrated");
        assert_eq!(migrated.steps, ["m0011_search_and_certificates"]);
        assert_eq!(w.database.number(issuers).await, 1);
        assert_eq!(w.database.number("SELECT count(*) FROM people WHERE search_key LIKE 'eleve %'").await, 2_500);
        assert_eq!(w.database.number("SELECT count(*) FROM people WHERE search_key = ''").await, 0);
        people_are_found(&w.service()).await;
        w.finish().await;
    }
}

/// A database keeps the keys of every name as the server writes them.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_token_has_a_key_as_well() {
    let Some(w) = World::on(Backend::Sqlite).await else { return };
    let answer: Value =
        w.person(Uuid::new_v4(), Role::Student).ask("{ me { displayName } }", json!({})).await.data().clone();
    let name = answer["me"]["displayName"].as_str().unwrap().to_owned();
    assert_eq!(found(&w.service(), &name).await, [name]);
    w.finish().await;
}
