//! The table of settings: the key, the parser and the default of each.
//! The order matters: a row (the profile, the address) may change the defaults of later rows.

use std::path::PathBuf;

use super::values::{
    parse_span, read_hosts, read_listen, read_log_format, read_networks, read_operations_listen,
    read_origins, read_profile, read_public_url, read_timezone, read_truth, read_weekday,
};
use super::{Config, DEMO_SECRET, LogFormat, Profile, url_of};

/// One setting.
pub(super) struct Setting {
    /// The dotted key in the file. The name in the environment is derived from it.
    pub(super) key: &'static str,
    /// Parses the text into the settings, or returns how to correct it.
    pub(super) set: fn(&mut Config, &Raw) -> Result<(), String>,
    /// The value as written in the file; empty if the default is "none" or derived from others.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with config.default.toml"))]
    pub(super) get: fn(&Config) -> Raw,
}

/// A value before it is parsed: the environment has texts; the file has texts, numbers and lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A text, or a number's digits.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Raw {
    /// A value of the file; `None` for types that no setting has: floats, dates, and lists of other than texts.
    pub(super) fn of_toml(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::String(text) => Some(Self::Text(text.clone())),
            toml::Value::Integer(number) => Some(Self::Text(number.to_string())),
            toml::Value::Boolean(truth) => Some(Self::Text(truth.to_string())),
            toml::Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Self::List),
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
        }
    }

    /// Whether it is empty: an empty text keeps the default.
    pub(super) fn is_unset(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// The single text.
    fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::List(_) => Err("must be one value, not a list.".to_owned()),
        }
    }

    /// The listed texts; a single text is split at commas.
    fn list(&self) -> Vec<String> {
        match self {
            Self::Text(text) => {
                text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
            Self::List(items) => items.clone(),
        }
    }
}

/// The name of a setting in the environment: `auth.role_claim` is `PLAUDIT_AUTH_ROLE_CLAIM`,
/// `aurora.launchedOn` is `PLAUDIT_AURORA_LAUNCHED_ON`.
pub(super) fn environment_name(key: &str) -> String {
    let mut name = "PLAUDIT_".to_owned();
    for letter in key.chars() {
        match letter {
            '.' | '-' => name.push('_'),
            _ => {
                if letter.is_uppercase() {
                    name.push('_');
                }
                name.extend(letter.to_uppercase());
            }
        }
    }
    name
}

/// A whole number between two bounds, both included.
macro_rules! number {
    ($key:literal, $($field:ident).+, $least:literal ..= $most:literal) => {
        Setting {
            key: $key,
            set: |config, raw| {
                let wrong = || format!("must be a whole number from {} to {}.", $least, $most);
                let number = raw.text()?.parse().map_err(|_| wrong())?;
                if !($least..=$most).contains(&number) {
                    return Err(wrong());
                }
                config.$($field).+ = number;
                Ok(())
            },
            get: |config| Raw::Text(config.$($field).+.to_string()),
        }
    };
}

mod delivery;

/// Every setting, in the order it is applied.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    GENERAL.iter().chain(delivery::SETTINGS)
}

