//! The settings as values: what an operator can set, the types and the defaults.
//! `config.default.toml` documents them; a test keeps both equal.

mod limits;
mod load;
mod mail;
mod problem;
mod settings;
mod validate;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chrono::{TimeDelta, Weekday};
use chrono_tz::Tz;
use url::Url;

pub use limits::Limits;
pub use load::Sources;
pub use mail::{MailConfig, MailTarget, SmtpServer, Tls};
pub(crate) use problem::nearest;
pub use problem::{Problem, Problems};
pub use values::parse_span;

/// The secret of the demo profile. It is public, so production refuses it.
pub const DEMO_SECRET: &str = "plaudit-demo-secret-known-to-everyone-never-for-production";

/// The purpose of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For evaluation: a small school, GraphiQL, introspection, and a public key.
    Demo,
    /// For use: it does not start without a private key.
    Production,
}

impl Profile {
    /// The profile's name in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Production => "production",
        }
    }
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For human readers.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Everything an operator can set. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct Config {
    /// Demo or production.
    pub profile: Profile,
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The separate address and port of metrics and health; `None` starts no listener for them.
    pub operations_listen: Option<SocketAddr>,
    /// The URL that clients use. Picture addresses are below it.
    pub public_url: Url,
    /// Web origins that may call the API (CORS) and open sockets: `https://host[:port]`; the port `*` matches any.
    pub origins: Vec<String>,
    /// Host names that the server accepts in addition to its own. Empty: any name, except in the demo.
    pub allowed_hosts: Vec<String>,
    /// Whether the demo may listen on addresses that other machines can reach.
    pub demo_in_public: bool,
    /// The folder from which the demo serves GraphiQL's files; `None`: browsers load them from a CDN.
    pub graphiql_files: Option<PathBuf>,
    /// The school's time zone, for people without a zone of their own.
    pub timezone: Tz,
    /// The day with which the school's weeks begin.
    pub first_weekday: Weekday,
    /// The pack names and paths to load, in order.
    pub catalogs: Vec<String>,
    /// The operator's settings of packs: (pack, setting) to its text.
    pub pack_settings: BTreeMap<(String, String), String>,
    /// `sqlite://PATH?mode=rwc` or `postgres://…`; may contain a password.
    pub database_url: String,
    /// Connections in the pool (PostgreSQL), or readers in addition to the one writer (SQLite).
    pub database_connections: u32,
    /// Seconds to wait for a free connection.
    pub database_acquire_seconds: u64,
    /// Seconds a statement may take.
    pub database_statement_seconds: u64,
    /// Whether this server plans and makes deliveries in addition to answering.
    pub worker: bool,
    /// How tokens are verified.
    pub auth: AuthConfig,
    /// A file with certificates (PEM) of an authority of the school's own, which connections to the mail server and to webhooks
    /// accept in addition to the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// Networks that webhooks may reach although they are not public; there also by http.
    pub webhook_networks: Vec<ipnet::IpNet>,
    /// How mails are sent.
    pub mail: MailConfig,
    /// The limits of requests, sockets and people.
    pub limits: Limits,
    /// The log filter: a level, or `module=level` pairs separated by commas.
    pub log_filter: String,
    /// The format of the log, if it is not that of the profile.
    pub log_format: Option<LogFormat>,
}

