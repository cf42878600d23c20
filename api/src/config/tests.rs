//! The settings: their documentation, their order, and the messages about invalid ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use chrono::TimeDelta;

use super::settings::{self, Raw, environment_name};
use super::{Config, DEMO_SECRET, Problem, Problems, Profile, Sources, parse_span};

const DEFAULTS: &str = include_str!("../../config.default.toml");
const SECRET: &str = "a-secret-of-this-test-with-at-least-32-bytes";

fn load(environment: &[(&str, &str)]) -> Result<Config, Problems> {
    load_with(None, environment)
}

fn load_with(file: Option<PathBuf>, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let declared = |catalogs: &[String]| -> BTreeSet<(String, String)> {
        let all = [("aurora", "launchedOn"), ("code-lab", "season")];
        all.into_iter()
            .filter(|(pack, _)| catalogs.iter().any(|catalog| catalog == pack))
            .map(|(pack, setting)| (pack.to_owned(), setting.to_owned()))
            .collect()
    };
    Config::load_with(&Sources { file, environment: environment.collect() }, &declared)
}

/// Loads a file with this text.
fn load_file(text: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let path = std::env::temp_dir().join(format!("plaudit-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, text).unwrap();
    let loaded = load_with(Some(path.clone()), environment);
    std::fs::remove_file(path).unwrap();
    loaded
}

#[track_caller]
fn check_told(loaded: Result<Config, Problems>, expected: &[(&str, &str)]) {
    let told = loaded.expect_err("these settings must be refused").0;
    let told: Vec<_> = told.iter().map(|p| (p.setting.as_str(), p.message.as_str())).collect();
    assert_eq!(told, expected);
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    let mut documented = BTreeMap::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => documented.extend(
                inner.iter().map(|(name, value)| (format!("{key}.{name}"), Raw::of_toml(value).unwrap())),
            ),
            value => drop(documented.insert(key, Raw::of_toml(&value).unwrap())),
        }
    }
    let config = Config::demo();
    let coded: BTreeMap<_, _> = settings::all().map(|s| (s.key.to_owned(), (s.get)(&config))).collect();
    assert_eq!(documented, coded);
}

#[test]
fn the_documented_defaults_load_as_the_defaults() {
    let loaded = load_file(DEFAULTS, &[]).unwrap();
    let defaults = load(&[]).unwrap();
    for setting in settings::all() {
        assert_eq!((setting.get)(&loaded), (setting.get)(&defaults), "{}", setting.key);
    }
    assert_eq!(defaults.auth.secret.as_deref(), Some(DEMO_SECRET));
    assert_eq!(defaults.public_url.as_str(), "http://127.0.0.1:8000/");
}

