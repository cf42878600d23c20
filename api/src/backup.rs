//! A verified copy of the database while the server runs. A PostgreSQL database has its own backup tool: for it this
//! module returns the command.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use url::Url;

use crate::check::{Report, survey};
use crate::config::Config;
use crate::start::{Refused, connect, open_existing};
use crate::store::{self, Dialect};

/// The result of a backup.
#[derive(Debug)]
pub enum Outcome {
    /// The file was written. The report is from a check of the copy.
    Written(Report),
    /// No file was written: this command makes the backup.
    Command(String),
}

/// Why the backup failed. The text says what to do.
#[derive(Debug)]
pub enum Problem {
    /// The file exists.
    Exists(PathBuf),
    /// The path cannot be passed to the database.
    Path(PathBuf),
    /// The file cannot be written.
    File(PathBuf, io::Error),
    /// The copy is damaged, with the database's messages.
    Damaged(Vec<String>),
    /// The database cannot be read, or the copy cannot be checked.
    Database(Refused),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => {
                write!(f, "{} exists: name a new file, or remove it first", path.display())
            }
            Self::Path(path) => {
                write!(f, "{} is not the path of a file in UTF-8: name a file", path.display())
            }
            Self::File(path, error) => write!(
                f,
                "{} cannot be written ({error}): name a file in a folder you can write to, with room for the database",
                path.display()
            ),
            Self::Damaged(faults) => write!(
                f,
                "the copy is damaged and was removed; check the disks and try again:\n  {}",
                faults.join("\n  ")
            ),
            Self::Database(refused) => write!(f, "{refused}"),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::Database(refused)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Backs the database of the settings up to `file`: writes `file.part`, checks it, and renames it.
///
/// # Errors
/// If the backup failed.
pub async fn run(config: &Config, file: &Path) -> Result<Outcome, Problem> {
    let path = || Problem::Path(file.to_owned());
    let text = file.to_str().filter(|text| !text.ends_with(std::path::is_separator)).ok_or_else(path)?;
    let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(path)?;
    if let Some(command) = dump_command(&config.database_url, text) {
        return Ok(Outcome::Command(command));
    }
    if file.symlink_metadata().is_ok() {
        return Err(Problem::Exists(file.to_owned()));
    }
    let part = file.with_file_name(format!("{name}.part"));
    create(&part)?;
    let failed = |error| Problem::File(file.to_owned(), error);
    let written = match write_and_check(config, &part).await {
        Ok(report) => fs::rename(&part, file).map_err(failed).map(|()| report),
        Err(problem) => Err(problem),
    };
    if written.is_err() {
        // The partial file is not a backup.
        let _ = fs::remove_file(&part);
    }
    let report = written?;
    sync(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        .map_err(failed)?;
    Ok(Outcome::Written(report))
}

/// Creates an empty file that only its owner can read. Fails if the file exists.
fn create(part: &Path) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(part) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Problem::Exists(part.to_owned())),
        Err(error) => Err(Problem::File(part.to_owned(), error)),
    }
}

async fn write_and_check(config: &Config, part: &Path) -> Result<Report, Problem> {
    let path = part.to_str().ok_or_else(|| Problem::Path(part.to_owned()))?;
    let db = open_existing(config).await?;
    let copied = store::backup::copy_to(&db, path).await;
    db.close().await;
    copied?;
    let failed = |error| Problem::File(part.to_owned(), error);
    sync(part).map_err(failed)?;
    tracing::info!("copied; checking the copy");
    let copy = Config { database_url: sqlite_url(path), ..config.clone() };
    let db = connect(&copy).await?;
    let faults = store::backup::faults(&db).await;
    let report = survey(&db).await;
    db.close().await;
    let faults = faults?;
    if !faults.is_empty() {
        return Err(Problem::Damaged(faults));
    }
    sync(part).map_err(failed)?;
    Ok(report?)
}

/// Flushes a file, or the entries of a folder, to the disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The URL of a SQLite file. Characters with a meaning in URLs are escaped.
fn sqlite_url(path: &str) -> String {
    let mut url = "sqlite://".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => url.push(char::from(byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url.push_str("?mode=rw");
    url
}

/// The command that backs up a PostgreSQL database, without its password; `None` for SQLite.
fn dump_command(database_url: &str, file: &str) -> Option<String> {
    /// The query parameters of a URL that `pg_dump` supports.
    const UNDERSTOOD: [&str; 7] = ["host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert"];
    let Ok(Dialect::Postgres) = Dialect::of(database_url) else { return None };
    let mut url = Url::parse(database_url).ok()?;
    // A URL without a host cannot contain a password either.
    let _ = url.set_password(None);
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| UNDERSTOOD.contains(&&**name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Some(format!("pg_dump --format=custom --file={} --dbname={}", quoted(file), quoted(url.as_str())))
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_postgresql_has_no_password() {
        for (url, command) in [
            (
                "postgres://ada:s3cret@db.example:5433/school?sslmode=require&statement-cache-capacity=5",
                "pg_dump --format=custom --file='it'\\''s.dump' --dbname='postgres://ada@db.example:5433/school?sslmode=require'",
            ),
            (
                "postgresql://ada@%2Fvar%2Frun%2Fpostgresql/school?password=s3cret",
                "pg_dump --format=custom --file='it'\\''s.dump' --dbname='postgresql://ada@%2Fvar%2Frun%2Fpostgresql/school'",
            ),
        ] {
            assert_eq!(dump_command(url, "it's.dump").as_deref(), Some(command));
        }
        assert_eq!(dump_command("sqlite://data/plaudit.db?mode=rwc", "a"), None);
    }

    #[test]
    fn a_path_is_unchanged_in_a_url() {
        assert_eq!(sqlite_url("/tmp/a?b #é.part"), "sqlite:///tmp/a%3Fb%20%23%C3%A9.part?mode=rw");
    }
}
