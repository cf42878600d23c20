//! Checks the settings together, and the requirements of the profile.

use tracing_subscriber::EnvFilter;

use super::problem::Problem;
use super::{Config, DEMO_SECRET, Profile};
use crate::auth::token::Keys;
use crate::packs;

/// Claims with a defined meaning. They cannot contain the role.
const TAKEN_CLAIMS: [&str; 8] = ["sub", "iss", "aud", "exp", "nbf", "iat", "jti", "name"];

/// Adds the problems of the settings as a whole; `name_of` returns the name under which a setting was written.
pub(super) fn check(config: &Config, name_of: &dyn Fn(&str) -> String, problems: &mut Vec<Problem>) {
    let mut note = |setting: &str, message: String| problems.push(Problem::new(name_of(setting), message));
    check_auth(config, &mut note);
    if config.is_demo() && !config.demo_in_public {
        if !config.listen.ip().is_loopback() {
            note(
                "listen",
                "is an address that other machines reach, and the demo's secret is known to everyone: anyone could \
                be its admin. Listen on 127.0.0.1, or set PLAUDIT_PROFILE=production with a key of your own; \
                PLAUDIT_DEMO_IN_PUBLIC=true allows it."
                    .to_owned(),
            );
        }
        if config.operations_listen.is_some_and(|address| !address.ip().is_loopback()) {
            note(
                "operations_listen",
                "is an address that other machines reach. In the demo listen on 127.0.0.1, or set \
                PLAUDIT_PROFILE=production; PLAUDIT_DEMO_IN_PUBLIC=true allows it."
                    .to_owned(),
            );
        }
    }
    if config.limits.body_bytes > config.limits.body_bytes_in_flight {
        note(
            "limits.body_bytes_in_flight",
            "is less than limits.body_bytes, so that the longest body could never be read; set it higher."
                .to_owned(),
        );
    }
    if config.catalogs.is_empty() {
        note("catalogs", "is empty; name at least one pack, such as aurora.".to_owned());
    }
    if config.operations_listen.is_some_and(|address| address == config.listen && address.port() != 0) {
        note("operations_listen", "is the address of `listen`; choose another port.".to_owned());
    }
    for (at, catalog) in config.catalogs.iter().enumerate() {
        if config.catalogs.iter().take(at).any(|earlier| earlier == catalog) {
            note("catalogs", format!("names {catalog} twice; name it once."));
        }
    }
    if let Err(problem) = packs::read(&config.catalogs) {
        note("catalogs", problem.message);
    }
    if let Err(message) = check_database_url(&config.database_url) {
        note("database.url", message);
    }
    // The filter would take a misspelt level for a module name, and the log would be empty.
    let is_bare_word = |part: &str| {
        !part.contains(['=', '[', ':'])
            && part.trim().parse::<tracing_subscriber::filter::LevelFilter>().is_err()
    };
    let misspelt = config.log_filter.split(',').filter(|part| !part.trim().is_empty()).any(is_bare_word);
    if misspelt || EnvFilter::try_new(&config.log_filter).is_err() {
        note(
            "log.filter",
            "must be a level (error, warn, info, debug, trace) or pairs such as info,plaudit=debug."
                .to_owned(),
        );
    }
}

/// Checks the keys, and the requirements of production.
fn check_auth(config: &Config, note: &mut dyn FnMut(&str, String)) {
    let auth = &config.auth;
    if config.profile == Profile::Production {
        if auth.secret.is_none() && auth.public_key.is_none() && auth.jwks.is_none() {
            note(
                "auth.secret",
                "is missing: production needs a key. Set it to at least 32 random bytes (openssl rand \
                -base64 48), or set PLAUDIT_AUTH_PUBLIC_KEY or PLAUDIT_AUTH_JWKS."
                    .to_owned(),
            );
        }
        if auth.secret.as_deref() == Some(DEMO_SECRET) {
            note(
                "auth.secret",
                "is the demo's, which everyone knows; production needs at least 32 random bytes of \
                its own."
                    .to_owned(),
            );
        }
    }
    if let Err(found) = Keys::load(auth) {
        for problem in found.0 {
            note(&problem.setting, problem.message);
        }
    }
    if TAKEN_CLAIMS.contains(&auth.role_claim.as_str()) {
        note(
            "auth.role_claim",
            "is a claim with a defined meaning; use another one, such as role.".to_owned(),
        );
    }
}

/// Checks the database URL. It may contain a password, so no message repeats it.
fn check_database_url(url: &str) -> Result<(), String> {
    const WRONG: &str = "must be sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/DATABASE.";
    if let Some(path) = url.strip_prefix("sqlite:") {
        if path.contains(":memory:") || path.contains("mode=memory") {
            return Err("names a database in memory, which would be lost at the end; name a file: \
                sqlite://data/plaudit.db?mode=rwc."
                .to_owned());
        }
        let file = path.trim_start_matches('/').split('?').next().unwrap_or_default();
        return if path.starts_with("//") && !file.is_empty() { Ok(()) } else { Err(WRONG.to_owned()) };
    }
    let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let parsed = url::Url::parse(url).ok().filter(|_| postgres).ok_or(WRONG)?;
    // The query may contain the folder of a Unix socket instead of a host.
    let has_host = parsed.host_str().is_some_and(|host| !host.is_empty())
        || parsed.query_pairs().any(|(name, _)| name == "host");
    if !has_host {
        return Err(WRONG.to_owned());
    }
    check_parameters(&parsed)
}

/// Checks the parameters of a PostgreSQL URL. The driver would ignore an unknown one, and log its value.
fn check_parameters(url: &url::Url) -> Result<(), String> {
    const KNOWN: [&str; 18] = [
        "application_name",
        "dbname",
        "host",
        "hostaddr",
        "options",
        "password",
        "port",
        "ssl-ca",
        "ssl-cert",
        "ssl-key",
        "ssl-mode",
        "ssl-root-cert",
        "sslcert",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "statement-cache-capacity",
        "user",
    ];
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    for (name, value) in url.query_pairs() {
        if !KNOWN.contains(&&*name) && !name.starts_with("options[") {
            return Err(format!("has an unknown parameter after the ?; use one of {}.", KNOWN.join(", ")));
        }
        if matches!(&*name, "sslmode" | "ssl-mode") && !MODES.contains(&&*value) {
            return Err(format!("has an unknown {name}; use one of {}.", MODES.join(", ")));
        }
    }
    Ok(())
}
