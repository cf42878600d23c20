//! The binary with its arguments: output, refusals, and exit codes.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic like the test")]

use std::path::PathBuf;
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};
use plaudit::auth::Role;
use plaudit::auth::token::Keys;
use plaudit::clock::Clock;
use plaudit::config::AuthConfig;

const ADA: &str = "3f2a0b1c-0000-4000-8000-00000000ada0";
const SECRET: &str = "a-secret-of-this-test-with-at-least-32-bytes";

/// Runs the binary with only these of our environment variables.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plaudit"));
    // Without COLUMNS, the help is wrapped as for a terminal of 100 columns.
    command.args(arguments).current_dir(std::env::temp_dir()).env_remove("COLUMNS");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PLAUDIT_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn check_refused(output: &Output, message: &str) {
    assert_eq!(text(&output.stderr), format!("plaudit: {message}\n"));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(2));
}

/// A temporary folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("plaudit-cli-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn database(&self) -> String {
        format!("sqlite://{}/deep/plaudit.db?mode=rwc", self.0.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_help_of_each_command_is_the_committed_text() {
    for command in [
        "", "serve", "migrate", "schema", "token", "revoke", "check", "repair", "backup", "outbox", "doctor",
        "health", "watch",
    ] {
        let (name, arguments) = match command {
            "" => ("plaudit", vec!["--help"]),
            command => (command, vec![command, "--help"]),
        };
        let help = run(&arguments, &[]);
        assert_eq!((help.status.code(), text(&help.stderr)), (Some(0), String::new()), "{name}");
        insta::assert_snapshot!(format!("help_of_{name}"), text(&help.stdout));
    }
}

#[test]
fn a_misspelt_command_or_option_suggests_the_most_similar_one_and_exits_with_2() {
    for (arguments, hint) in [(&["serv"][..], "serve"), (&["token", "--rol", "admin"][..], "--role")] {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(hint), "{}", text(&output.stderr));
    }
    let output = run(&["token", "--sub", ADA, "--role", "root"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "a role is one of super_admin, admin, teacher, student, parent, service";
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
}

#[test]
fn a_token_is_printed_alone_and_verifies() {
    let arguments = ["token", "--sub", ADA, "--role", "teacher", "--name", "Ada", "--ttl", "30m"];
    let before = Clock::System.now();
    let output = run(&arguments, &[("PLAUDIT_AUTH_SECRET", SECRET)]);
    let after = Clock::System.now();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let printed = text(&output.stdout);
    let token = printed.strip_suffix('\n').unwrap();

    let auth = AuthConfig { secret: Some(SECRET.to_owned()), ..AuthConfig::demo() };
    let claims = Keys::load(&auth).unwrap().verify(token, after).unwrap();
    assert_eq!(
        (claims.subject.as_str(), claims.role, claims.name.as_deref()),
        (ADA, Role::Teacher, Some("Ada"))
    );
    let whole = |at: DateTime<Utc>| at.timestamp();
    let issued = whole(claims.expires_at - TimeDelta::minutes(30));
    assert!((whole(before)..=whole(after)).contains(&issued), "it lives for what --ttl says");
    assert!(Keys::load(&AuthConfig::demo()).unwrap().verify(token, after).is_err(), "another secret");
}

#[test]
fn a_token_that_the_server_would_refuse_is_not_created() {
    let token = |sub, role, ttl| run(&["token", "--sub", sub, "--role", role, "--ttl", ttl], &[]);
    check_refused(&token("ada", "student", "1h"), "--sub: a person's sub must be a UUID that is not nil.");
    check_refused(
        &token(ADA, "service", "1h"),
        "--sub: a service's sub must not be a UUID; name the sending system.",
    );
    check_refused(
        &token("plaudit", "service", "1h"),
        "--sub: the name plaudit is reserved; name the sending system.",
    );
    check_refused(
        &token(ADA, "student", "25h"),
        "--ttl: a token is valid for at most 86400 seconds (PLAUDIT_AUTH_MAX_TTL).",
    );
}

#[test]
fn all_wrong_settings_are_reported_without_their_values() {
    let environment = [("PLAUDIT_AUTH_SECERT", "hunter2"), ("PLAUDIT_LISTEN", "hunter2")];
    check_refused(
        &run(&[], &environment),
        "the settings cannot be used:\n  \
         PLAUDIT_LISTEN: must be an IP address and a port, such as 127.0.0.1:8000 or, for every address, 0.0.0.0:8000.\n  \
         PLAUDIT_AUTH_SECERT: is not a setting. Did you mean PLAUDIT_AUTH_SECRET?",
    );
}

#[test]
fn production_does_not_start_without_its_own_key() {
    let production = ("PLAUDIT_PROFILE", "production");
    let told = |message: &str| format!("the settings cannot be used:\n  PLAUDIT_AUTH_SECRET: {message}");
    check_refused(
        &run(&["serve"], &[production]),
        &told(
            "is missing: production needs a key. Set it to at least 32 random bytes (openssl rand -base64 48), \
             or set PLAUDIT_AUTH_PUBLIC_KEY or PLAUDIT_AUTH_JWKS.",
        ),
    );
    check_refused(
        &run(&["serve"], &[production, ("PLAUDIT_AUTH_SECRET", "short")]),
        &told("is too short; use at least 32 random bytes."),
    );
    check_refused(
        &run(&["serve"], &[production, ("PLAUDIT_AUTH_SECRET", plaudit::config::DEMO_SECRET)]),
        &told("is the demo's, which everyone knows; production needs at least 32 random bytes of its own."),
    );
}

#[test]
fn the_demo_does_not_listen_for_other_machines_unless_it_is_allowed() {
    let message = "the settings cannot be used:\n  PLAUDIT_LISTEN: is an address that other machines reach, and the \
        demo's secret is known to everyone: anyone could be its admin. Listen on 127.0.0.1, or set \
        PLAUDIT_PROFILE=production with a key of your own; PLAUDIT_DEMO_IN_PUBLIC=true allows it.";
    for address in ["0.0.0.0:8000", "[::]:8000", "192.0.2.1:8000"] {
        check_refused(&run(&["serve"], &[("PLAUDIT_LISTEN", address)]), message);
    }
    let allowed = [("PLAUDIT_LISTEN", "0.0.0.0:8000"), ("PLAUDIT_DEMO_IN_PUBLIC", "true")];
    let token = run(&["token", "--sub", ADA, "--role", "student"], &allowed);
    assert_eq!(token.status.code(), Some(0), "{}", text(&token.stderr));
}

#[test]
fn the_file_is_named_by_option_or_environment() {
    let folder = Folder::new();
    let path = folder.0.join("plaudit.toml");
    std::fs::write(&path, "[auth]\nsecert = \"x\"\n").unwrap();
    let path = path.to_str().unwrap();
    let message = "the settings cannot be used:\n  auth.secert: is not a setting. Did you mean auth.secret?";
    check_refused(&run(&["--config", path, "serve"], &[]), message);
    check_refused(&run(&["serve", "--config", path], &[]), message);
    check_refused(&run(&[], &[("PLAUDIT_CONFIG", path)]), message);
}

#[test]
fn a_port_in_use_is_reported_with_the_name_of_the_setting() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        run(&["serve"], &[("PLAUDIT_LISTEN", &address), ("PLAUDIT_DATABASE_URL", &folder.database())]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains(&format!("plaudit: cannot listen on {address}")), "{told}");
    assert!(told.contains("set PLAUDIT_LISTEN to a free address"), "{told}");
}

#[test]
fn the_schema_needs_no_settings() {
    let output = run(&["schema"], &[("PLAUDIT_PROFILE", "production")]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).trim_end(), plaudit::schema_sdl().trim_end());
}

