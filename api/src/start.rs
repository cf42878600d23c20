//! Starts the server from its settings: the database, the catalogue, the tasks and the listeners. Stops it too.

mod refused;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::app::{App, DELIVERY_READS};
use crate::auth::token::Keys;
use crate::budget::CostBudget;
use crate::budget::turns::Turns;
use crate::bus::Bus;
use crate::catalogue::{Bundle, Catalogue, Source};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::mail::{Mailer, unsubscribe::Unsubscribing};
use crate::delivery::webhook::{Webhooks, address::Allowed};
use crate::delivery::{boards::Boards, hub::Hub, relay};
use crate::delivery::{calendar, channel, tls};
use crate::pipeline::Batcher;
use crate::pulse::{Pulse, deadlines};
use crate::registry::publication::{self, Outcome};
use crate::slow_lane::SlowLane;
use crate::store::deliveries::Channel;
use crate::store::{self, Database, Dialect};
use crate::telemetry::Telemetry;
use crate::{graphql, http, packs, rounds};
pub use refused::Refused;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 4_096;

/// A running server.
pub struct Running {
    /// The state shared by its requests.
    pub app: App,
    /// The address it listens on, with the actual port.
    pub address: SocketAddr,
    /// The address of the operations listener, if the settings name one.
    pub operations: Option<SocketAddr>,
    door: JoinHandle<std::io::Result<()>>,
    shut: watch::Sender<bool>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Resolves if a part of the server ends, which only a defect causes. A restart is then better than a server that
    /// accepts requests without working.
    pub async fn ended(&mut self) {
        tokio::select! {
            _ = &mut self.door => {}
            _ = self.tasks.join_next() => {}
        }
    }

    /// Stops the server: accepts no connection, closes sockets with 1012, and completes running requests.
    pub async fn stop(mut self) {
        let deadline = Instant::now() + Duration::from_secs(self.app.config.limits.shutdown_seconds);
        self.shut.send_replace(true);
        if !self.door.is_finished() {
            let _ = self.door.await;
        }
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, ended).await.is_err() {
            tracing::warn!("stopped before all requests had ended");
        }
    }

    /// The number of subscriptions that follow the feed in this process.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.app.hub.listeners()
    }

    /// Plans the deliveries of all messages, makes an attempt for each delivery that is due, and deletes old ones. Returns
    /// the number of attempts.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn settle(&self) -> Result<usize, store::Error> {
        relay::plan_due(&self.app).await?;
        calendar::plan_due(&self.app).await?;
        let requests = channel::send_due(&self.app, Channel::Webhook).await?;
        Ok(requests + channel::send_due(&self.app, Channel::Mail).await?)
    }
}

/// The result of `plaudit migrate`.
#[derive(Debug)]
pub struct Migrated {
    /// The applied migrations.
    pub steps: Vec<String>,
    /// The current version of the catalogue.
    pub version: i64,
    /// Whether this version is new.
    pub published: bool,
    /// Number of awards to people who already met the rules of the new catalogue.
    pub awarded: usize,
}

/// Migrates the tables and publishes the catalogue of the settings.
///
/// # Errors
/// If the catalogue's files are invalid or the database fails.
pub async fn migrate(config: &Config, clock: &Clock) -> Result<Migrated, Refused> {
    let db = open(config).await?;
    bring_up(&db, config, clock).await
}

