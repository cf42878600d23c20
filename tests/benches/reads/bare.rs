//! A bare axum handler: it checks no token, parses no document, and reads with minimal SQL.

use std::process::Stdio;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use uuid::Uuid;

/// Starts the handler in a separate process, because the server also runs in one. Returns the process and its URL.
pub(crate) async fn start(database: &str) -> (Child, String) {
    let own = std::env::current_exe().expect("a program knows its own file");
    let mut child = Command::new(own)
        .args(["--database", database])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the process starts");
    let address = crate::address_of(&mut child).await;
    (child, format!("http://{address}"))
}

/// Serves until the process is killed.
pub(crate) async fn serve(database: &str) {
    let mut options = ConnectOptions::new(database.to_owned());
    options.max_connections(8).sqlx_logging(false);
    let connection = Arc::new(sea_orm::Database::connect(options).await.unwrap());
    let routes = Router::new().route("/me/{id}", post(me)).route("/page/{id}", post(page));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, routes.with_state(connection)).await.unwrap();
}

type Connection = State<Arc<DatabaseConnection>>;

async fn me(State(db): Connection, Path(id): Path<Uuid>, Json(_): Json<Value>) -> Json<Value> {
    let me = rows(&db, "SELECT display_name, xp FROM people JOIN totals ON person_id = id WHERE id = $1", id);
    Json(json!({"me": me.await.pop()}))
}

/// The rows of a learner's page.
async fn page(State(db): Connection, Path(id): Path<Uuid>, Json(_): Json<Value>) -> Json<Value> {
    let me = rows(
        &db,
        "SELECT display_name, xp, streak_run, streak_longest FROM people JOIN totals ON person_id = id WHERE id = $1",
        id,
    );
    let earned = rows(
        &db,
        "SELECT awards.earned_at, achievements.key FROM awards JOIN achievements ON achievements.id = achievement_id
         WHERE person_id = $1 AND revoked_at IS NULL ORDER BY earned_at DESC, awards.id DESC LIMIT 20",
        id,
    );
    let held = rows(&db, "SELECT achievement_id FROM awards WHERE person_id = $1", id);
    let metrics = rows(&db, "SELECT metric_id, value FROM metrics WHERE person_id = $1", id);
    let (mut me, earned, held, metrics) = (me.await, earned.await, held.await.len(), metrics.await.len());
    Json(json!({"me": me.pop(), "earned": earned, "held": held, "metrics": metrics}))
}

async fn rows(db: &DatabaseConnection, sql: &str, id: Uuid) -> Vec<Value> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [id.into()]);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| Value::from_query_result(row, "").unwrap()).collect()
}
