//! `plaudit backup` writes a verified copy while a server runs, or prints the command for it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use plaudit::config::Config;
use serde_json::json;
use tests::{Backend, World, command};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The other names in the folder of this file, without the database's own files.
fn beside(file: &Path) -> Vec<String> {
    let names = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("plaudit.db")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_a_server_is_whole_and_for_its_owner_alone() {
    let w = World::on(Backend::Sqlite).await.unwrap();
    let ada = w.student("UTC").await;
    let record = async || w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
    record().await;
    w.server.settle().await.unwrap();
    let digest = w.check().await.digest;
    let file = w.database.file().with_file_name("a copy #1.db");
    let name = file.to_str().unwrap();

    let written = command(&w.config, &["backup", name]).await;
    let told = format!("0 differences in 1 people, 2 events, 1 awards; digest {digest}\nWritten: {name}\n");
    assert_eq!((written.status.code(), text(&written.stdout)), (Some(0), told), "{}", text(&written.stderr));
    assert_eq!(beside(&file), ["a copy #1.db"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // Later events are not in the copy, and a second backup does not replace it.
    record().await;
    assert_ne!(w.check().await.digest, digest);
    let moved = file.with_file_name("restored.db");
    std::fs::copy(&file, &moved).unwrap();
    let restored =
        Config { database_url: format!("sqlite://{}?mode=rw", moved.display()), ..w.config.clone() };
    assert_eq!(plaudit::check::run(&restored).await.unwrap().digest, digest);
    let refused = command(&w.config, &["backup", name]).await;
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(2), String::new()));
    assert!(text(&refused.stderr).contains(&format!("{name} exists: name a new file, or remove it first")));
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_fails_leaves_no_file() {
    let w = World::on(Backend::Sqlite).await.unwrap();
    let file = w.database.file().with_file_name("copy.db");
    let part = w.database.file().with_file_name("copy.db.part");
    std::fs::write(&part, "of another backup").unwrap();
    let refused = command(&w.config, &["backup", file.to_str().unwrap()]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains(&format!("{} exists", part.display())),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(std::fs::read_to_string(&part).unwrap(), "of another backup");
    std::fs::remove_file(&part).unwrap();

    let nowhere = w.database.file().with_file_name("missing").join("copy.db");
    let refused = command(&w.config, &["backup", nowhere.to_str().unwrap()]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("cannot be written"), "{}", text(&refused.stderr));
    assert_eq!(beside(&file), Vec::<String>::new());

    w.database.execute("UPDATE feed_counter SET position = 1").await;
    let different = command(&w.config, &["backup", file.to_str().unwrap()]).await;
    assert_eq!(different.status.code(), Some(1));
    assert!(text(&different.stdout).contains("places in the feed: stored 0, rebuilt 1"));
    w.database.execute("UPDATE feed_counter SET position = 0").await;
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_the_command_is_printed_and_nothing_is_written() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let file = std::env::temp_dir().join(format!("{}.dump", uuid::Uuid::new_v4()));
    let output = command(&w.config, &["backup", file.to_str().unwrap()]).await;
    let printed = text(&output.stdout);
    let begins = format!("pg_dump --format=custom --file='{}' --dbname='postgres", file.display());
    assert!(printed.starts_with(&begins), "{printed}");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nothing was written"), "{}", text(&output.stderr));
    assert!(!file.exists());
    w.finish().await;
}
