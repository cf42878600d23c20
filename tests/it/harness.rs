//! The harness of the tests: it removes every database, and fails a test that forgets its world.

use std::process::{Command, Output};
use std::time::Duration;

use tests::{Backend, Database, World, on_both};

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
async fn a_forgotten_world_fails_its_test() {
    let failing = tokio::spawn(async { World::on(Backend::Sqlite).await.map(drop) });
    let told = failing.await.unwrap_err().into_panic();
    let told = told.downcast_ref::<&str>().unwrap();
    assert!(told.starts_with("the test forgot its world"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_removes_the_databases_of_killed_runs() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let left = String::from_utf8(run("harness::databases_are_left_behind", "--ignored").stdout).unwrap();
    let word = |start: &str| left.lines().find_map(|line| line.strip_prefix(start)).unwrap();
    let (file, name) = (std::path::Path::new(word("file: ")), word("name: "));
    assert!(file.exists() && exists(&w, name).await);
    // PostgreSQL may notice a moment later that the process has ended.
    let removing = async {
        while exists(&w, name).await {
            run("harness::a_database_is_removed_after_a_panic", "--include-ignored");
        }
    };
    tokio::time::timeout(Duration::from_secs(120), removing).await.expect("the next run removes it");
    assert!(!file.exists());
    w.finish().await;
}

/// Runs tests of this binary in another process.
fn run(test: &str, which: &str) -> Output {
    let tests = std::env::current_exe().unwrap();
    Command::new(tests).args([test, which, "--nocapture"]).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it in a process that ends like a killed one"]
#[expect(
    clippy::print_stdout,
    clippy::exit,
    reason = "the other test reads what is printed before this process ends"
)]
async fn databases_are_left_behind() {
    let file = Database::migrated(Backend::Sqlite).await.unwrap();
    let database = Database::migrated(Backend::Postgres).await.unwrap();
    println!("\nfile: {}", file.file().display());
    println!("name: {}", database.url().rsplit('/').next().unwrap());
    std::process::exit(0);
}
