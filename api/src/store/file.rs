//! The SQLite database file: only its owner may read the data of the school.

use std::path::Path;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;

use super::error::Error;

/// Creates the file of this URL if it does not exist, readable only by its owner. SQLite gives its extra files the same
/// mode. Warns if other users can read an existing file.
///
/// # Errors
/// If the file cannot be created, or is a folder.
pub(super) fn create(url: &str, options: &SqliteConnectOptions) -> Result<(), Error> {
    let path = options.get_filename();
    if path.is_dir() {
        let name = path.display();
        let message = format!("{name} is a folder: name a file in it, such as {name}/plaudit.db");
        return Err(Error::Impossible(message));
    }
    if may_create(url) {
        create_private(path)?;
    }
    warn_if_public(path);
    Ok(())
}

/// SQLite creates a missing file only in this mode.
fn may_create(url: &str) -> bool {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    parameters.split('&').any(|parameter| parameter == "mode=rwc")
}

#[cfg(unix)]
fn create_private(path: &Path) -> Result<(), Error> {
    use std::fs::OpenOptions;
    use std::io::ErrorKind;
    use std::os::unix::fs::OpenOptionsExt;

    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(Error::Impossible(format!("the database file {} cannot be created: {error}", path.display())))
        }
    }
}

#[cfg(unix)]
fn warn_if_public(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(file) = std::fs::metadata(path) else { return };
    if file.permissions().mode() & 0o077 != 0 {
        tracing::warn!(
            file = %path.display(),
            "other users of this machine can read the database file: run chmod 600 on it and on its -wal and -shm files"
        );
    }
}

/// On other systems the permissions of the folder apply.
#[cfg(not(unix))]
fn create_private(_path: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(unix))]
fn warn_if_public(_path: &Path) {}
