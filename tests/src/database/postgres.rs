//! The PostgreSQL server of the tests. A new database is a copy of a template, which one build of the tests makes once.
//!
//! Advisory locks tell which databases are in use: a process holds the lock of its run and those of its templates as long
//! as it lives. A database whose lock is free was left behind by a killed run, and the next run removes it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use sea_orm::sqlx::{self, AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::{Builder, Runtime};

use super::Content;

const DATABASES: &str = "plaudit_test_";
const TEMPLATES: &str = "plaudit_template_";

/// The first keys of the advisory locks; the second is the number of the run or of the template.
const RUN_LOCK: i32 = 7_281_001;
const TEMPLATE_LOCK: i32 = 7_281_002;
const MAKING_LOCK: i32 = 7_281_003;

/// The number of this process, in the names of its databases.
static RUN: LazyLock<i32> = LazyLock::new(|| rand::random_range(0..i32::MAX));
static CREATED: AtomicU32 = AtomicU32::new(0);
/// The runtime of the connection that creates and removes databases.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime starts"));
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

/// The connection that holds the locks of this process.
struct Server {
    connection: PgConnection,
    /// The templates that this process has locked.
    templates: HashSet<Content>,
}

/// A name that no other database has.
pub(super) fn new_name() -> String {
    format!("{DATABASES}{:08x}_{}", *RUN, CREATED.fetch_add(1, Ordering::Relaxed))
}

/// The URL of the database with this name: at `PLAUDIT_TEST_POSTGRES`, or on this machine.
pub(super) fn url(name: &str) -> String {
    let server = std::env::var("PLAUDIT_TEST_POSTGRES");
    let server = server.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432".to_owned());
    let mut url = url::Url::parse(&server).expect("PLAUDIT_TEST_POSTGRES is a URL");
    url.set_path(name);
    url.into()
}

/// Creates a database; returns false without PostgreSQL, with a message; fails instead if `CI` is `true`.
pub(super) fn create(name: &str, content: Content) -> bool {
    let created = on_server(async |server| server.create(name, content).await);
    if let Err(error) = &created {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "no PostgreSQL answers, and under CI it has to: {error}"
        );
        eprintln!("NOT RUN: no PostgreSQL answers; set PLAUDIT_TEST_POSTGRES to a server's URL");
    }
    created.is_ok()
}

/// Removes a database, with its connections.
pub(super) fn remove(name: &str) {
    let removed = on_server(async |server| server.drop(name).await);
    if let Err(error) = removed {
        eprintln!("the database {name} is left behind: {error}");
    }
}

/// Runs `act` on the process's connection, in a separate thread, because callers may be inside another runtime.
fn on_server<T: Send>(
    act: impl AsyncFnOnce(&mut Server) -> Result<T, sqlx::Error> + Send,
) -> Result<T, sqlx::Error> {
    let acting = || {
        let mut kept = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        RUNTIME.block_on(async {
            let mut server = match kept.take() {
                Some(server) => server,
                None => Server::connect().await?,
            };
            let result = act(&mut server).await;
            *kept = Some(server);
            result
        })
    };
    thread::scope(|scope| scope.spawn(acting).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

impl Server {
    async fn connect() -> Result<Self, sqlx::Error> {
        let connection = PgConnection::connect(&url("postgres")).await?;
        let mut server = Self { connection, templates: HashSet::new() };
        server.run(&format!("SELECT pg_advisory_lock({RUN_LOCK}, {})", *RUN)).await?;
        server.remove_leftovers().await?;
        Ok(server)
    }

    async fn create(&mut self, name: &str, content: Content) -> Result<(), sqlx::Error> {
        // The default strategy of PostgreSQL 15 and later, WAL_LOG, is also the faster one for a small template:
        // measured, 45 ms and 130 ms for FILE_COPY, which waits for two checkpoints.
        let template = match content {
            Content::Nothing => "template1".to_owned(),
            Content::Tables | Content::Catalogue => self.template(content).await?,
        };
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await
    }

    async fn drop(&mut self, name: &str) -> Result<(), sqlx::Error> {
        self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    /// The template of this content. The first process of a build makes it, while others wait.
    async fn template(&mut self, content: Content) -> Result<String, sqlx::Error> {
        let number = number_of_template(content);
        let name = format!("{TEMPLATES}{number:08x}");
        if self.templates.contains(&content) {
            return Ok(name);
        }
        self.run(&format!("SELECT pg_advisory_lock({MAKING_LOCK}, 0)")).await?;
        self.run(&format!("SELECT pg_advisory_lock_shared({TEMPLATE_LOCK}, {number})")).await?;
        if !self.names(TEMPLATES).await?.contains(&name) {
            let own = [Content::Tables, Content::Catalogue].map(number_of_template);
            self.remove_unused(TEMPLATES, TEMPLATE_LOCK, &own).await?;
            // Renamed at the end, so that a template is complete.
            let draft = new_name();
            self.run(&format!("CREATE DATABASE {draft}")).await?;
            super::write(url(&draft), content).await;
            self.run(&format!("ALTER DATABASE {draft} ALLOW_CONNECTIONS false")).await?;
            self.run(&format!("ALTER DATABASE {draft} RENAME TO {name}")).await?;
        }
        self.run(&format!("SELECT pg_advisory_unlock({MAKING_LOCK}, 0)")).await?;
        self.templates.insert(content);
        Ok(name)
    }

    /// Removes the databases of killed runs.
    async fn remove_leftovers(&mut self) -> Result<(), sqlx::Error> {
        self.remove_unused(DATABASES, RUN_LOCK, &[*RUN]).await
    }

    /// Removes the databases whose names have this beginning and then a number whose lock is free.
    async fn remove_unused(&mut self, beginning: &str, lock: i32, own: &[i32]) -> Result<(), sqlx::Error> {
        for name in self.names(beginning).await? {
            let number = name.trim_start_matches(beginning).split('_').next().unwrap_or_default();
            let Ok(number) = i32::from_str_radix(number, 16) else { continue };
            // A process does not exclude itself from its own locks.
            if !own.contains(&number) && self.is_free(lock, number).await? {
                self.drop(&name).await?;
                self.run(&format!("SELECT pg_advisory_unlock({lock}, {number})")).await?;
            }
        }
        Ok(())
    }

    /// Takes this lock exclusively if no other process holds it.
    async fn is_free(&mut self, lock: i32, number: i32) -> Result<bool, sqlx::Error> {
        let sql = format!("SELECT pg_try_advisory_lock({lock}, {number})");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await
    }

    /// The databases whose names have this beginning.
    async fn names(&mut self, beginning: &str) -> Result<Vec<String>, sqlx::Error> {
        let sql = "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)";
        sqlx::query_scalar(sql).bind(beginning).fetch_all(&mut self.connection).await
    }

    async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await.map(|_| ())
    }
}

/// Names this build of the tests: migrations, packs and code are part of the executable. Read once, because a later build
/// replaces the file while the tests run.
static BUILD: LazyLock<u64> = LazyLock::new(|| {
    let executable = std::env::current_exe().expect("a test knows its own file");
    let built = std::fs::metadata(&executable).expect("the file of a test exists");
    let mut hasher = DefaultHasher::new();
    (executable, built.len(), built.modified().ok()).hash(&mut hasher);
    hasher.finish()
});

/// A number for this content as this build of the tests makes it.
fn number_of_template(content: Content) -> i32 {
    let mut hasher = DefaultHasher::new();
    (content, *BUILD).hash(&mut hasher);
    i32::try_from(hasher.finish() >> 33).expect("31 bits")
}
