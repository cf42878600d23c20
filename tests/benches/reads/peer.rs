//! The peer for SQLite: `peer/server.js`, the same documents by graphql-yoga and better-sqlite3 on the same file.

use std::path::Path;
use std::process::Stdio;

use tokio::fs;
use tokio::process::{Child, Command};

use crate::address_of;

/// Installs the peer's packages and starts it. None for PostgreSQL, and without Node.js and npm. Returns the process and
/// its URL.
pub(crate) async fn start(database: &str) -> Option<(Child, String)> {
    let file = database.strip_prefix("sqlite://")?.split('?').next()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reads-peer");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/reads/peer");
    fs::create_dir_all(&folder).await.expect("the folder for built files can be written");
    for name in ["package.json", "server.js"] {
        fs::copy(source.join(name), folder.join(name)).await.expect("the peer's files are in the repository");
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder);
    if !npm.status().await.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut node = Command::new("node");
    node.arg("server.js").arg(file).current_dir(&folder).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = node.spawn().ok()?;
    let address = address_of(&mut child).await;
    Some((child, format!("http://{address}/graphql")))
}
