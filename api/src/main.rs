//! The binary: parses the arguments, makes one call, and prints the result.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::{Parser, Subcommand};
use plaudit::auth::Role;
use plaudit::auth::token::Keys;
use plaudit::clock::Clock;
use plaudit::config::{Config, LogFormat, Sources, parse_span};
use plaudit::watch::Watch;
use plaudit::{backup, check, demo, handles, repair, signals, start, watch};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
Examples:
  plaudit                                      a demo on http://127.0.0.1:8000, with sample data
  plaudit watch                                prints awards as they happen, in a second terminal
  plaudit --config plaudit.toml serve          the same server with your own settings
  PLAUDIT_LISTEN=127.0.0.1:9000 plaudit        the environment can set every setting
  plaudit token --sub lesson-player --role service
                                               a token for a backend that sends events

The most important settings (api/config.default.toml describes all):
  PLAUDIT_PROFILE        demo (the default) or production
  PLAUDIT_LISTEN         address and port, 127.0.0.1:8000
  PLAUDIT_DATABASE_URL   sqlite://data/plaudit.db?mode=rwc, or postgres://USER:PASSWORD@HOST/DATABASE
  PLAUDIT_AUTH_SECRET    the secret that signs tokens, at least 32 bytes; or
  PLAUDIT_AUTH_JWKS      a file with the public keys of your identity provider
  PLAUDIT_CATALOGS       packs to load: aurora,tests,code-lab,course-portal or paths with a /
  PLAUDIT_TIMEZONE       the school's time zone, UTC

Metrics, health, backup and repair: api/OPERATIONS.md.

Exit codes: 0 done, 1 `check` found differences, 2 it could not run (the reason is on standard error).
`repair` and `backup` end with a check and return its exit code.";

/// Achievements backend: learning events in, achievements out, over GraphQL.
#[derive(Parser)]
#[command(name = "plaudit", version, about, after_help = HELP)]
struct Arguments {
    /// A TOML file of settings; environment variables override it [env: PLAUDIT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server; the default command
    #[command(
        after_help = "SIGTERM or Ctrl-C stops it: it completes running requests, and clients of sockets reconnect."
    )]
    Serve,
    /// Migrate the tables and publish the catalogue
    #[command(
        after_help = "On SQLite the server does this when it starts. On PostgreSQL run it once per release, \
        before you start the servers: they refuse outdated tables, and use the published catalogue."
    )]
    Migrate,
    /// Print the GraphQL schema, sorted
    #[command(after_help = "Example:\n  plaudit schema > schema.graphql")]
    Schema,
    /// Create a token, signed with the secret of the settings, and print it
    #[command(after_help = "Examples:\n  \
        plaudit token --sub 0198c0de-0000-7000-8000-000000000005 --role student\n  \
        plaudit token --sub lesson-player --role service --ttl 30m\n\n\
        The first use of the token creates an unknown person. From then on the stored role applies.")]
    Token {
        /// The subject: a person's UUID, or the name of a sending system for the role service
        #[arg(long)]
        sub: String,
        /// super_admin, admin, teacher, student, parent or service
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// The person's name, used when the server creates the person
        #[arg(long)]
        name: Option<String>,
        /// How long the token is valid: 90s, 30m, 12h; at most `auth.max_ttl`, by default 24h
        #[arg(long, default_value = "12h", value_parser = parse_ttl)]
        ttl: TimeDelta,
    },
    /// Recalculate every number from events, awards and XP entries, and report each difference
    #[command(after_help = "Writes nothing, and may run while a server runs.\n\
        Exit codes: 0 no difference, 1 differences (one line each), 2 it could not run.")]
    Check,
    /// Correct the differences that `check` finds, one person per transaction
    #[command(
        after_help = "May run while a server runs: it locks one person at a time. It does not change events, awards \
        and XP entries. If `check` finds differences in those, it changes nothing.\n\
        Exit codes: 0 no difference remains, 1 differences remain (one line each), 2 it could not run."
    )]
    Repair,
    /// Write a verified copy of a SQLite database while the server runs
    #[command(after_help = "Examples:\n  \
        plaudit backup /backups/monday.db   a copy that only its owner can read\n  \
        plaudit check                       afterwards, with PLAUDIT_DATABASE_URL set to the copy\n\n\
        FILE must not exist. Until the copy is complete and checked, its name is FILE.part. \
        On PostgreSQL the command writes nothing: it prints the pg_dump command to run.\n\
        Exit codes: 0 written and without differences, 1 written, but `check` finds differences in it, \
        2 nothing was written.")]
    Backup {
        /// The new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print awards as they happen, one line each
    #[command(after_help = "Examples:\n  \
        plaudit watch                                   everyone's awards of the demo on this machine\n  \
        plaudit watch --user 0198c0de-0000-7000-8000-000000000005\n  \
        plaudit watch --url wss://plaudit.example.school/graphql --token \"$TOKEN\"\n\n\
        After a lost connection it resumes without a gap. Ctrl-C ends it.")]
    Watch {
        /// The server's /graphql URL; by default that of the settings, on this machine
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// The token to watch with; in the demo, by default an admin's
        #[arg(long, env = "PLAUDIT_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// Only this person's awards
        #[arg(long, value_name = "ID", value_parser = user_id)]
        user: Option<Uuid>,
        /// The last cursor seen: prints the missed awards first
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
}

fn user_id(text: &str) -> Result<Uuid, &'static str> {
    text.parse()
        .map_err(|_| "it is not the id of a person: copy one from the API, for example from `{ me { id } }`")
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(run(config, command.unwrap_or(Command::Serve))).unwrap_or_else(|error| fail(&error))
}

