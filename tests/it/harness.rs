//! The harness of the tests: it removes every database, and fails a test that does not end its world.

use std::path::PathBuf;
use std::process::Command;

use tests::{Backend, Database, World, on_both};
use uuid::Uuid;

on_both! {
    async fn a_database_is_removed_after_a_panic(w: World) {
        let backend = w.database.backend;
        let name = |database: &Database| database.url().rsplit('/').next().unwrap().to_owned();
        let (tell, told) = std::sync::mpsc::channel();
        let failing = tokio::spawn(async move {
            let database = Database::migrated(backend).await.unwrap();
            tell.send((database.file(), name(&database))).unwrap();
            panic!("a test fails");
        });
        assert!(failing.await.unwrap_err().is_panic());
        let (file, name) = told.recv().unwrap();
        assert!(!exists(&w, &name).await && !file.exists());
        w.finish().await;
    }
}

/// Whether PostgreSQL has a database with this name.
async fn exists(w: &World, name: &str) -> bool {
    let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    w.database.backend == Backend::Postgres && w.database.number(&sql).await == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_is_not_ended_fails_its_test() {
    let failing = tokio::spawn(async { World::on(Backend::Sqlite).await.map(drop) });
    let told = failing.await.unwrap_err().into_panic();
    let told = told.downcast_ref::<&str>().unwrap();
    assert!(told.starts_with("the test did not end its world"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_removes_the_databases_of_killed_runs() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    // No run has the highest number, so its lock is free.
    let left = format!("plaudit_test_{:08x}_0", i32::MAX);
    w.database.execute(&format!("CREATE DATABASE {left}")).await;
    let file = folder_of_a_killed_run();
    // Another process of the tests, which creates a database of each kind.
    let tests = std::env::current_exe().unwrap();
    let run = Command::new(tests).arg("harness::a_database_is_removed_after_a_panic").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(!exists(&w, &left).await && !file.exists());
    w.finish().await;
}

/// Creates a database file and an unlocked lock file, as after a killed run.
fn folder_of_a_killed_run() -> PathBuf {
    let folder = std::env::temp_dir().join("plaudit_tests").join(Uuid::new_v4().simple().to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("plaudit.db");
    std::fs::write(&file, "left behind").unwrap();
    std::fs::write(folder.join("lock"), "").unwrap();
    file
}
