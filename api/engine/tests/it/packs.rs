//! The built-in packs: each compiles alone and with the others, passes its own tests, and matches the schema.

use std::{collections::BTreeMap, fs, path::PathBuf};

use engine::{Catalog, Pack, Settings, catalog::json_schema, trial};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../catalogs")
}

fn packs() -> BTreeMap<String, Pack> {
    let mut packs = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file.ends_with(".json") && file != "catalog.schema.json" {
            let pack = Pack::parse(&file, &fs::read_to_string(&path).unwrap());
            packs.insert(file, pack.unwrap_or_else(|problems| panic!("{}", problems[0])));
        }
    }
    packs
}

#[test]
fn the_four_packs_exist() {
    let files: Vec<String> = packs().into_keys().collect();
    assert_eq!(files, ["aurora.json", "code-lab.json", "course-portal.json", "tests.json"]);
}

#[test]
fn every_pack_compiles_alone_and_all_of_them_together() {
    let packs: Vec<Pack> = packs().into_values().collect();
    for pack in &packs {
        let problems = Catalog::compile(std::slice::from_ref(pack), &Settings::default()).err();
        assert_eq!(problems, None, "{} alone", pack.key());
    }
    assert_eq!(Catalog::compile(&packs, &Settings::default()).err(), None);
}

#[test]
fn every_pack_passes_its_own_tests() {
    let mismatches: Vec<String> = packs()
        .values()
        .flat_map(|pack| {
            trial::run(pack)
                .into_iter()
                .map(|mismatch| format!("{}: {mismatch}", pack.key()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(mismatches, Vec::<String>::new());
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = folder().join("catalog.schema.json");
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("PLAUDIT_WRITE_SCHEMA").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == schema,
        "run PLAUDIT_WRITE_SCHEMA=1 cargo test -p engine the_published_schema, and commit it"
    );
}