/// An error that is printed to the terminal.
type AnyError = Box<dyn std::error::Error>;

async fn run(file: Option<PathBuf>, command: Command) -> Result<ExitCode, AnyError> {
    signals::survive_file_limit()?;
    let settings = || Config::load(&Sources::of_process(file));
    match command {
        Command::Serve => serve(settings()?).await?,
        Command::Migrate => {
            let config = settings()?;
            log(&config);
            let done = start::migrate(&config, &Clock::System).await?;
            let version = done.version;
            print(match (done.steps.len(), done.published) {
                (0, false) => {
                    format!("Nothing to do: the tables are current, catalogue {version} is in use.")
                }
                (steps, false) => {
                    format!("Tables: {steps} migrations applied. Catalogue {version} remains in use.")
                }
                (steps, true) => format!(
                    "Tables: {steps} migrations applied. Catalogue {version} is published with {}; it granted {} awards.",
                    config.catalogs.join(", "),
                    done.awarded
                ),
            })?;
        }
        Command::Schema => print(plaudit::schema_sdl().trim_end())?,
        Command::Token { sub, role, name, ttl } => {
            let keys = Keys::load(&settings()?.auth)?;
            let token = keys.mint(&sub, role, name.as_deref(), ttl, Clock::System.now());
            print(token.map_err(|refusal| {
                let field = refusal.field.first().map(|field| format!("--{field}: ")).unwrap_or_default();
                format!("{field}{}", refusal.message)
            })?)?;
        }
        Command::Check => {
            let config = settings()?;
            log(&config);
            return Ok(print_report(&check::run(&config).await?)?);
        }
        Command::Repair => {
            let config = settings()?;
            log(&config);
            return repair_database(&config).await;
        }
        Command::Backup { file } => {
            let config = settings()?;
            log(&config);
            match backup::run(&config, &file).await? {
                backup::Outcome::Written(report) => {
                    let code = print_report(&report)?;
                    print(format!("Written: {}", file.display()))?;
                    return Ok(code);
                }
                backup::Outcome::Command(command) => {
                    print(command)?;
                    return Err("nothing was written: run the printed command to back up a PostgreSQL database. It asks for \
                        the password, or reads it from PGPASSWORD or ~/.pgpass"
                        .into());
                }
            }
        }
        Command::Watch { url, token, user, after } => {
            let user = user.map(|id| id.to_string());
            let (url, token): (String, Box<dyn Fn() -> Result<String, String>>) = match (url, token) {
                (Some(url), Some(token)) => (url, Box::new(move || Ok(token.clone()))),
                (url, token) => {
                    let config = settings()?;
                    let url = url.unwrap_or_else(|| config.local_socket_url());
                    match token {
                        Some(token) => (url, Box::new(move || Ok(token.clone()))),
                        None => (url, admin_token(&config)?),
                    }
                }
            };
            watch::run(Watch { url, token, user, after }).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the differences, and the numbers of checked rows.
fn print_report(report: &check::Report) -> io::Result<ExitCode> {
    for difference in &report.differences {
        print(difference)?;
    }
    let (people, events, awards) = (report.people, report.events, report.awards);
    let found = report.differences.len();
    print(format!(
        "{found} differences in {people} people, {events} events, {awards} awards; digest {}",
        report.digest
    ))?;
    Ok(ExitCode::from(u8::from(found > 0)))
}

async fn repair_database(config: &Config) -> Result<ExitCode, AnyError> {
    match repair::run(config, &Clock::System).await? {
        repair::Outcome::Refused(differences) => {
            for difference in &differences {
                print(difference)?;
            }
            print(format!(
                "Nothing was changed: {} differences are in events, awards or XP entries, which repair does not \
                 change. Restore those from a backup, then run repair again.",
                differences.len()
            ))?;
            Ok(ExitCode::from(1))
        }
        repair::Outcome::Done(summary) => {
            for difference in &summary.left {
                print(difference)?;
            }
            print(format!(
                "{} differences found; {} people rebuilt, {} awards moved in the feed; {} differences remain",
                summary.found,
                summary.people,
                summary.moved,
                summary.left.len()
            ))?;
            Ok(ExitCode::from(u8::from(!summary.left.is_empty())))
        }
    }
}

async fn serve(mut config: Config) -> Result<(), AnyError> {
    log(&config);
    handles::fit(&mut config.limits);
    let (grace, is_demo) = (Duration::from_secs(config.limits.shutdown_seconds), config.is_demo());
    if is_demo && !config.listen.ip().is_loopback() {
        tracing::warn!(
            "other machines can reach the demo (demo_in_public): its secret is public, so every client can be its admin"
        );
    }
    let mut running = start::start(config, Clock::System).await?;
    tracing::info!(address = %running.address, "listening");
    if let Some(operations) = running.operations {
        tracing::info!(%operations, "the operations listener serves metrics and health");
    }
    if is_demo {
        // Deliver the messages of the school's past now, so that the welcome text is the last output.
        demo::fill(&running.app).await?;
        running.settle().await?;
        print(demo::welcome(&running.app, running.address))?;
    }
    let signal = tokio::select! {
        signal = signals::asked_to_stop() => Some(signal?),
        () = running.ended() => None,
    };
    tracing::info!(signal, "stopping");
    if tokio::time::timeout(grace, running.stop()).await.is_err() {
        tracing::warn!("stopped before all requests had ended (limits.shutdown_seconds)");
    }
    match signal {
        Some(_) => Ok(()),
        None => Err("the listener failed; see the log for the cause".into()),
    }
}

/// Creates a new token of the demo's admin at every call, because a stored one would expire.
fn admin_token(config: &Config) -> Result<Box<dyn Fn() -> Result<String, String>>, AnyError> {
    if !config.is_demo() {
        return Err(
            "outside the demo, --token (or PLAUDIT_TOKEN) is required; `plaudit token` creates one".into()
        );
    }
    let keys = Keys::load(&config.auth)?;
    Ok(Box::new(move || demo::admin_token(&keys, Clock::System.now()).map_err(|refusal| refusal.message)))
}

fn parse_role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| format!("a role is one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

fn parse_ttl(text: &str) -> Result<TimeDelta, String> {
    parse_span(text).map_err(|right| format!("it {right}"))
}

/// Logs to standard error, so that other programs can use standard output. A line that cannot be written is lost:
/// reporting the failure to the same standard error would panic.
fn log(config: &Config) {
    let filter = EnvFilter::new(&config.log_filter);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

fn print(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints why the command could not run. If standard error is closed, the exit code still shows the failure.
fn fail(why: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "plaudit: {why}");
    ExitCode::from(2)
}
