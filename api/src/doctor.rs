//! `plaudit doctor`: checks what the server needs, and says what to do. It changes nothing and sends no mail.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::config::{Config, MailTarget};
use crate::delivery::mail::Mailer;
use crate::delivery::tls;
use crate::start;
use crate::store::{self, Dialect};
use crate::trace::Traces;

/// The free space below which a disk is reported, in MiB.
const ROOM: u64 = 512;
/// How far the clocks of the server and of the database may differ.
const CLOCKS: TimeDelta = TimeDelta::seconds(5);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Fine(String),
    /// The server runs, but something will surprise.
    Notice(String),
    /// The server or a part of it does not work.
    Wrong(String),
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub of: &'static str,
    /// The result, with what to do.
    pub verdict: Verdict,
}

impl Finding {
    /// Whether a part of the server does not work.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self.verdict, Verdict::Wrong(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match &self.verdict {
            Verdict::Fine(text) => ("ok", text),
            Verdict::Notice(text) => ("note", text),
            Verdict::Wrong(text) => ("WRONG", text),
        };
        write!(f, "{word:<6} {:<9} {text}", self.of)
    }
}

/// Checks everything. `tell` gets each finding as soon as it is there.
pub async fn run(config: &Config, clock: &Clock, tell: &mut dyn FnMut(Finding)) {
    let mut note = |of, verdict| tell(Finding { of, verdict });
    note("settings", settings(config));
    note("database", database(config).await);
    note("clock", clocks(config, clock).await);
    note("disk", disk(config));
    note("mail", mail(config).await);
    for surprise in config.mail_surprises() {
        note("mail", Verdict::Notice(surprise));
    }
    note("webhooks", webhooks(config));
    note("traces", traces(config));
}

fn settings(config: &Config) -> Verdict {
    if config.is_demo() {
        return Verdict::Notice(
            "the profile is demo: its secret is public. Set PLAUDIT_PROFILE=production for a school"
                .to_owned(),
        );
    }
    if config.lacks_public_url() {
        return Verdict::Notice(
            "public_url is not set: links in mails and addresses of pictures lead to this machine only"
                .to_owned(),
        );
    }
    Verdict::Fine(format!("valid; clients use {}", config.public_url))
}

async fn database(config: &Config) -> Verdict {
    let db = match start::open_existing(config).await {
        Ok(db) => db,
        Err(refused) => return Verdict::Wrong(refused.to_string()),
    };
    if let Err(error) = db.ping().await {
        return Verdict::Wrong(start::Refused::from(error).to_string());
    }
    match store::pending(&db).await {
        Ok(missing) if missing.is_empty() => {
            let name = match db.dialect() {
                Dialect::Sqlite => "SQLite",
                Dialect::Postgres => "PostgreSQL",
            };
            Verdict::Fine(format!("{name} answers, and its tables are current"))
        }
        Ok(missing) => Verdict::Wrong(start::Refused::Outdated(missing).to_string()),
        Err(error) => Verdict::Wrong(start::Refused::from(error).to_string()),
    }
}

async fn clocks(config: &Config, clock: &Clock) -> Verdict {
    let Ok(db) = start::open_existing(config).await else {
        return Verdict::Notice("not compared, because the database does not answer".to_owned());
    };
    let before = clock.now();
    match db.now().await {
        Ok(theirs) => {
            let between = before + (clock.now() - before) / 2;
            let apart = (theirs - between).abs();
            if apart > CLOCKS {
                let seconds = apart.num_seconds();
                return Verdict::Wrong(format!(
                    "this machine and the database are {seconds} seconds apart: synchronise both (NTP)"
                ));
            }
            Verdict::Fine("this machine and the database agree".to_owned())
        }
        Err(_) => Verdict::Notice("not compared, because the database does not answer".to_owned()),
    }
}

fn disk(config: &Config) -> Verdict {
    let Some(folder) = start::file(config).map(|file| file.parent().unwrap_or(Path::new("."))) else {
        return Verdict::Fine("the database is on a server of its own".to_owned());
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match fs4::available_space(folder) {
        Ok(bytes) if bytes / (1 << 20) < ROOM => Verdict::Wrong(format!(
            "{} MiB are free in {}: make room, because a full disk stops recording",
            bytes / (1 << 20),
            folder.display()
        )),
        Ok(bytes) => Verdict::Fine(format!("{} GiB are free in {}", bytes / (1 << 30), folder.display())),
        Err(error) => Verdict::Wrong(format!("{} cannot be read ({error})", folder.display())),
    }
}

async fn mail(config: &Config) -> Verdict {
    if let Some(MailTarget::Folder(folder)) = &config.mail.target {
        return Verdict::Notice(format!("mails are files in {}, and reach nobody", folder.display()));
    }
    let mailer = match Mailer::new(config) {
        Ok(mailer) => mailer,
        Err(problem) => return Verdict::Wrong(problem),
    };
    match &mailer {
        Mailer::Smtp(smtp) => match tokio::time::timeout(Duration::from_secs(60), smtp.probe()).await {
            Ok(Ok(())) => Verdict::Fine("the mail server accepts the connection".to_owned()),
            Ok(Err(problem)) => Verdict::Wrong(format!("{problem}: see PLAUDIT_MAIL_URL")),
            Err(_) => Verdict::Wrong("the mail server does not answer: see PLAUDIT_MAIL_URL".to_owned()),
        },
        _ => Verdict::Notice("no mails are sent: set PLAUDIT_MAIL_URL".to_owned()),
    }
}

fn traces(config: &Config) -> Verdict {
    match Traces::of_environment(config) {
        Ok(traces) if traces.are_exported() => Verdict::Fine("spans are exported to a collector".to_owned()),
        Ok(_) => Verdict::Fine("no spans are exported (OTEL_EXPORTER_OTLP_ENDPOINT)".to_owned()),
        Err(problem) => Verdict::Wrong(problem),
    }
}

fn webhooks(config: &Config) -> Verdict {
    match tls::client(config) {
        Ok(_) => Verdict::Fine("certificates can be checked".to_owned()),
        Err(problem) => Verdict::Wrong(problem),
    }
}