/// Starts the server.
///
/// # Errors
/// Why it does not start, and what to do.
pub async fn start(config: Config, clock: Clock) -> Result<Running, Refused> {
    let files = config.graphiql_files.as_deref().filter(|_| config.is_demo());
    let graphiql = files.map(http::GraphiqlFiles::read).transpose().map_err(Refused::Graphiql)?;
    let db = open(&config).await?;
    let keys = Keys::load(&config.auth).map_err(|problem| Refused::Keys(problem.to_string()))?;
    match db.dialect() {
        Dialect::Sqlite => {
            bring_up(&db, &config, &clock).await?;
        }
        Dialect::Postgres => {
            let missing = store::pending(&db).await?;
            if !missing.is_empty() {
                return Err(Refused::Outdated(missing));
            }
        }
    }
    let catalogue = Catalogue::open(&db).await?.ok_or(Refused::Unpublished)?;
    if !catalogue.current().bundle.says_the_same(&bundle(&config)?) {
        tracing::warn!(
            version = catalogue.current().version,
            "the catalogue of the settings differs from the published one, which is in use; run `plaudit migrate` to publish it"
        );
    }
    for surprise in config.mail_surprises() {
        tracing::warn!("{surprise}");
    }
    if config.lacks_public_url() {
        tracing::warn!(
            url = %config.public_url,
            "other machines cannot reach this address of pictures: set public_url (PLAUDIT_PUBLIC_URL)"
        );
    }
    let mailer = Mailer::new(&config).map_err(Refused::Delivery)?;
    let trusted = tls::client(&config).map_err(Refused::Delivery)?;
    let webhooks = Webhooks::new(Allowed(config.webhook_networks.clone().into()), trusted);
    let webhooks = webhooks.map_err(Refused::Delivery)?;
    let key = store::installation_keys::find_or_create(&db, "unsubscribe").await?;
    let listener = listen(config.listen).map_err(|error| Refused::Listen(config.listen, error))?;
    let address = listener.local_addr().map_err(|error| Refused::Listen(config.listen, error))?;
    let operations = match config.operations_listen {
        Some(address) => Some(listen_for_operations(address)?),
        None => None,
    };

    let (batcher, queue) = Batcher::new();
    let (boards, wishes) = Boards::new();
    let turns = Turns::new(&config);
    let app = App {
        costs: Arc::new(CostBudget::new(&config.limits)),
        config: Arc::new(config),
        clock,
        db,
        keys: Arc::new(keys),
        revocations: Arc::default(),
        catalogue: Arc::new(catalogue),
        batcher,
        bus: Bus::new(),
        boards,
        hub: Arc::new(Hub::new()),
        mailer: Arc::new(mailer),
        delivery_reads: Arc::new(Semaphore::new(DELIVERY_READS)),
        webhooks,
        unsubscribing: Unsubscribing::new(&key),
        exports: Arc::default(),
        turns,
        slow_lane: SlowLane::default(),
        pulse: Pulse::new(),
        telemetry: Telemetry::new(),
    };
    app.hub.begin(&app).await?;
    app.revocations.refresh(&app.db).await?;
    let stop = watch::Sender::new(false);
    // Deliveries end together with the listener, because they may need the whole time until the end.
    let shut = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(queue.run(app.clone(), stop.subscribe()));
    let hub = Arc::clone(&app.hub);
    let apart = App { db: app.db.apart(), ..app.clone() };
    let (following, stopped) = (apart.clone(), stop.subscribe());
    let beat = app.pulse.watch("hub", deadlines::HUB);
    tasks.spawn(async move { hub.follow(following, beat, stopped).await });
    let readers = App { db: app.db.shared(), ..app.clone() };
    tasks.spawn(wishes.serve(readers, stop.subscribe()));
    tasks.spawn(rounds::catalogue(apart.clone(), stop.subscribe()));
    tasks.spawn(rounds::revocations(apart.clone(), stop.subscribe()));
    if app.config.worker {
        tasks.spawn(rounds::relay(apart.clone(), shut.subscribe()));
        if app.config.mail.is_on() {
            tasks.spawn(rounds::calendar(apart.clone(), shut.subscribe()));
            tasks.spawn(channel::run(app.clone(), Channel::Mail, shut.subscribe()));
        }
        tasks.spawn(channel::run(app.clone(), Channel::Webhook, shut.subscribe()));
    }
    tasks.spawn(rounds::database(apart, stop.subscribe()));

    let operations = operations.map(|(listener, address)| {
        let app = app.clone();
        tasks.spawn(http::serve_operations(app, listener, shut.subscribe(), stop.subscribe()));
        address
    });
    let mut told = shut.subscribe();
    let until = async move {
        let _ = told.wait_for(|shut| *shut).await;
    };
    let door =
        tokio::spawn(http::serve(app.clone(), graphql::schema::build(&app), graphiql, listener, until));
    Ok(Running { app, address, operations, door, shut, tasks, stop })
}

/// Listens with a backlog that is long enough for a burst of connections.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server can use its address although old connections are still closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn listen_for_operations(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Refused> {
    let refused = |error| Refused::ListenOperations(address, error);
    let listener = listen(address).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Opens the database of the settings. On SQLite, creates a missing folder and file.
async fn open(config: &Config) -> Result<Database, Refused> {
    if let Some(folder) = file(config).and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(Refused::Folder)?;
    }
    connect(config).await
}

/// Opens the database of the settings if it exists.
pub(crate) async fn open_existing(config: &Config) -> Result<Database, Refused> {
    if let Some(file) = file(config).filter(|file| !file.exists()) {
        return Err(Refused::Missing(file.to_owned()));
    }
    connect(config).await
}

/// Opens the database of the settings if it exists and its tables are current.
pub(crate) async fn open_current(config: &Config) -> Result<Database, Refused> {
    let db = open_existing(config).await?;
    let missing = store::pending(&db).await?;
    if missing.is_empty() { Ok(db) } else { Err(Refused::Outdated(missing)) }
}

/// The path of the database file; `None` for PostgreSQL.
pub(crate) fn file(config: &Config) -> Option<&Path> {
    let path = config.database_url.strip_prefix("sqlite://")?;
    Some(Path::new(path.split('?').next().unwrap_or(path)))
}

/// Connects to the database of the settings.
pub(crate) async fn connect(config: &Config) -> Result<Database, Refused> {
    let wait = |seconds: u64| Duration::from_secs(seconds);
    let pool = store::PoolLimits {
        connections: config.database_connections,
        acquire: wait(config.database_acquire_seconds),
        statement: wait(config.database_statement_seconds),
    };
    Ok(Database::open(&config.database_url, pool).await?)
}

/// Migrates the tables of an open database and publishes the catalogue of the settings.
///
/// # Errors
/// If the catalogue is invalid or the database fails.
pub async fn bring_up(db: &Database, config: &Config, clock: &Clock) -> Result<Migrated, Refused> {
    let bundle = bundle(config)?;
    let steps = store::migrate(db).await?;
    let outcome = publication::publish(db, clock, &bundle).await.map_err(|refused| match refused {
        publication::Refused::Problems(problems) => {
            Refused::Catalogue(problems.iter().map(ToString::to_string).collect())
        }
        publication::Refused::Store(error) => Refused::Database(error),
    })?;
    let (version, published, awarded) = match outcome {
        Outcome::Unchanged(version) => (version, false, 0),
        Outcome::Published(version, awarded) => (version, true, awarded),
    };
    Ok(Migrated { steps, version, published, awarded })
}

/// The source texts of the catalogue that the settings name.
fn bundle(config: &Config) -> Result<Bundle, Refused> {
    let files =
        packs::read(&config.catalogs).map_err(|problem| Refused::Catalogue(vec![problem.to_string()]))?;
    let packs = files.into_iter().map(|file| Source { file: file.file, text: file.text }).collect();
    let settings = config.pack_settings.iter();
    let settings = settings.map(|((pack, key), value)| (pack.clone(), key.clone(), value.clone())).collect();
    Ok(Bundle { packs, settings, timezone: Some(config.timezone) })
}
