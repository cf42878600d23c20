//! SQLite files of the tests. A new one is a copy of a migrated file, which each process makes once.

use std::path::PathBuf;

use tokio::sync::OnceCell;
use uuid::Uuid;

use super::Content;
use crate::folder;

static TABLES: OnceCell<Vec<u8>> = OnceCell::const_new();
static CATALOGUE: OnceCell<Vec<u8>> = OnceCell::const_new();

/// A name that no other database has.
pub(super) fn new_name() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The URL of the database with this name.
pub(super) fn url(name: &str) -> String {
    format!("sqlite://{}?mode=rwc", file(name).display())
}

/// The file of the database with this name.
pub(super) fn file(name: &str) -> PathBuf {
    folder::of_this_run().join(name).join("plaudit.db")
}

/// Creates the folder of a database, and its file unless the content is nothing.
pub(super) async fn create(name: &str, content: Content) {
    std::fs::create_dir_all(folder::of_this_run().join(name)).expect("a folder for the database");
    let template = match content {
        Content::Nothing => return,
        Content::Tables => &TABLES,
        Content::Catalogue => &CATALOGUE,
    };
    let bytes = template.get_or_init(async || make(content).await).await;
    std::fs::write(file(name), bytes).expect("the database file is written");
    keep_private(name);
}

/// Removes the folder of a database.
pub(super) fn remove(name: &str) {
    let _ = std::fs::remove_dir_all(folder::of_this_run().join(name));
}

/// The bytes of a new file with this content.
async fn make(content: Content) -> Vec<u8> {
    let mut draft = super::Database::reserve(super::Backend::Sqlite);
    Box::pin(draft.fill(Content::Nothing)).await;
    super::write(draft.url(), content).await;
    let whole = draft.file().with_file_name("whole.db");
    // The draft may have a log beside the file. A copy has none.
    draft.execute(&format!("VACUUM INTO '{}'", whole.display())).await;
    std::fs::read(whole).expect("the copy can be read")
}

/// The server warns if others can read its database.
#[cfg(unix)]
fn keep_private(name: &str) {
    use std::os::unix::fs::PermissionsExt;

    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(file(name), owner_only).expect("the mode is changed");
}

#[cfg(not(unix))]
fn keep_private(_name: &str) {}
