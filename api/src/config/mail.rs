//! The settings of mail.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use url::Url;

/// Where mails go.
#[derive(Clone, PartialEq, Eq)]
pub enum MailTarget {
    /// A folder: each mail is a file.
    Folder(PathBuf),
    /// A mail server.
    Smtp(SmtpServer),
}

/// A mail server, and how to connect to it.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// Name and password.
    pub login: Option<(String, String)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the start (`smtps://`).
    Always,
    /// By STARTTLS; no mail is sent without it.
    Required,
    /// By STARTTLS if the server offers it.
    Offered,
    /// Never.
    Never,
}

/// How mails are sent, and what people get unless they choose otherwise.
#[derive(Clone)]
pub struct MailConfig {
    /// Where mails go; `None` sends none.
    pub target: Option<MailTarget>,
    /// The sender of all mails.
    pub from: Mailbox,
    /// The page that mails link to; `None` is `public_url`.
    pub link: Option<Url>,
    /// The language of people whose own is not known: en, it or ar.
    pub language: String,
    /// Mails about single causes that a person gets within 24 hours. The others are collected into the daily mail.
    pub per_day: i64,
    /// How long the mail server may take for one step; four times as long to accept a mail.
    pub timeout: Duration,
    /// Connections to the mail server at a time.
    pub connections: usize,
}

impl MailConfig {
    /// The defaults of the demo: files in a folder.
    #[must_use]
    pub fn demo() -> Self {
        #[expect(clippy::expect_used, reason = "a fixed text")]
        let from = "Plaudit <plaudit@localhost>".parse().expect("an address");
        Self {
            target: Some(MailTarget::Folder("data/mail".into())),
            from,
            link: None,
            language: "en".to_owned(),
            per_day: 10,
            timeout: Duration::from_secs(15),
            connections: 4,
        }
    }

    /// Whether mails are sent.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.target.is_some()
    }
}

impl fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailConfig")
            .field("target", &self.target)
            .field("language", &self.language)
            .field("per_day", &self.per_day)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MailTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder(_) => "a folder",
            Self::Smtp(_) => "a mail server [hidden]",
        })
    }
}

/// The target as written in the settings, without the password.
pub(super) fn written(target: Option<&MailTarget>) -> String {
    match target {
        None => String::new(),
        Some(MailTarget::Folder(path)) => format!("file://{}", path.display()),
        Some(MailTarget::Smtp(server)) => format!("smtp://{}:{}", server.host, server.port),
    }
}

/// Parses `smtp://`, `smtps://` or `file://`. The text may contain a password, so no message repeats it.
pub(super) fn read_target(text: &str) -> Result<MailTarget, String> {
    if let Some(path) = text.strip_prefix("file://") {
        return match path {
            "" => Err("names no folder, such as file://data/mail.".to_owned()),
            path => Ok(MailTarget::Folder(path.into())),
        };
    }
    read_server(text).map(MailTarget::Smtp)
}

fn read_server(text: &str) -> Result<SmtpServer, String> {
    const WRONG: &str = "must be smtp://HOST:PORT, smtps://USER:PASSWORD@HOST or file://FOLDER. In a name or password write \
                         %40 for @, %3A for : and %2F for /.";
    let url = Url::parse(text).map_err(|_| WRONG.to_owned())?;
    let (tls, port) = match url.scheme() {
        "smtp" => (None, if url.username().is_empty() { 25 } else { 587 }),
        "smtps" => (Some(Tls::Always), 465),
        _ => return Err(WRONG.to_owned()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(WRONG)?.trim_matches(['[', ']']);
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(WRONG.to_owned());
    }
    let decoded = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8()
            .map(String::from)
            .map_err(|_| WRONG.to_owned())
    };
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        ("", Some(_)) | (_, None) => {
            return Err(
                "has a user without a password, or a password without a user; write both or neither."
                    .to_owned(),
            );
        }
        (user, Some(password)) => Some((decoded(user)?, decoded(password)?)),
    };
    let mut chosen = None;
    for (name, value) in url.query_pairs() {
        chosen = match (&*name, &*value) {
            ("tls", "required") => Some(Tls::Required),
            ("tls", "offered") => Some(Tls::Offered),
            ("tls", "never") => Some(Tls::Never),
            _ => {
                return Err(
                    "has an unknown parameter; tls=required, tls=offered and tls=never are known.".to_owned()
                );
            }
        };
    }
    let is_secret = login.is_some();
    let tls = match (tls, chosen) {
        (Some(_), Some(_)) => {
            return Err("has tls=… although smtps:// is always encrypted; leave it out.".to_owned());
        }
        (Some(tls), None) => tls,
        (None, Some(Tls::Offered | Tls::Never)) if is_secret && !is_here(host) => {
            return Err(
                "would send the password without encryption; leave out tls=…, or use smtps://.".to_owned()
            );
        }
        (None, Some(tls)) => tls,
        (None, None) if is_secret && !is_here(host) => Tls::Required,
        (None, None) => Tls::Offered,
    };
    Ok(SmtpServer { host: host.to_owned(), port: url.port().unwrap_or(port), tls, login })
}

/// Whether the server is on this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Parses the sender: an address, or a name and an address.
pub(super) fn read_from(text: &str) -> Result<Mailbox, String> {
    const WRONG: &str = "must be an address, or a name and an address: Plaudit <plaudit@school.example>.";
    if text.chars().any(char::is_control) {
        return Err(WRONG.to_owned());
    }
    text.parse().map_err(|_| WRONG.to_owned())
}

/// Parses the page that mails link to.
pub(super) fn read_link(text: &str) -> Result<Url, String> {
    const WRONG: &str =
        "must be an absolute http or https URL without a password, such as https://school.example/me.";
    let url = Url::parse(text).map_err(|_| WRONG.to_owned())?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && is_plain { Ok(url) } else { Err(WRONG.to_owned()) }
}

/// Parses a language that mails are written in.
pub(super) fn read_language(text: &str) -> Result<String, String> {
    if crate::words::LANGUAGES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("must be one of {}.", crate::words::LANGUAGES.join(", ")))
}
