//! The settings as values: what an operator can set, its type and its default.
//! `config.default.toml` is their documentation; a test keeps the two alike.

mod limits;
mod load;
mod settings;
mod validate;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chrono::TimeDelta;
use chrono_tz::Tz;
use url::Url;

pub use limits::Limits;
pub(crate) use load::nearest;
pub use load::{Problem, Problems, Sources};
pub use values::parse_span;

/// The secret of the demo profile: known to everyone, so production refuses it.
pub const DEMO_SECRET: &str = "plaudit-demo-secret-known-to-everyone-never-for-production";

/// What the installation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// To look at: a small school, GraphiQL, introspection, a key everyone knows.
    Demo,
    /// To work with: a key of one's own, or it does not start.
    Production,
}

impl Profile {
    /// The word for it in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Production => "production",
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Everything an operator can set. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct Config {
    /// Demo or production.
    pub profile: Profile,
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The address and port of metrics and health besides; none is served if it is not set.
    pub operations_listen: Option<SocketAddr>,
    /// Where clients reach the server; pictures are addressed below it.
    pub public_url: Url,
    /// Web origins that may call us (CORS) and open sockets: `https://host[:port]`, a port of `*` is any.
    pub origins: Vec<String>,
    /// Hosts under which the server answers, beside its own names; empty: any, except in the demo.
    pub allowed_hosts: Vec<String>,
    /// Whether the demo may listen on addresses that other machines reach.
    pub demo_in_public: bool,
    /// The school's zone: for people who have none of their own.
    pub timezone: Tz,
    /// The pack names and paths to load, in order.
    pub catalogs: Vec<String>,
    /// What an operator set for a pack: (pack, setting) to its text.
    pub pack_settings: BTreeMap<(String, String), String>,
    /// `sqlite://PATH?mode=rwc` or `postgres://…`; may hold a password.
    pub database_url: String,
    /// Connections in the pool (PostgreSQL), readers beside the one writer (SQLite).
    pub database_connections: u32,
    /// Seconds to wait for a free connection.
    pub database_acquire_seconds: u64,
    /// Seconds a statement may take.
    pub database_statement_seconds: u64,
    /// How tokens are verified.
    pub auth: AuthConfig,
    /// What one request, socket or person may ask for.
    pub limits: Limits,
    /// What is logged: a level, or `module=level` pairs separated by commas.
    pub log_filter: String,
    /// How it is written.
    pub log_format: LogFormat,
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
            timezone: Tz::UTC,
            catalogs: ["aurora", "tests", "code-lab", "course-portal"].map(str::to_owned).to_vec(),
            pack_settings: BTreeMap::new(),
            database_url: "sqlite://data/plaudit.db?mode=rwc".to_owned(),
            database_connections: 8,
            database_acquire_seconds: 3,
            database_statement_seconds: 5,
            auth: AuthConfig::demo(),
            limits: Limits::default(),
            log_filter: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }

    /// Whether this is the demo profile.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.profile == Profile::Demo
    }

    /// Where a program on this machine opens sockets.
    #[must_use]
    pub fn local_socket_url(&self) -> String {
        format!("ws://{}/graphql", address_of(self.listen))
    }

    /// Whether other machines reach the server, while the addresses of pictures are made from `listen`.
    pub(crate) fn lacks_public_url(&self) -> bool {
        !self.listen.ip().is_loopback() && self.public_url == url_of(self.listen)
    }

    /// Whether a browser page of this origin may call us: one of `origins`, or our own address.
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
            .field("timezone", &self.timezone)
            .field("catalogs", &self.catalogs)
            .field("pack_settings", &self.pack_settings)
            .field("database_url", &"[hidden]")
            .field("database_connections", &self.database_connections)
            .field("auth", &self.auth)
            .field("limits", &self.limits)
            .field("log_filter", &self.log_filter)
            .finish_non_exhaustive()
    }
}

/// How tokens are verified. At least one key; each is used with its own algorithm only.
#[derive(Clone)]
pub struct AuthConfig {
    /// The shared secret of HS256, at least 32 bytes; `plaudit token` signs with it.
    pub secret: Option<String>,
    /// A public key in PEM, or the path of a file with one: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    pub public_key: Option<String>,
    /// The path of a JWKS file; read again when it changes.
    pub jwks: Option<PathBuf>,
    /// What `iss` must say.
    pub issuer: String,
    /// What `aud` must say, or contain.
    pub audience: String,
    /// The claim that holds the role.
    pub role_claim: String,
    /// The longest a token may live.
    pub max_ttl: TimeDelta,
}

impl AuthConfig {
    /// The defaults, with the secret of the demo.
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

/// The address as a client on this machine writes it: "every address" is none to call.
pub(crate) fn address_of(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())) } else { listen }
}

/// The URL of that address.
fn url_of(listen: SocketAddr) -> Url {
    #[expect(clippy::expect_used, reason = "an address and a port are always a valid authority")]
    Url::parse(&format!("http://{}/", address_of(listen))).expect("an address is a URL")
}

/// Whether `allowed` is `origin`, or is it with any port.
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