/// The settings of the server, its limits and its log.
const GENERAL: &[Setting] = &[
    Setting {
        key: "profile",
        set: |config, raw| {
            config.profile = read_profile(raw.text()?)?;
            // Defaults that are safe only in a demo.
            if config.profile == Profile::Production {
                config.auth.secret = None;
                config.mail.target = None;
                config.webhook_networks.clear();
                config.origins.clear();
            }
            Ok(())
        },
        get: |config| text(config.profile.as_str()),
    },
    Setting {
        key: "listen",
        set: |config, raw| {
            config.listen = read_listen(raw.text()?)?;
            config.public_url = url_of(config.listen);
            Ok(())
        },
        get: |config| text(config.listen),
    },
    Setting {
        key: "operations_listen",
        set: |config, raw| {
            config.operations_listen = Some(read_operations_listen(raw.text()?)?);
            Ok(())
        },
        get: |config| config.operations_listen.map_or_else(|| text(""), text),
    },
    Setting {
        key: "public_url",
        set: |config, raw| {
            config.public_url = read_public_url(raw.text()?)?;
            Ok(())
        },
        get: |config| {
            if config.public_url == url_of(config.listen) { text("") } else { text(&config.public_url) }
        },
    },
    Setting {
        key: "origins",
        set: |config, raw| {
            config.origins = read_origins(&raw.list())?;
            Ok(())
        },
        get: |config| {
            if config.origins == Config::demo().origins {
                text("")
            } else {
                Raw::List(config.origins.clone())
            }
        },
    },
    Setting {
        key: "allowed_hosts",
        set: |config, raw| {
            config.allowed_hosts = read_hosts(&raw.list())?;
            Ok(())
        },
        get: |config| Raw::List(config.allowed_hosts.clone()),
    },
    Setting {
        key: "demo_in_public",
        set: |config, raw| {
            config.demo_in_public = read_truth(raw.text()?)?;
            // Every visitor is an admin there, and could make the server call others on its machine.
            if config.demo_in_public {
                config.webhook_networks.clear();
            }
            Ok(())
        },
        get: |config| text(config.demo_in_public),
    },
    Setting {
        key: "graphiql_files",
        set: |config, raw| {
            config.graphiql_files = Some(PathBuf::from(raw.text()?));
            Ok(())
        },
        get: |config| path(config.graphiql_files.as_ref()),
    },
    Setting {
        key: "first_weekday",
        set: |config, raw| {
            config.first_weekday = read_weekday(raw.text()?)?;
            Ok(())
        },
        get: |config| text(config.first_weekday),
    },
    Setting {
        key: "timezone",
        set: |config, raw| {
            config.timezone = read_timezone(raw.text()?)?;
            Ok(())
        },
        get: |config| text(config.timezone),
    },
    Setting {
        key: "catalogs",
        set: |config, raw| {
            config.catalogs = raw.list();
            Ok(())
        },
        get: |config| Raw::List(config.catalogs.clone()),
    },
    Setting {
        key: "database.url",
        set: |config, raw| put(&mut config.database_url, raw),
        get: |config| text(&config.database_url),
    },
    number!("database.connections", database_connections, 1..=1_000),
    number!("database.acquire_seconds", database_acquire_seconds, 1..=60),
    number!("database.statement_seconds", database_statement_seconds, 1..=600),
    // A configured key replaces the demo's key.
    Setting {
        key: "auth.public_key",
        set: |config, raw| {
            config.auth.secret.take_if(|secret| secret == DEMO_SECRET);
            config.auth.public_key = Some(raw.text()?.to_owned());
            Ok(())
        },
        get: |config| text(config.auth.public_key.as_deref().unwrap_or_default()),
    },
    Setting {
        key: "auth.jwks",
        set: |config, raw| {
            config.auth.secret.take_if(|secret| secret == DEMO_SECRET);
            config.auth.jwks = Some(PathBuf::from(raw.text()?));
            Ok(())
        },
        get: |config| path(config.auth.jwks.as_ref()),
    },
    Setting {
        key: "auth.secret",
        set: |config, raw| {
            config.auth.secret = Some(raw.text()?.to_owned());
            Ok(())
        },
        get: |config| {
            text(config.auth.secret.as_deref().filter(|secret| *secret != DEMO_SECRET).unwrap_or_default())
        },
    },
    Setting {
        key: "auth.issuer",
        set: |config, raw| put(&mut config.auth.issuer, raw),
        get: |config| text(&config.auth.issuer),
    },
    Setting {
        key: "auth.audience",
        set: |config, raw| put(&mut config.auth.audience, raw),
        get: |config| text(&config.auth.audience),
    },
    Setting {
        key: "auth.role_claim",
        set: |config, raw| put(&mut config.auth.role_claim, raw),
        get: |config| text(&config.auth.role_claim),
    },
    Setting {
        key: "auth.max_ttl",
        set: |config, raw| {
            config.auth.max_ttl = parse_span(raw.text()?)?;
            Ok(())
        },
        get: |config| text(format!("{}h", config.auth.max_ttl.num_hours())),
    },
    number!("limits.body_bytes", limits.body_bytes, 1_024..=67_108_864),
    number!("limits.anonymous_body_bytes", limits.anonymous_body_bytes, 1_024..=67_108_864),
    number!("limits.body_bytes_in_flight", limits.body_bytes_in_flight, 1_048_576..=1_073_741_824),
    number!("limits.body_values", limits.body_values, 1_000..=10_000_000),
    number!("limits.query_bytes", limits.query_bytes, 256..=1_048_576),
    // Deeper nesting than this can exhaust the parser's stack.
    number!("limits.nesting", limits.nesting, 5..=100),
    number!("limits.tokens", limits.tokens, 100..=100_000),
    number!("limits.nodes", limits.nodes, 100..=100_000),
    number!("limits.aliases", limits.aliases, 1..=10_000),
    number!("limits.directives_per_field", limits.directives_per_field, 1..=100),
    number!("limits.directives", limits.directives, 1..=10_000),
    number!("limits.operations", limits.operations, 1..=100),
    // The introspection query of common tools is 15 levels deep.
    number!("limits.depth", limits.depth, 15..=100),
    number!("limits.complexity", limits.complexity, 100..=10_000_000),
    number!("limits.cost_per_minute", limits.cost_per_minute, 0..=1_000_000_000),
    number!("limits.cost_per_minute_admin", limits.cost_per_minute_admin, 1..=1_000),
    number!("limits.cost_per_minute_service", limits.cost_per_minute_service, 1..=1_000),
    number!("limits.answer_bytes", limits.answer_bytes, 4_096..=67_108_864),
    number!("limits.batch_events", limits.batch_events, 1..=1_000),
    number!("limits.self_report_hours", limits.self_report_hours, 1..=8_760),
    number!("limits.attributes_bytes", limits.attributes_bytes, 64..=65_536),
    number!("limits.socket_message_bytes", limits.socket_message_bytes, 1_024..=16_777_216),
    number!("limits.subscriptions_per_socket", limits.subscriptions_per_socket, 1..=10_000),
    number!("limits.sockets_per_user", limits.sockets_per_user, 1..=10_000),
    number!("limits.operations_at_once", limits.operations_at_once, 1..=10_000),
    number!("limits.operations_at_once_admin", limits.operations_at_once_admin, 1..=10_000),
    number!("limits.operations_at_once_service", limits.operations_at_once_service, 1..=10_000),
    number!("limits.operations_at_once_address", limits.operations_at_once_address, 1..=10_000),
    number!("limits.mutations_at_once", limits.mutations_at_once, 1..=1_000),
    number!("limits.answer_bytes_in_flight", limits.answer_bytes_in_flight, 1_048_576..=2_147_483_647),
    number!("limits.connections", limits.connections, 1..=1_000_000),
    number!("limits.connections_per_address", limits.connections_per_address, 1..=1_000_000),
    Setting {
        key: "limits.trusted_proxies",
        set: |config, raw| {
            config.limits.trusted_proxies = read_networks(&raw.list())?;
            Ok(())
        },
        get: |config| Raw::List(config.limits.trusted_proxies.iter().map(ToString::to_string).collect()),
    },
    number!("limits.header_seconds", limits.header_seconds, 1..=600),
    number!("limits.body_seconds", limits.body_seconds, 1..=600),
    number!("limits.send_seconds", limits.send_seconds, 1..=600),
    number!("limits.send_bytes_per_second", limits.send_bytes_per_second, 1..=1_073_741_824),
    number!("limits.request_seconds", limits.request_seconds, 1..=600),
    number!("limits.socket_init_seconds", limits.socket_init_seconds, 1..=60),
    number!("limits.socket_ping_seconds", limits.socket_ping_seconds, 1..=600),
    number!("limits.socket_send_seconds", limits.socket_send_seconds, 1..=60),
    number!("limits.shutdown_seconds", limits.shutdown_seconds, 1..=600),
    number!("limits.outbox_settled_days", limits.outbox_settled_days, 1..=3_650),
    number!("limits.board_places", limits.board_places, 1_000..=100_000_000),
    Setting {
        key: "log.filter",
        set: |config, raw| put(&mut config.log_filter, raw),
        get: |config| text(&config.log_filter),
    },
    Setting {
        key: "log.format",
        set: |config, raw| {
            config.log_format = Some(read_log_format(raw.text()?)?);
            Ok(())
        },
        get: |config| match config.log_format {
            None => text(""),
            Some(LogFormat::Text) => text("text"),
            Some(LogFormat::Json) => text("json"),
        },
    },
];

fn put(field: &mut String, raw: &Raw) -> Result<(), String> {
    raw.text()?.clone_into(field);
    Ok(())
}

fn path(value: Option<&PathBuf>) -> Raw {
    text(value.map(|path| path.display().to_string()).unwrap_or_default())
}

fn text(value: impl ToString) -> Raw {
    Raw::Text(value.to_string())
}
