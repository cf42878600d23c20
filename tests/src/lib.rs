//! The environment of a test: a server, its own database, a test clock, and clients.
//! A test ends with [`World::finish`], which fails if work is left or data is inconsistent. A world that goes out of scope
//! in another way fails the test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness says what is wrong by failing the test"
)]

mod arguments;
mod client;
mod database;
mod expensive;
pub mod figures;
mod folder;
mod gate;
mod mail_server;
mod meter;
mod packs;
mod process;
mod receiver;
mod school;
mod socket;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use plaudit::auth::Role;
use plaudit::auth::token::Keys;
use plaudit::check::Report;
use plaudit::clock::Clock;
use plaudit::config::Config;
use plaudit::start::{self, Running};
use serde_json::{Value, json};
use uuid::Uuid;

use database::Content;

pub use arguments::Arguments;
pub use client::{Answer, Client};
pub use database::{Backend, Database};
pub use expensive::Expensive;
pub use gate::{Fault, Gate, Stop};
pub use mail_server::{MailFault, MailServer, Phase};
pub use meter::Meter;
pub use packs::Packs;
pub use process::{Process, SECRET, client_of, command, command_on_disk_of};
pub use receiver::{Received, Receiver, Reply};
pub use school::{Kind, School};
pub use socket::{Closed, Frame, Socket};

/// The start time of a test's clock by default: a Thursday noon in UTC.
pub const START: &str = "2026-01-15T12:00:00Z";

/// A running server and its environment.
pub struct World {
    /// The server, in this process.
    pub server: Running,
    /// The database, removed with the world.
    pub database: Database,
    /// The settings of the server.
    pub config: Config,
    /// The server's clock.
    pub clock: Clock,
    keys: Arc<Keys>,
    unfinished: Unfinished,
}

/// Fails the test when it is dropped before the world has ended.
struct Unfinished {
    ended: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        assert!(
            self.ended || std::thread::panicking(),
            "the test did not end its world: end it with `w.finish().await`, or with `w.stop().await` where the checks of \
             `finish` cannot hold"
        );
    }
}

impl World {
    /// A world on this database; `None` for PostgreSQL if it is not available, with a message; fails instead if `CI` is
    /// `true`.
    pub async fn on(backend: Backend) -> Option<Self> {
        Self::with(backend, |_| {}).await
    }

    /// A world with changed settings.
    pub async fn with(backend: Backend, change: impl FnOnce(&mut Config)) -> Option<Self> {
        let mut database = Database::reserve(backend);
        let mut config = settings(&database);
        change(&mut config);
        let usual = settings(&database);
        let published = |of: &Config| (of.catalogs.clone(), of.pack_settings.clone(), of.timezone);
        let has_usual_packs = published(&config) == published(&usual);
        let content = if has_usual_packs { Content::Catalogue } else { Content::Tables };
        if !database.fill(content).await {
            return None;
        }
        let clock = Clock::hand(moment(START));
        if backend == Backend::Postgres && content == Content::Tables {
            start::migrate(&config, &clock).await.expect("the catalogue is published");
        }
        let server = start::start(config.clone(), clock.clone()).await.expect("the server starts");
        let keys = Arc::new(Keys::load(&config.auth).expect("the keys are good"));
        Some(Self { server, database, config, clock, keys, unfinished: Unfinished { ended: false } })
    }

    /// Another server on the same database.
    pub async fn second_server(&self) -> Running {
        start::start(self.config.clone(), self.clock.clone()).await.expect("a second server starts")
    }

    /// Where the server listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A token for this subject, valid for an hour of the world's clock.
    pub fn token(&self, subject: &str, role: Role) -> String {
        self.keys.mint(subject, role, None, TimeDelta::hours(1), self.clock.now()).expect("a token is minted")
    }

    /// A client without a token.
    pub fn nobody(&self) -> Client {
        Client::new(self.url(), None)
    }

    /// A client of this person.
    pub fn person(&self, id: Uuid, role: Role) -> Client {
        Client::new(self.url(), Some(self.token(&id.to_string(), role)))
    }

    /// A client of the backend called `school`.
    pub fn service(&self) -> Client {
        Client::new(self.url(), Some(self.token("school", Role::Service)))
    }

    /// A token of the backend called `school` with these scopes.
    pub fn scoped_token(&self, scope: &str) -> String {
        let hour = TimeDelta::hours(1);
        let token = self.keys.mint_with("school", Role::Service, None, Some(scope), hour, self.clock.now());
        token.expect("a token is minted")
    }