#[test]
fn every_setting_can_come_from_the_environment() {
    let names: Vec<_> = settings::all().map(|setting| environment_name(setting.key)).collect();
    for documented in ["PROFILE", "LISTEN", "PUBLIC_URL", "ORIGINS", "TIMEZONE", "DATABASE_URL", "CATALOGS"] {
        assert!(names.contains(&format!("PLAUDIT_{documented}")), "{documented}");
    }
    for documented in ["SECRET", "PUBLIC_KEY", "JWKS", "ISSUER", "AUDIENCE", "ROLE_CLAIM"] {
        assert!(names.contains(&format!("PLAUDIT_AUTH_{documented}")), "{documented}");
    }
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn the_environment_overrides_the_file_and_an_empty_value_is_not_set() {
    let file = "listen = \"127.0.0.1:9000\"\ntimezone = \"Asia/Tokyo\"\n[limits]\nnodes = 300\n";
    let public = ("PLAUDIT_DEMO_IN_PUBLIC", "true");
    let environment = [("PLAUDIT_LISTEN", "0.0.0.0:9001"), ("PLAUDIT_TIMEZONE", ""), ("OTHER", "x"), public];
    let config = load_file(file, &environment).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:9001");
    assert_eq!(config.public_url.as_str(), "http://127.0.0.1:9001/");
    assert_eq!(config.timezone, chrono_tz::Asia::Tokyo);
    assert_eq!(config.limits.nodes, 300);
}

#[test]
fn values_are_read_into_their_types() {
    let config = load(&[
        ("PLAUDIT_PUBLIC_URL", "https://plaudit.example.school/api"),
        ("PLAUDIT_ORIGINS", "https://School.example, http://localhost:*"),
        ("PLAUDIT_CATALOGS", concat!("aurora, ", env!("CARGO_MANIFEST_DIR"), "/catalogs/tests.json")),
        ("PLAUDIT_AUTH_MAX_TTL", "90m"),
        ("PLAUDIT_AURORA_LAUNCHED_ON", "2026-01-01"),
    ])
    .unwrap();
    assert_eq!(config.public_url.as_str(), "https://plaudit.example.school/api/");
    assert_eq!(config.origins, ["https://school.example", "http://localhost:*"]);
    assert_eq!(config.catalogs, ["aurora", concat!(env!("CARGO_MANIFEST_DIR"), "/catalogs/tests.json")]);
    assert_eq!(config.auth.max_ttl, TimeDelta::minutes(90));
    assert_eq!(config.pack_settings[&("aurora".to_owned(), "launchedOn".to_owned())], "2026-01-01");
}

#[test]
fn proxies_and_hosts_are_lists_and_may_be_empty() {
    let config = load(&[
        ("PLAUDIT_LIMITS_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,2001:db8::/32"),
        ("PLAUDIT_ALLOWED_HOSTS", "Plaudit.Example, 192.0.2.1:8000,[2001:db8::1]:8000"),
    ])
    .unwrap();
    let proxies: Vec<String> = config.limits.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
    assert_eq!(config.allowed_hosts, ["plaudit.example", "192.0.2.1:8000", "[2001:db8::1]:8000"]);
    assert_eq!(load_file("[limits]\ntrusted_proxies = []\n", &[]).unwrap().limits.trusted_proxies, []);

    let networks = "must be a list of addresses and networks, such as 127.0.0.0/8, ::1/128 or 192.0.2.1.";
    for wrong in ["10.0.0.0/33", "proxy.example", "10.0.0"] {
        let name = "PLAUDIT_LIMITS_TRUSTED_PROXIES";
        check_told(load(&[(name, wrong)]), &[(name, networks)]);
    }
    let hosts = "must be a list of host names or addresses, each with an optional port, without a scheme: plaudit.example.school, \
                 192.0.2.1:8000.";
    for wrong in ["https://plaudit.example", "*.example", "plaudit.example/api", "a b", "me@plaudit.example"]
    {
        check_told(load(&[("PLAUDIT_ALLOWED_HOSTS", wrong)]), &[("PLAUDIT_ALLOWED_HOSTS", hosts)]);
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    check_told(
        load(&[("PLAUDIT_LIMITS_BODY_BYTES", "4194304"), ("PLAUDIT_LIMITS_BODY_BYTES_IN_FLIGHT", "4194303")]),
        &[(
            "PLAUDIT_LIMITS_BODY_BYTES_IN_FLIGHT",
            "is less than limits.body_bytes, so that the longest body could never be read; set it higher.",
        )],
    );
    check_told(
        load(&[("PLAUDIT_DEMO_IN_PUBLIC", "yes")]),
        &[("PLAUDIT_DEMO_IN_PUBLIC", "must be true or false.")],
    );
    for address in ["127.0.0.1:9000", "127.9.9.9:9000", "[::1]:9000"] {
        assert!(load(&[("PLAUDIT_LISTEN", address)]).is_ok(), "{address}");
    }
    let production = ("PLAUDIT_PROFILE", "production");
    assert!(load(&[production, ("PLAUDIT_AUTH_SECRET", SECRET), ("PLAUDIT_LISTEN", "0.0.0.0:9000")]).is_ok());
}

#[test]
fn a_pack_is_set_from_the_file_too_and_only_while_it_is_loaded() {
    let config =
        load_file("[packs.code-lab]\nseason = \"summer\"\n", &[("PLAUDIT_CODE_LAB_SEASON", "winter")]);
    assert_eq!(config.unwrap().pack_settings[&("code-lab".to_owned(), "season".to_owned())], "winter");
    check_told(
        load_file("catalogs = [\"tests\"]\n[packs.aurora]\nlaunchedOn = \"2026-01-01\"\n", &[]),
        &[("packs.aurora.launchedOn", "is not a setting; config.default.toml lists them all.")],
    );
}

#[test]
fn an_origin_is_allowed_as_listed_or_with_any_port_or_as_our_own() {
    let mut config = Config::demo();
    config.origins = vec!["https://school.example".to_owned(), "http://localhost:*".to_owned()];
    for origin in
        ["https://school.example", "http://localhost", "http://localhost:5173", "http://127.0.0.1:8000"]
    {
        assert!(config.allows_origin(origin), "{origin}");
    }
    for origin in [
        "",
        "null",
        "http://school.example",
        "https://school.example:444",
        "https://school.example.attacker.example",
        "http://localhost.attacker.example",
        "http://localhost:80@attacker.example",
        "http://localhost:99999",
        "https://localhost:5173",
        "http://127.0.0.1:8001",
    ] {
        assert!(!config.allows_origin(origin), "{origin}");
    }
}

#[test]
fn all_problems_are_reported_together_each_with_its_remedy() {
    let span = "must be a duration from 1s to 365d, such as 90s, 30m, 12h or 7d.";
    let origins = "must be a list of origins, each a scheme, a host and an optional port, without a path: \
                   https://school.example, http://localhost:5173; http://localhost:* is any port.";
    check_told(
        load_file(
            "profile = \"prod\"\nlistn = \"x\"\norigins = [\"*\"]\n[auth]\nmax_ttl = \"1y\"\nsecret = 1.5\n",
            &[
                ("PLAUDIT_LISTEN", "8000"),
                ("PLAUDIT_PUBLIC_URL", "plaudit.example"),
                ("PLAUDIT_TIMEZONE", "Europe/Berln"),
                ("PLAUDIT_DATABASE_URL", "mysql://root:hunter2@db/plaudit"),
                ("PLAUDIT_AUTH_SECERT", "hunter2"),
                ("PLAUDIT_AUTH_SECRET", "hunter2"),
                ("PLAUDIT_AUTH_ROLE_CLAIM", "sub"),
                ("PLAUDIT_AURORA_LAUNCHEDON", "2026-01-01"),
                ("PLAUDIT_LIMITS_DEPTH", "14"),
                ("PLAUDIT_LIMITS_NODES", "many"),
                ("PLAUDIT_LOG_FORMAT", "xml"),
                ("PLAUDIT_LOG_FILTER", "plaudit=loud"),
                ("PLAUDIT_SOMETHING_ELSE_ENTIRELY", "x"),
            ],
        ),
        &[
            ("auth.secret", "must be a text, a whole number or a list of texts."),
            ("profile", "must be demo or production."),
            (
                "PLAUDIT_LISTEN",
                "must be an IP address and a port, such as 127.0.0.1:8000 or, for every address, 0.0.0.0:8000.",
            ),
            (
                "PLAUDIT_PUBLIC_URL",
                "must be an absolute http or https URL, such as https://plaudit.example.school/.",
            ),
            ("origins", origins),
            ("PLAUDIT_TIMEZONE", "is not an IANA time zone. Did you mean Europe/Berlin?"),
            ("auth.max_ttl", span),
            ("PLAUDIT_LIMITS_NODES", "must be a whole number from 100 to 100000."),
            ("PLAUDIT_LIMITS_DEPTH", "must be a whole number from 15 to 100."),
            ("PLAUDIT_LOG_FORMAT", "must be text or json."),
            ("listn", "is not a setting. Did you mean listen?"),
            ("PLAUDIT_AURORA_LAUNCHEDON", "is not a setting. Did you mean PLAUDIT_AURORA_LAUNCHED_ON?"),
            ("PLAUDIT_AUTH_SECERT", "is not a setting. Did you mean PLAUDIT_AUTH_SECRET?"),
            ("PLAUDIT_SOMETHING_ELSE_ENTIRELY", "is not a setting; config.default.toml lists them all."),
            ("PLAUDIT_AUTH_SECRET", "is too short; use at least 32 random bytes."),
            ("PLAUDIT_AUTH_ROLE_CLAIM", "is a claim with a defined meaning; use another one, such as role."),
            (
                "PLAUDIT_DATABASE_URL",
                "must be sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/DATABASE.",
            ),
            (
                "PLAUDIT_LOG_FILTER",
                "must be a level (error, warn, info, debug, trace) or pairs such as info,plaudit=debug.",
            ),
        ],
    );
}

#[test]
fn a_database_is_a_file_or_a_server() {
    let wrong = "must be sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/DATABASE.";
    let memory = "names a database in memory, which would be lost at the end; name a file: \
                  sqlite://data/plaudit.db?mode=rwc.";
    for (url, message) in [
        ("sqlite::memory:", memory),
        ("sqlite://x?mode=memory", memory),
        ("sqlite:data.db", wrong),
        ("sqlite://", wrong),
        ("sqlite://?mode=rwc", wrong),
        ("postgres:///plaudit", wrong),
        ("data/plaudit.db", wrong),
        (
            "postgres://u@db/plaudit?passwort=s3cret",
            "has an unknown parameter after the ?; use one of application_name, dbname, host, hostaddr, options, \
             password, port, ssl-ca, ssl-cert, ssl-key, ssl-mode, ssl-root-cert, sslcert, sslkey, sslmode, sslrootcert, \
             statement-cache-capacity, user.",
        ),
        (
            "postgres://u@db/plaudit?sslmode=yes",
            "has an unknown sslmode; use one of disable, allow, prefer, require, verify-ca, verify-full.",
        ),
    ] {
        check_told(load(&[("PLAUDIT_DATABASE_URL", url)]), &[("PLAUDIT_DATABASE_URL", message)]);
    }
    for url in [
        "sqlite://plaudit.db",
        "sqlite:///var/lib/plaudit.db?mode=rwc",
        "postgres://plaudit@localhost/plaudit",
        "postgresql://u:p@db:5433/plaudit?sslmode=require",
        "postgres:///plaudit?host=/run/postgresql",
    ] {
        assert_eq!(load(&[("PLAUDIT_DATABASE_URL", url)]).unwrap().database_url, url);
    }
}

#[test]
fn production_refuses_to_start_without_its_own_key() {
    let missing = "is missing: production needs a key. Set it to at least 32 random bytes (openssl rand -base64 48), \
                   or set PLAUDIT_AUTH_PUBLIC_KEY or PLAUDIT_AUTH_JWKS.";
    let demo = "is the demo's, which everyone knows; production needs at least 32 random bytes of its own.";
    let short = "is too short; use at least 32 random bytes.";
    let production = ("PLAUDIT_PROFILE", "production");
    check_told(load(&[production]), &[("PLAUDIT_AUTH_SECRET", missing)]);
    for (secret, message) in [(DEMO_SECRET, demo), ("thirty-one bytes is one too few", short)] {
        check_told(load(&[production, ("PLAUDIT_AUTH_SECRET", secret)]), &[("PLAUDIT_AUTH_SECRET", message)]);
    }
    let config = load(&[production, ("PLAUDIT_AUTH_SECRET", SECRET)]).unwrap();
    assert_eq!((config.profile, config.origins.len()), (Profile::Production, 0));
    let key = include_str!("../auth/token/test_keys/ed25519.pub.pem");
    assert_eq!(load(&[production, ("PLAUDIT_AUTH_PUBLIC_KEY", key)]).unwrap().auth.secret, None);
}

#[test]
fn a_demo_with_its_own_key_does_not_trust_the_public_one() {
    let key = include_str!("../auth/token/test_keys/ed25519.pub.pem");
    assert_eq!(load(&[("PLAUDIT_AUTH_PUBLIC_KEY", key)]).unwrap().auth.secret, None);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_its_lines_are_not_repeated() {
    check_told(
        load(&[("PLAUDIT_CONFIG", "/nowhere/plaudit.toml")]),
        &[(
            "the settings file /nowhere/plaudit.toml",
            "cannot be read (entity not found); name a TOML file.",
        )],
    );
    let Problems(told) = load_file("profile = \"demo\"\n[auth]\nsecret = hunter2\n", &[]).unwrap_err();
    let [Problem { message, .. }] = &told[..] else { panic!("one problem, not {told:?}") };
    assert!(message.starts_with("is not TOML, line 3: "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn unreadable_catalogues_are_reported_with_the_other_problems() {
    check_told(
        load(&[("PLAUDIT_CATALOGS", "tests,aurorra,tests")]),
        &[
            ("PLAUDIT_CATALOGS", "names tests twice; name it once."),
            ("PLAUDIT_CATALOGS", "names aurorra, which is not a pack. Did you mean aurora?"),
        ],
    );
    check_told(
        load_file("catalogs = []", &[]),
        &[("catalogs", "is empty; name at least one pack, such as aurora.")],
    );
}

#[test]
fn no_secret_is_shown() {
    let mut config = load(&[
        ("PLAUDIT_AUTH_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2"),
        ("PLAUDIT_DATABASE_URL", "postgres://plaudit:hunter2@db/plaudit"),
    ])
    .unwrap();
    config.auth.public_key = Some("hunter2".to_owned());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn lengths_of_time_have_a_unit() {
    for (text, seconds) in [("1s", 1), ("90m", 5_400), ("12h", 43_200), ("7d", 604_800)] {
        assert_eq!(parse_span(text).unwrap(), TimeDelta::seconds(seconds));
    }
    for text in ["", "h", "12", "0s", "-1h", "1.5h", "366d", "99999999999999999999s", "1 h", "1µ"] {
        assert!(parse_span(text).is_err(), "{text}");
    }
}

#[test]
fn a_missing_public_url_is_detected_if_others_can_reach_the_server() {
    let with = |listen: &str, public_url: Option<&str>| {
        let mut config = Config::demo();
        config.listen = listen.parse().unwrap();
        config.public_url =
            public_url.map_or_else(|| super::url_of(config.listen), |url| url.parse().unwrap());
        config.lacks_public_url()
    };
    assert!(with("0.0.0.0:8000", None));
    assert!(!with("127.0.0.1:8000", None));
    assert!(!with("0.0.0.0:8000", Some("https://plaudit.example.school/")));
}

#[test]
fn the_operations_listener_is_off_by_default_and_has_a_separate_address() {
    assert_eq!(load(&[]).unwrap().operations_listen, None);
    let loaded = load(&[("PLAUDIT_OPERATIONS_LISTEN", "127.0.0.1:9001")]).unwrap();
    assert_eq!(loaded.operations_listen, Some(([127, 0, 0, 1], 9001).into()));
    check_told(
        load(&[("PLAUDIT_OPERATIONS_LISTEN", "127.0.0.1:8000")]),
        &[("PLAUDIT_OPERATIONS_LISTEN", "is the address of `listen`; choose another port.")],
    );
    check_told(
        load(&[("PLAUDIT_OPERATIONS_LISTEN", "9001")]),
        &[("PLAUDIT_OPERATIONS_LISTEN", "must be an IP address and a port, such as 127.0.0.1:9001.")],
    );
}
