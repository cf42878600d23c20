//! A database for one test: a file in a temporary folder, or a PostgreSQL database. Both are removed afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use uuid::Uuid;

/// The database of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A server: `PLAUDIT_TEST_POSTGRES`, or the local one.
    Postgres,
}

/// A database that no other test uses.
pub struct Database {
    /// The kind of database.
    pub backend: Backend,
    name: String,
}

impl Database {
    /// Creates one; `None` without PostgreSQL, with a message; fails instead if `CI` is `true`.
    pub async fn create(backend: Backend) -> Option<Self> {
        let name = format!("plaudit_test_{}", Uuid::new_v4().simple());
        if backend == Backend::Sqlite {
            std::fs::create_dir_all(folder(&name)).expect("a folder for the database");
            return Some(Self { backend, name });
        }
        match sea_orm::Database::connect(options(server("postgres"))).await {
            Ok(admin) => {
                run(&admin, &format!("CREATE DATABASE {name}")).await;
                Some(Self { backend, name })
            }
            Err(_) if std::env::var("CI").as_deref() != Ok("true") => {
                eprintln!("NOT RUN: no PostgreSQL answers; set PLAUDIT_TEST_POSTGRES to a server's URL");
                None
            }
            Err(error) => panic!("no PostgreSQL answers, and under CI it has to: {error}"),
        }
    }

    /// The URL for the server's settings.
    pub fn url(&self) -> String {
        match self.backend {
            Backend::Sqlite => {
                format!("sqlite://{}?mode=rwc", self.file().display())
            }
            Backend::Postgres => server(&self.name),
        }
    }

    /// The file, on SQLite.
    pub fn file(&self) -> PathBuf {
        folder(&self.name).join("plaudit.db")
    }

    /// A connection in addition to the server's.
    pub async fn connect(&self) -> DatabaseConnection {
        sea_orm::Database::connect(options(self.url())).await.expect("the test's database answers")
    }

    /// The single number that this query returns.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = self.connect().await;
        let row = connection.query_one_raw(Statement::from_string(self.dialect(), sql)).await;
        let row = row.expect("the query runs").expect("the query answers a row");
        connection.close().await.expect("the connection closes");
        row.try_get_by_index::<i64>(0).expect("the row begins with a number")
    }

    /// The numbers in the first column of this query's result.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        let connection = self.connect().await;
        let rows = connection.query_all_raw(Statement::from_string(self.dialect(), sql)).await;
        connection.close().await.expect("the connection closes");
        let rows = rows.expect("the query runs");
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
        let connection = self.connect().await;
        let ask = async |sql: String| {
            let rows = connection.query_all_raw(Statement::from_string(self.dialect(), sql)).await;
            rows.expect("the query runs")
        };
        let names: Vec<String> =
            ask(tables.to_owned()).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let each = names.iter().map(|name| format!("SELECT '{name}', count(*) FROM {name}"));
        let counts = ask(each.collect::<Vec<_>>().join(" UNION ALL ")).await;
        let counts = counts
            .iter()
            .map(|row| (row.try_get_by_index::<String>(0).unwrap(), row.try_get_by_index::<i64>(1).unwrap()));
        let counts = counts.collect();
        connection.close().await.expect("the connection closes");
        counts
    }

    /// The number of rows and the whole content of every table, as text.
    pub async fn contents(&self) -> BTreeMap<String, (i64, String)> {
        let connection = self.connect().await;
        let ask = async |sql: String| {
            let rows = connection.query_all_raw(Statement::from_string(self.dialect(), sql)).await;
            rows.expect("the query runs")
        };
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
        for row in ask(tables.to_owned()).await {
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
        for row in ask(each.join(" UNION ALL ")).await {
            let number = row.try_get_by_index(1).unwrap();
            contents.insert(row.try_get_by_index(0).unwrap(), (number, row.try_get_by_index(2).unwrap()));
        }
        connection.close().await.expect("the connection closes");
        contents
    }

    /// Runs a statement.
    pub async fn execute(&self, sql: &str) {
        let connection = self.connect().await;
        connection.execute_unprepared(sql).await.expect("the statement runs");
        connection.close().await.expect("the connection closes");
    }

    /// Removes the database.
    pub async fn drop(self) {
        match self.backend {
            Backend::Sqlite => {
                let _ = std::fs::remove_dir_all(folder(&self.name));
            }
            Backend::Postgres => {
                let admin = sea_orm::Database::connect(options(server("postgres")))
                    .await
                    .expect("PostgreSQL answers");
                run(&admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
            }
        }
    }

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

async fn run(admin: &DatabaseConnection, sql: &str) {
    admin.execute_unprepared(sql).await.expect("the statement runs");
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

fn server(database: &str) -> String {
    let server = std::env::var("PLAUDIT_TEST_POSTGRES");
    let server = server.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432".to_owned());
    let mut url = url::Url::parse(&server).expect("PLAUDIT_TEST_POSTGRES is a URL");
    url.set_path(database);
    url.into()
}
