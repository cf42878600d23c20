//! The binary: parses the arguments, makes one call, and prints the result.

#[path = "main/arguments.rs"]
mod arguments;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use plaudit::auth::token::Keys;
use plaudit::clock::Clock;
use plaudit::config::{Config, LogFormat, Sources};
use plaudit::revoke::Revoked;
use plaudit::trace::{self, Traces};
use plaudit::watch::Watch;
use plaudit::{backup, check, demo, doctor, handles, health, outbox, repair, revoke, signals, start, watch};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use arguments::{Arguments, Command, Outbox};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        Command::Token { sub, role, name, scope, ttl } => {
            let keys = Keys::load(&settings()?.auth)?;
            let scope = Some(scope.join(" ")).filter(|scope| !scope.is_empty());
            let (name, scope) = (name.as_deref(), scope.as_deref());
            let token = keys.mint_with(&sub, role, name, scope, ttl, Clock::System.now());
            print(token.map_err(|refusal| {
                let field = refusal.field.first().map(|field| format!("--{field}: ")).unwrap_or_default();
                format!("{field}{}", refusal.message)
            })?)?;
        }
        Command::Revoke { token, key } => {
            let config = settings()?;
            log(&config);
            let Some(revoked) = token.map(Revoked::Token).or(key.map(Revoked::Key)) else {
                return Err("name a token or a key".into());
            };
            revoke::run(&config, &Clock::System, &revoked).await?;
            print("Revoked. Running servers know it within seconds.")?;
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
        Command::Outbox { command } => {
            let config = settings()?;
            log(&config);
            print(deliveries(&config, command).await?)?;
        }
        Command::Doctor => {
            let config = settings()?;
            log(&config);
            let mut wrong = 0_u8;
            let mut failed = Ok(());
            let mut tell = |finding: doctor::Finding| {
                wrong |= u8::from(finding.is_wrong());
                failed = print(finding);
            };
            doctor::run(&config, &Clock::System, &mut tell).await;
            failed?;
            return Ok(ExitCode::from(wrong));
        }
        Command::Health => health::run(&settings()?).await?,
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

/// Lists or changes deliveries; returns what to print.
async fn deliveries(config: &Config, command: Outbox) -> Result<String, outbox::Problem> {
    let clock = &Clock::System;
    Ok(match command {
        Outbox::List { filter, state, limit } => {
            outbox::list(config, clock, &filter.with(state), limit).await?
        }
        Outbox::Show { id } => outbox::show(config, id).await?,
        Outbox::Retry { id: Some(id), .. } => {
            outbox::retry(config, clock, id).await?;
            format!("{id} is due now.")
        }
        Outbox::Retry { id: None, filter } => {
            let renewed = outbox::retry_all(config, clock, &filter.with(None)).await?;
            format!("Due now: {renewed}.")
        }
        Outbox::Bury { id } => {
            outbox::bury(config, clock, id).await?;
            format!("{id} is given up.")
        }
    })
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
    let traces = Traces::of_environment(&config)?;
    log_and_trace(&config, &traces);
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
        demo::fill(&running.app).await?;
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
    traces.end().await;
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

/// Logs a command that exports no spans.
fn log(config: &Config) {
    log_and_trace(config, &Traces::default());
}

/// Logs to standard error, so that other programs can use standard output. A line that cannot be written is lost:
/// reporting the failure to the same standard error would panic.
fn log_and_trace(config: &Config, traces: &Traces) {
    let shown = EnvFilter::new(&config.log_filter)
        .and(filter_fn(|about| !(about.is_span() && about.target() == trace::TARGET)));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let lines = match config.log_format() {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(shown)).with(traces.layer()).init();
}

fn print(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints why the command could not run. If standard error is closed, the exit code still shows the failure.
fn fail(why: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "plaudit: {why}");
    ExitCode::from(2)
}
