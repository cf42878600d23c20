//! A database for one test: a file, or a PostgreSQL database. It is removed when it goes out of scope.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use plaudit::clock::Clock;
use plaudit::config::Config;
use plaudit::store::{self, PoolLimits};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use tokio::sync::OnceCell;

/// The database of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A server: `PLAUDIT_TEST_POSTGRES`, or the local one.
    Postgres,
}

/// The time limit of a statement that makes tables.
const LONGEST: Duration = Duration::from_secs(60);

/// The content of a new database. The start time of the tests' clock is the time of the publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// Nothing, not even tables.
    Nothing,
    /// The current tables.
    Tables,
    /// The current tables, and the built-in packs as the first publication.
    Catalogue,
}

/// A database that no other test uses. Dropping it removes it, also after a panic.
pub struct Database {
    /// The kind of database.
    pub backend: Backend,
    name: String,
    exists: bool,
    kept: OnceCell<DatabaseConnection>,
}

impl Database {
    /// Creates an empty database, without tables; `None` without PostgreSQL, with a message; fails instead if `CI` is
    /// `true`.
    pub async fn create(backend: Backend) -> Option<Self> {
        Self::with(backend, Content::Nothing).await
    }

    /// The same with the current tables, and the built-in packs as the first publication.
    pub async fn migrated(backend: Backend) -> Option<Self> {
        Self::with(backend, Content::Catalogue).await
    }

    async fn with(backend: Backend, content: Content) -> Option<Self> {
        let mut database = Self::reserve(backend);
        database.fill(content).await.then_some(database)
    }

    /// A name for a database that does not exist yet; [`Database::fill`] creates it.
    pub(crate) fn reserve(backend: Backend) -> Self {
        let name = match backend {
            Backend::Sqlite => sqlite::new_name(),
            Backend::Postgres => postgres::new_name(),
        };
        Self { backend, name, exists: false, kept: OnceCell::new() }
    }

    /// Creates it; false if PostgreSQL is not available.
    pub(crate) async fn fill(&mut self, content: Content) -> bool {
        self.exists = match self.backend {
            Backend::Sqlite => {
                sqlite::create(&self.name, content).await;
                true
            }
            Backend::Postgres => postgres::create(&self.name, content),
        };
        self.exists
    }

    /// The URL for the server's settings.
    pub fn url(&self) -> String {
        match self.backend {
            Backend::Sqlite => sqlite::url(&self.name),
            Backend::Postgres => postgres::url(&self.name),
        }
    }

    /// The file, on SQLite.
    pub fn file(&self) -> PathBuf {
        sqlite::file(&self.name)
    }

    /// A connection in addition to the server's.
    pub async fn connect(&self) -> DatabaseConnection {
        sea_orm::Database::connect(options(self.url())).await.expect("the test's database answers")
    }

