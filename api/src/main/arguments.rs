//! The arguments of the command line.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use plaudit::auth::{Role, SCOPES};
use plaudit::config::parse_span;
use plaudit::outbox;
use uuid::Uuid;

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
  PLAUDIT_MAIL_URL       where mails go: smtp://, smtps:// or file://FOLDER

Metrics, health, backup and repair: api/OPERATIONS.md.

Exit codes: 0 done, 1 `check` found differences, 2 it could not run (the reason is on standard error).
`repair` and `backup` end with a check and return its exit code.";

/// Achievements backend: learning events in, achievements out, over GraphQL.
#[derive(Parser)]
#[command(name = "plaudit", version, about, after_help = HELP)]
pub(crate) struct Arguments {
    /// A TOML file of settings; environment variables override it [env: PLAUDIT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
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
        plaudit token --sub lesson-player --role service --ttl 30m\n  \
        plaudit token --sub lesson-player --role service --scope events:write\n\n\
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
        /// What a service may do with it, separated by commas; without it, everything
        #[arg(long, value_delimiter = ',', value_parser = SCOPES)]
        scope: Vec<String>,
        /// How long the token is valid: 90s, 30m, 12h; at most `auth.max_ttl`, by default 24h
        #[arg(long, default_value = "12h", value_parser = parse_ttl)]
        ttl: TimeDelta,
    },
    /// Stop accepting a token, or all tokens of a signing key
    #[command(after_help = "Examples:\n  \
        plaudit revoke --token 0198c0de-0000-7000-8000-000000000005    the jti of the token\n  \
        plaudit revoke --key 2026-01                                    the kid of the key\n\n\
        Running servers know it within seconds. A revocation cannot be undone.")]
    Revoke {
        /// The token, or its `jti`
        #[arg(long, value_name = "TOKEN", required_unless_present = "key", conflicts_with = "key")]
        token: Option<String>,
        /// The `kid` of the key in the JWKS
        #[arg(long, value_name = "KID")]
        key: Option<String>,
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
    /// List deliveries of mails and webhooks, try them again, or give them up
    #[command(after_help = "Examples:\n  \
        plaudit outbox list --state given-up --since 7d\n  \
        plaudit outbox show 5f0c2c7e-3b0a-5d0e-9c58-6a1f0b7d9e21\n  \
        plaudit outbox retry --channel mail --since 2d    after the mail server was down")]
    Outbox {
        #[command(subcommand)]
        command: Outbox,
    },
    /// Check the settings, the database, the clock, the disk and the mail server, and say what to do
    #[command(
        after_help = "It changes nothing and sends no mail. Exit code: 0 nothing is wrong, 1 something is."
    )]
    Doctor,
    /// Ask the server of these settings on this machine whether it is ready
    #[command(after_help = "For the health check of a container. Exit code: 0 ready, 2 not.")]
    Health,
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

/// What to do with deliveries.
#[derive(Subcommand)]
pub(crate) enum Outbox {
    /// List the newest deliveries
    List {
        #[command(flatten)]
        filter: Filter,
        /// Only in this state
        #[arg(long, value_parser = outbox::STATES)]
        state: Option<String>,
        /// At most this number
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        limit: u64,
    },
    /// Print everything that is known about a delivery
    Show {
        /// The delivery's id
        id: Uuid,
    },
    /// Try a delivery again, or all that failed and match: given up, or waiting for another attempt
    Retry {
        /// The delivery's id; without it, all that failed and match
        #[arg(conflicts_with_all = ["channel", "person", "webhook", "since"])]
        id: Option<Uuid>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Give up a delivery that was not delivered yet
    Bury {
        /// The delivery's id
        id: Uuid,
    },
}

/// Which deliveries.
#[derive(Args)]
pub(crate) struct Filter {
    /// Only of this channel
    #[arg(long, value_parser = outbox::CHANNELS)]
    channel: Option<String>,
    /// Only to this person, or about this person
    #[arg(long, value_name = "ID")]
    person: Option<Uuid>,
    /// Only to this webhook
    #[arg(long, value_name = "ID")]
    webhook: Option<Uuid>,
    /// Only planned within this time: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_ttl)]
    since: Option<TimeDelta>,
}

impl Filter {
    /// The filter, with this state.
    pub(crate) fn with(self, state: Option<String>) -> outbox::Filter {
        let Self { channel, person, webhook, since } = self;
        outbox::Filter { channel, state, person, webhook, since }
    }
}

fn user_id(text: &str) -> Result<Uuid, &'static str> {
    text.parse()
        .map_err(|_| "it is not the id of a person: copy one from the API, for example from `{ me { id } }`")
}

fn parse_role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| format!("a role is one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

fn parse_ttl(text: &str) -> Result<TimeDelta, String> {
    parse_span(text).map_err(|right| format!("it {right}"))
}