impl Config {
    /// The defaults: a demo on this machine, with its SQLite file in `data/`.
    #[must_use]
    pub fn demo() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000));
        Self {
            profile: Profile::Demo,
            listen,
            operations_listen: None,
            public_url: url_of(listen),
            origins: vec!["http://localhost:*".to_owned(), "http://127.0.0.1:*".to_owned()],
            allowed_hosts: Vec::new(),
            demo_in_public: false,
            graphiql_files: None,
            timezone: Tz::UTC,
            first_weekday: Weekday::Mon,
            catalogs: ["aurora", "tests", "code-lab", "course-portal"].map(str::to_owned).to_vec(),
            pack_settings: BTreeMap::new(),
            database_url: "sqlite://data/plaudit.db?mode=rwc".to_owned(),
            database_connections: 8,
            database_acquire_seconds: 3,
            database_statement_seconds: 5,
            worker: true,
            auth: AuthConfig::demo(),
            ca_file: None,
            webhook_networks: loopback(),
            mail: MailConfig::demo(),
            limits: Limits::default(),
            log_filter: "info".to_owned(),
            log_format: None,
        }
    }

    /// Whether this is the demo profile.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.profile == Profile::Demo
    }

    /// The format of the log.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or(if self.is_demo() { LogFormat::Text } else { LogFormat::Json })
    }

    /// The URL at which a program on this machine opens sockets.
    #[must_use]
    pub fn local_socket_url(&self) -> String {
        format!("ws://{}/graphql", address_of(self.listen))
    }

    /// Whether other machines can reach the server although `public_url` is not set, so picture addresses use `listen`.
    pub(crate) fn lacks_public_url(&self) -> bool {
        !self.listen.ip().is_loopback() && self.public_url == url_of(self.listen)
    }

    /// What would surprise the readers of mails, and what to do.
    pub(crate) fn mail_surprises(&self) -> Vec<String> {
        if self.is_demo() || !matches!(self.mail.target, Some(MailTarget::Smtp(_))) {
            return Vec::new();
        }
        let is_here = |host: Option<&str>| {
            host.is_none_or(|host| {
                let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                host == "localhost"
                    || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
            })
        };
        let mut surprises = Vec::new();
        if is_here(self.public_url.host_str()) {
            surprises.push(
                "the links in mails lead to the reader's own machine: set public_url (PLAUDIT_PUBLIC_URL) to the address that \
                 people use",
            );
        } else if self.public_url.scheme() != "https" {
            surprises
                .push("mail programs offer to unsubscribe only by https: set public_url to an https address");
        }
        if self.mail.link.is_none() {
            surprises.push(
                "the button in mails leads to no page: set mail.link (PLAUDIT_MAIL_LINK) to a page of yours",
            );
        }
        if self.mail.from.email.domain() == "localhost" {
            surprises.push("no mail server accepts the sender @localhost: set mail.from (PLAUDIT_MAIL_FROM)");
        }
        surprises.into_iter().map(str::to_owned).collect()
    }

    /// Whether a browser page of this origin may call the API: one of `origins`, or our own address.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        let own = self.public_url.origin().ascii_serialization();
        origin == own || self.origins.iter().any(|allowed| covers(allowed, origin))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("profile", &self.profile)
            .field("listen", &self.listen)
            .field("operations_listen", &self.operations_listen)
            .field("public_url", &self.public_url.as_str())
            .field("origins", &self.origins)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("demo_in_public", &self.demo_in_public)
            .field("graphiql_files", &self.graphiql_files)
            .field("timezone", &self.timezone)
            .field("first_weekday", &self.first_weekday)
            .field("catalogs", &self.catalogs)
            .field("pack_settings", &self.pack_settings)
            .field("database_url", &"[hidden]")
            .field("database_connections", &self.database_connections)
            .field("worker", &self.worker)
            .field("auth", &self.auth)
            .field("mail", &self.mail)
            .field("limits", &self.limits)
            .field("log_filter", &self.log_filter)
            .finish_non_exhaustive()
    }
}

/// How tokens are verified. At least one key is required. Each key is used with its own algorithm only.
#[derive(Clone)]
pub struct AuthConfig {
    /// The shared secret of HS256, at least 32 bytes; `plaudit token` signs with it.
    pub secret: Option<String>,
    /// A public key in PEM, or the path of its file: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    pub public_key: Option<String>,
    /// The path of a JWKS file; read again when it changes.
    pub jwks: Option<PathBuf>,
    /// The required value of `iss`.
    pub issuer: String,
    /// The value that `aud` must equal or contain.
    pub audience: String,
    /// The claim that contains the role.
    pub role_claim: String,
    /// The maximum lifetime of a token.
    pub max_ttl: TimeDelta,
}

impl AuthConfig {
    /// The defaults, with the demo's secret.
    #[must_use]
    pub fn demo() -> Self {
        Self {
            secret: Some(DEMO_SECRET.to_owned()),
            public_key: None,
            jwks: None,
            issuer: "plaudit".to_owned(),
            audience: "plaudit".to_owned(),
            role_claim: "role".to_owned(),
            max_ttl: TimeDelta::hours(24),
        }
    }
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("secret", &self.secret.as_ref().map(|_| "[hidden]"))
            .field("public_key", &self.public_key.as_ref().map(|_| "[hidden]"))
            .field("jwks", &self.jwks)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("role_claim", &self.role_claim)
            .field("max_ttl", &self.max_ttl)
            .finish()
    }
}

/// The networks of this machine itself.
fn loopback() -> Vec<ipnet::IpNet> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect()
}

/// The address for a client on this machine; an unspecified address becomes the loopback address.
pub(crate) fn address_of(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())) } else { listen }
}

/// The URL of that address.
fn url_of(listen: SocketAddr) -> Url {
    #[expect(clippy::expect_used, reason = "an address and a port are always a valid authority")]
    Url::parse(&format!("http://{}/", address_of(listen))).expect("an address is a URL")
}

/// Whether `allowed` equals `origin`, or equals it with the port `*`.
fn covers(allowed: &str, origin: &str) -> bool {
    let Some(host) = allowed.strip_suffix(":*") else { return allowed == origin };
    match origin.strip_prefix(host) {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    }
}

#[cfg(test)]
mod tests;