#[test]
fn a_fresh_database_is_migrated_once_and_has_no_differences() {
    let folder = Folder::new();
    let environment = [("PLAUDIT_DATABASE_URL", folder.database()), ("PLAUDIT_LOG_FILTER", "off".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let check = run(&["check"], &environment);
    assert_eq!(check.status.code(), Some(2), "there is nothing to check yet");
    assert!(
        text(&check.stderr).contains("`plaudit migrate` creates a new database"),
        "{}",
        text(&check.stderr)
    );

    let first = run(&["migrate"], &environment);
    assert_eq!((first.status.code(), text(&first.stderr)), (Some(0), String::new()));
    assert!(text(&first.stdout).ends_with(
        "Catalogue 1 is published with aurora, tests, code-lab, course-portal; it granted 0 awards.\n"
    ));
    assert_eq!(
        text(&run(&["migrate"], &environment).stdout),
        "Nothing to do: the tables are current, catalogue 1 is in use.\n"
    );
    let check = run(&["check"], &environment);
    assert_eq!(check.status.code(), Some(0));
    assert!(text(&check.stdout).starts_with("0 differences in 0 people, 0 events, 0 awards; digest "));
}

#[test]
fn commands_run_although_the_log_cannot_be_written() {
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plaudit"));
    command
        .arg("migrate")
        .env("PLAUDIT_DATABASE_URL", folder.database())
        .env("PLAUDIT_LOG_FILTER", "trace")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // From now on every log line is written to a broken pipe.
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).ends_with(
        "Catalogue 1 is published with aurora, tests, code-lab, course-portal; it granted 0 awards.\n"
    ));
}

#[test]
fn watch_ends_with_the_reason_if_a_retry_cannot_succeed() {
    check_refused(
        &run(&["watch", "--url", "http:/nowhere", "--token", "t"], &[]),
        "the URL is not a ws:// or wss:// address; set --url to the server's /graphql, such as wss://plaudit.school.example/graphql",
    );
    check_refused(
        &run(&["watch"], &[("PLAUDIT_PROFILE", "production"), ("PLAUDIT_AUTH_SECRET", SECRET)]),
        "outside the demo, --token (or PLAUDIT_TOKEN) is required; `plaudit token` creates one",
    );
}