    /// The single number that this query returns.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.ask(sql).await;
        let row = rows.first().expect("the query answers a row");
        row.try_get_by_index::<i64>(0).expect("the row begins with a number")
    }

    /// The single text that this query returns; empty for NULL.
    pub async fn text(&self, sql: &str) -> String {
        let rows = self.ask(sql).await;
        let row = rows.first().expect("the query answers a row");
        row.try_get_by_index::<Option<String>>(0).expect("the row begins with a text").unwrap_or_default()
    }

    /// The numbers in the first column of this query's result.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        let rows = self.ask(sql).await;
        rows.iter().map(|row| row.try_get_by_index(0).expect("the row begins with a number")).collect()
    }

    /// The number of rows of every table.
    pub async fn rows(&self) -> BTreeMap<String, i64> {
        let tables = match self.backend {
            Backend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
            Backend::Postgres => {
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            }
        };
        let names: Vec<String> =
            self.ask(tables).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let each = names.iter().map(|name| format!("SELECT '{name}', count(*) FROM {name}"));
        let counts = self.ask(&each.collect::<Vec<_>>().join(" UNION ALL ")).await;
        let counts = counts
            .iter()
            .map(|row| (row.try_get_by_index::<String>(0).unwrap(), row.try_get_by_index::<i64>(1).unwrap()));
        counts.collect()
    }

    /// The number of rows and the whole content of every table, as text.
    pub async fn contents(&self) -> BTreeMap<String, (i64, String)> {
        let tables = match self.backend {
            Backend::Sqlite => {
                "SELECT t.name, group_concat('quote(\"' || c.name || '\")', ' || '','' || ') FROM sqlite_master t, \
                 pragma_table_info(t.name) c WHERE t.type = 'table' GROUP BY t.name ORDER BY t.name"
            }
            Backend::Postgres => {
                "SELECT tablename::text, 'r::text' FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            }
        };
        let mut contents = BTreeMap::new();
        let mut each = Vec::new();
        for row in self.ask(tables).await {
            let (name, line): (String, String) =
                (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
            let join = match self.backend {
                Backend::Sqlite => "group_concat(line, char(10))",
                Backend::Postgres => "md5(string_agg(line, chr(10) ORDER BY line))",
            };
            each.push(format!(
                "SELECT '{name}', count(*), coalesce({join}, '') FROM (SELECT {line} AS line FROM {name} r ORDER BY 1) AS rows_of_{name}"
            ));
        }
        for row in self.ask(&each.join(" UNION ALL ")).await {
            let number = row.try_get_by_index(1).unwrap();
            contents.insert(row.try_get_by_index(0).unwrap(), (number, row.try_get_by_index(2).unwrap()));
        }
        contents
    }

    /// Runs a statement.
    pub async fn execute(&self, sql: &str) {
        let execute = async |connection: &DatabaseConnection| connection.execute_unprepared(sql).await;
        self.over_connection(execute).await.expect("the statement runs");
    }

    async fn ask(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.dialect(), sql);
        let ask = async |connection: &DatabaseConnection| connection.query_all_raw(statement).await;
        self.over_connection(ask).await.expect("the query runs")
    }

    /// Runs this on a connection: on PostgreSQL a kept one, because to open one takes longer than most queries. An open
    /// SQLite connection would keep the log beside the file.
    async fn over_connection<T>(&self, act: impl AsyncFnOnce(&DatabaseConnection) -> T) -> T {
        match self.backend {
            Backend::Postgres => act(self.kept.get_or_init(async || self.connect().await).await).await,
            Backend::Sqlite => {
                let connection = self.connect().await;
                let result = act(&connection).await;
                connection.close().await.expect("the connection closes");
                result
            }
        }
    }

    /// Removes the database now.
    pub async fn drop(self) {}

    /// The dialect of its statements.
    pub fn dialect(&self) -> DbBackend {
        match self.backend {
            Backend::Sqlite => DbBackend::Sqlite,
            Backend::Postgres => DbBackend::Postgres,
        }
    }
}

/// A connection without the pool's maintenance task: it can loop forever if it reads a counter of idle connections that
/// has just wrapped around.
fn options(url: String) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_lifetime(None).idle_timeout(None);
    options
}

/// Writes this content into the empty database with this URL.
async fn write(url: String, content: Content) {
    let config = Config { database_url: url, ..Config::demo() };
    match content {
        Content::Nothing => {}
        Content::Tables => {
            let limits = PoolLimits { connections: 1, acquire: LONGEST, statement: LONGEST };
            let empty = store::Database::open(&config.database_url, limits).await;
            store::migrate(&empty.expect("the database opens")).await.expect("the tables are made");
        }
        Content::Catalogue => {
            let clock = Clock::hand(crate::moment(crate::START));
            plaudit::start::migrate(&config, &clock).await.expect("the catalogue is published");
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        match self.backend {
            _ if !self.exists => {}
            Backend::Sqlite => sqlite::remove(&self.name),
            Backend::Postgres => postgres::remove(&self.name),
        }
    }
}