    /// A new student, created by the service; `zone` is the time zone.
    pub async fn student(&self, zone: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.upsert(id, json!({"timezone": zone})).await;
        id
    }

    /// Creates or changes a person with these fields in addition to id and name.
    pub async fn upsert(&self, id: Uuid, fields: Value) {
        let mut input = json!({"id": id, "displayName": "Ada"});
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = self
            .service()
            .ask(
                "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { user { id } userErrors { field message } } }",
                json!({"input": input}),
            )
            .await;
        assert_eq!(answer.data()["upsertUser"], json!({"user": {"id": id}, "userErrors": []}));
    }

    /// Links a guardian to a child.
    pub async fn link(&self, parent: Uuid, child: Uuid) {
        let link = "mutation($input: LinkGuardianInput!) { linkGuardian(input: $input) { linked userErrors { message } } }";
        let input = json!({"parentId": parent, "studentId": child});
        let answer = self.service().ask(link, json!({"input": input})).await;
        assert_eq!(answer.data()["linkGuardian"], json!({"linked": true, "userErrors": []}));
    }

    /// Waits until this number of subscriptions follow the feed, because a client cannot see when its own does.
    pub async fn followed_by(&self, subscriptions: usize) {
        let followed = async {
            while self.server.followers() != subscriptions {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), followed)
            .await
            .expect("the feed is followed");
    }

    /// Moves the clock.
    pub fn tick(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Recalculates and compares everything.
    pub async fn check(&self) -> Report {
        plaudit::check::run(&self.config).await.expect("the database can be checked")
    }

    /// Ends the world: delivers due messages, and checks that no work is left and all data is consistent.
    #[track_caller]
    pub fn finish(self) -> impl Future<Output = Report> {
        let caller = std::panic::Location::caller();
        async move {
            self.server.settle().await.expect("the outbox is delivered");
            // A round of the server may still hold a message; rounds end before the server does.
            let (database, config, _) = self.stop().await;
            let left = database.number("SELECT count(*) FROM outbox WHERE planned_at IS NULL").await;
            assert_eq!(left, 0, "{caller}: messages are left in the outbox");
            let report = plaudit::check::run(&config).await.expect("the database can be checked");
            let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
            assert_eq!(differences, Vec::<String>::new(), "{caller}: check found differences");
            report
        }
    }

    /// Ends the world without checks, for a test that goes on with the database alone, or whose data is inconsistent on
    /// purpose.
    pub async fn stop(self) -> (Database, Config, Clock) {
        let Self { server, database, config, clock, mut unfinished, .. } = self;
        unfinished.ended = true;
        server.stop().await;
        (database, config, clock)
    }
}

/// A client for plain HTTP requests.
pub fn http() -> reqwest::Client {
    // The client demands one although it sends no request with TLS. Every call but the first finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// The settings of a test's server: those of the demo, with a free port and this database.
pub fn settings(database: &Database) -> Config {
    let mut config = Config::demo();
    config.listen = ([127, 0, 0, 1], 0).into();
    config.database_url = database.url();
    // A machine that is busy with other tests must not look like an unavailable database.
    config.database_acquire_seconds = 15;
    config.database_statement_seconds = 20;
    // At the end of a test no client waits for the shutdown.
    config.limits.shutdown_seconds = 1;
    // Tests drive deliveries by `settle`. Tests of mails set a target.
    config.worker = false;
    config.mail.target = None;
    // Tests send more than a person does. Tests of the budget set it.
    config.limits.cost_per_minute = 0;
    // Tests of races need many concurrent requests of one person at the database.
    config.limits.operations_at_once = 64;
    config.limits.operations_at_once_admin = 64;
    config.limits.mutations_at_once = 64;
    config
}

/// Parses this moment.
pub fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 time")
}

/// Creates two tests from one function of a backend, for worlds with other settings.
#[macro_export]
macro_rules! on_each {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident: Backend) $body:block)*) => { $(
        mod $name {
            use super::*;

            async fn body($backend: $crate::Backend) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                body($crate::Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                body($crate::Backend::Postgres).await;
            }
        }
    )* };
}

/// Creates two tests from one body: on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)*) => { $(
        mod $name {
            use super::*;

            async fn body($world: $crate::World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                if let Some(world) = $crate::World::on($crate::Backend::Sqlite).await {
                    body(world).await;
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(world) = $crate::World::on($crate::Backend::Postgres).await {
                    body(world).await;
                }
            }
        }
    )* };
}
