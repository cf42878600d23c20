//! The server as a separate process that can be killed.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use chrono::TimeDelta;
use plaudit::auth::Role;
use plaudit::auth::token::Keys;
use plaudit::clock::Clock;
use plaudit::config::{AuthConfig, Config};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::client::Client;
use crate::socket::PATIENCE;

/// What no line of a log may contain: the secret, tokens, addresses of people, secrets of webhooks.
const PRIVATE: [&str; 5] = [SECRET, "eyJ", "@school.example", "@home.example", "whsec_"];

/// A running `plaudit serve`. The test fails if its log contains something private.
pub struct Process {
    /// The URL it listens on.
    pub url: String,
    /// The log before it listened, one JSON object per line.
    pub log: Vec<String>,
    told: mpsc::UnboundedReceiver<String>,
    /// The first line that contains something private.
    leak: Arc<OnceLock<String>>,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let leak = self.leak.get();
        assert!(leak.is_none() || std::thread::panicking(), "the log contains something private: {leak:?}");
    }
}

impl Process {
    /// Starts the binary with these settings and waits until it listens.
    pub async fn serve(config: &Config) -> Self {
        Self::serve_with(config, &[]).await
    }

    /// The same with additional settings, such as `("limits.connections", "12000")`. A setting that this version does not
    /// have is skipped, so that a benchmark can also measure an older version.
    pub async fn serve_with(config: &Config, settings: &[(&str, &str)]) -> Self {
        Self::serve_in(config, settings, &[]).await
    }

    /// The same with further variables of the environment.
    pub async fn serve_in(config: &Config, settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let known = settings.iter().filter(|(key, _)| exists(key));
        let mut child = plaudit(config)
            .envs(
                known
                    .map(|(key, value)| (format!("PLAUDIT_{}", key.to_uppercase().replace('.', "_")), value)),
            )
            .envs(environment.iter().copied())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server's process starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log is piped")).lines();
        let mut log = Vec::new();
        while let Some(line) = lines.next_line().await.expect("its log is text") {
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = entry["fields"]["address"].as_str() {
                let url = format!("http://{address}");
                let (tell, told) = mpsc::unbounded_channel();
                let leak = Arc::<OnceLock<String>>::default();
                let found = Arc::clone(&leak);
                // Reads the rest of the log, because a full pipe would block the server.
                tokio::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        if PRIVATE.iter().any(|text| line.contains(text)) {
                            let _ = found.set(line.clone());
                        }
                        let _ = tell.send(line);
                    }
                });
                return Self { url, log, told, leak, child };
            }
            log.push(line);
        }
        panic!("the server ended before it listened: {log:#?}");
    }

    /// The log from here up to this message, one JSON object per line.
    pub async fn log_until(&mut self, message: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        let heard = async {
            while let Some(line) = self.told.recv().await {
                lines.push(serde_json::from_str(&line).expect("a line of the log is JSON"));
                if lines.last().is_some_and(|line: &Value| line["fields"]["message"] == message) {
                    return;
                }
            }
            panic!("the server ended before it said: {message}");
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("the server says it in time");
        lines
    }

    /// A client of this server, with a token that is valid for an hour.
    pub fn client(&self, subject: &str, role: Role) -> Client {
        client_of(&self.url, subject, role)
    }

    /// Asks the process to stop, as a supervisor does, and waits until it has ended.
    pub async fn stop(mut self) {
        let asked = Command::new("kill").arg(self.id().to_string()).status().await.expect("kill runs");
        assert!(asked.success(), "the process can be asked to stop");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time");
        assert!(ended.expect("it ends").success(), "it ends without an error");
    }

    /// Kills the process, as a power cut does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process can be killed");
    }

    /// Limits the size of files that it writes; `None` removes the limit.
    pub async fn limit_files(&self, bytes: Option<u64>) {
        let soft = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.id().to_string();
        let status = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={soft}:unlimited")])
            .status()
            .await
            .expect("prlimit runs");
        assert!(status.success(), "prlimit sets the limit");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }
}

/// Runs the binary with these arguments and settings, to its end.
pub async fn command(config: &Config, arguments: &[&str]) -> std::process::Output {
    plaudit(config).args(arguments).kill_on_drop(true).output().await.expect("the binary runs")
}

/// The same, with a limit on the size of files that it writes.
pub async fn command_on_disk_of(bytes: u64, config: &Config, arguments: &[&str]) -> std::process::Output {
    let mut limited = Command::new("prlimit");
    let command = plaudit(config);
    let command = command.as_std();
    limited.arg(format!("--fsize={bytes}")).arg(command.get_program()).args(command.get_args());
    limited.env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.args(arguments).output().await.expect("the binary runs")
}

/// A client of such a process at this URL, with a token for an hour.
pub fn client_of(url: &str, subject: &str, role: Role) -> Client {
    let keys = Keys::load(&AuthConfig { secret: Some(SECRET.to_owned()), ..AuthConfig::demo() });
    let hour = TimeDelta::hours(1);
    let token = keys.expect("the key is good").mint(subject, role, None, hour, Clock::System.now());
    Client::new(url.to_owned(), Some(token.expect("a token is minted")))
}

/// Whether the file of defaults has a setting with this key.
fn exists(key: &str) -> bool {
    let defaults = include_str!("../../api/config.default.toml");
    let (section, name) = match key.split_once('.') {
        Some((table, name)) => {
            let start = format!("\n[{table}]\n");
            (defaults.split_once(start.as_str()).map_or("", |(_, section)| section), name)
        }
        None => (defaults, key),
    };
    let section = section.split("\n[").next().unwrap_or_default();
    section.lines().any(|line| line.starts_with(&format!("{name} = ")))
}

/// The secret that processes verify tokens with.
pub const SECRET: &str = "a-secret-of-the-tests-that-is-long-enough";

/// Everything that the server itself logs, so that the tests see it.
const LOG: &str = "info,plaudit=debug";

/// The binary in production, with an environment that has only these settings.
fn plaudit(config: &Config) -> Command {
    // With its signal ignored, a write past the file size limit fails as on a full disk.
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(binary())
        .env_clear()
        .env("PLAUDIT_PROFILE", "production")
        .env("PLAUDIT_AUTH_SECRET", SECRET)
        .env("PLAUDIT_LISTEN", "127.0.0.1:0")
        .env("PLAUDIT_DATABASE_URL", &config.database_url)
        .env("PLAUDIT_DATABASE_STATEMENT_SECONDS", config.database_statement_seconds.to_string())
        .env("PLAUDIT_CATALOGS", config.catalogs.join(","))
        // A fault that a test plans for a transaction must not hit one of the relay.
        .env("PLAUDIT_WORKER", config.worker.to_string())
        .env("PLAUDIT_LOG_FORMAT", "json")
        .env("PLAUDIT_LOG_FILTER", LOG);
    command
}

/// The binary that was built with this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.ancestors().nth(2).expect("it lies in target/PROFILE/deps").join("plaudit-tested")
}
