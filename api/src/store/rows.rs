//! Many rows in one statement. On PostgreSQL each column is one array, so the text is the same for any number of rows and
//! is planned once. SQLite has no arrays: there each value is a parameter.

use sea_orm::sea_query::{
    Alias, Expr, ExprTrait, Func, InsertStatement, IntoColumnRef, OnConflict, Query, SelectStatement,
    SimpleExpr, Value, ValueTuple,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, QueryFilter,
};
use uuid::Uuid;

use super::connect::Reads;
use super::dialect::Dialect;
use super::error::Error;
use super::txn::Txn;

/// The maximum number of rows of a statement on SQLite. Few different texts can stay prepared.
pub(super) const ROWS_PER_STATEMENT: usize = 64;

/// The maximum size of the values of a statement on PostgreSQL, in bytes: with it, a request fits into one TLS record. The
/// driver cannot set `TCP_NODELAY`, so a second record would wait until the first one is acknowledged.
const BYTES_PER_STATEMENT: usize = 14 * 1024;

/// Inserts all rows. `on_conflict` decides about existing rows.
pub(super) async fn insert_all<M, A>(
    txn: &Txn,
    rows: Vec<M>,
    on_conflict: Option<OnConflict>,
) -> Result<(), Error>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait + Send,
{
    for insert in inserts(txn, rows, on_conflict)? {
        txn.connection().execute(&insert).await?;
    }
    Ok(())
}

/// Inserts the rows whose values in the columns `unique` do not exist yet. Returns the values of `id` of the inserted rows.
pub(super) async fn insert_new<M, A>(
    txn: &Txn,
    rows: Vec<M>,
    unique: impl IntoIterator<Item = <A::Entity as EntityTrait>::Column>,
    id: <A::Entity as EntityTrait>::Column,
) -> Result<Vec<Uuid>, Error>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait + Send,
{
    let skip = OnConflict::columns(unique).do_nothing().to_owned();
    let mut ids = Vec::with_capacity(rows.len());
    for mut insert in inserts(txn, rows, Some(skip))? {
        insert.returning_col(id);
        for row in txn.connection().query_all(&insert).await? {
            ids.push(row.try_get_by_index(0)?);
        }
    }
    Ok(ids)
}

/// The statements that insert these rows.
fn inserts<M, A>(
    txn: &Txn,
    rows: Vec<M>,
    on_conflict: Option<OnConflict>,
) -> Result<Vec<InsertStatement>, Error>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    let columns = || <A::Entity as EntityTrait>::Column::iter();
    let values = |row: M| {
        let row = every_column(row.into_active_model());
        columns().filter_map(|column| row.get(column).into_value()).collect()
    };
    let wrong = |error| Error::Impossible(format!("a row has not a value for each column: {error}"));
    let mut inserts = Vec::new();
    for piece in pieces(txn.dialect, rows.into_iter().map(values).collect()) {
        let mut insert = Query::insert();
        insert.into_table(A::Entity::default()).columns(columns());
        match txn.dialect {
            Dialect::Postgres => drop(insert.select_from(unnest(piece)).map_err(wrong)?),
            Dialect::Sqlite => {
                for row in piece {
                    insert.values(row.into_iter().map(Expr::value)).map_err(wrong)?;
                }
            }
        }
        if let Some(on_conflict) = on_conflict.clone() {
            insert.on_conflict(on_conflict);
        }
        inserts.push(insert);
    }
    Ok(inserts)
}

/// Marks all columns as set. A complete model marks them as unchanged, but an INSERT requires set columns.
pub(super) fn every_column<A: ActiveModelTrait>(mut row: A) -> A {
    for column in <A::Entity as EntityTrait>::Column::iter() {
        row.reset(column);
    }
    row
}

/// Runs an UPDATE of many rows from a list of values. `{rows}` in the text is replaced by a list with the columns
/// `column1`, `column2` and so on. The query builder has no UPDATE … FROM that both databases accept.
pub(super) async fn update_from<T>(
    txn: &Txn,
    sql: &str,
    rows: &[T],
    values: impl Fn(&T) -> Vec<Value>,
) -> Result<(), Error> {
    let connection = txn.connection();
    for piece in pieces(txn.dialect, rows.iter().map(values).collect()) {
        let (list, values) = match txn.dialect {
            Dialect::Postgres => {
                let arrays = arrays(piece);
                let numbers = || 1..=arrays.len();
                let parameters: Vec<String> = numbers().map(|number| format!("${number}")).collect();
                let names: Vec<String> = numbers().map(|number| format!("column{number}")).collect();
                let list =
                    format!("(SELECT * FROM UNNEST({}) AS r({}))", parameters.join(", "), names.join(", "));
                (list, arrays)
            }
            Dialect::Sqlite => {
                let row = |row: &Vec<Value>| format!("({})", vec!["?"; row.len()].join(", "));
                let list: Vec<String> = piece.iter().map(row).collect();
                (format!("(VALUES {})", list.join(", ")), piece.into_iter().flatten().collect())
            }
        };
        let sql = sql.replace("{rows}", &list);
        connection.execute_raw(super::statement(connection, &sql, values)).await?;
    }
    Ok(())
}

/// The rows of a table whose values in these columns are among `keys`.
pub(super) async fn find<E: EntityTrait, const N: usize>(
    txn: &Txn,
    columns: [E::Column; N],
    keys: Vec<[Value; N]>,
) -> Result<Vec<E::Model>, Error> {
    let mut found = Vec::new();
    for piece in pieces(txn.dialect, keys.into_iter().map(Vec::from).collect()) {
        found.extend(E::find().filter(among(txn, columns, piece)).all(txn.connection()).await?);
    }
    Ok(found)
}

/// Condition: these columns have the values of one of these keys.
pub(super) fn among<C: ColumnTrait, const N: usize>(
    txn: &Txn,
    columns: [C; N],
    keys: Vec<Vec<Value>>,
) -> SimpleExpr {
    let tuple = Expr::tuple(columns.map(|column| Expr::col(column.into_column_ref())));
    match txn.dialect {
        Dialect::Postgres => tuple.in_subquery(unnest(keys)),
        Dialect::Sqlite => tuple.in_tuples(keys.into_iter().map(ValueTuple::Many)),
    }
}

/// The rows for each statement.
fn pieces(dialect: Dialect, rows: Vec<Vec<Value>>) -> Vec<Vec<Vec<Value>>> {
    let mut pieces: Vec<Vec<Vec<Value>>> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let size: usize = row.iter().map(size).sum();
        let fits = pieces.last().is_some_and(|piece| match dialect {
            Dialect::Postgres => bytes + size <= BYTES_PER_STATEMENT,
            Dialect::Sqlite => piece.len() < ROWS_PER_STATEMENT,
        });
        match pieces.last_mut().filter(|_| fits) {
            Some(piece) => {
                bytes += size;
                piece.push(row);
            }
            None => {
                bytes = size;
                pieces.push(vec![row]);
            }
        }
    }
    pieces
}

/// The size of a value in an array, in bytes.
fn size(value: &Value) -> usize {
    let data = match value {
        Value::String(Some(text)) => text.len(),
        Value::Json(Some(json)) => json.to_string().len(),
        _ => 16,
    };
    // Each element has its length in front.
    4 + data
}

/// `SELECT UNNEST(…), UNNEST(…)` with these rows: the arrays have equal lengths, so their elements form rows.
fn unnest(rows: Vec<Vec<Value>>) -> SelectStatement {
    let column = |array| Func::cust(Alias::new("UNNEST")).arg(Expr::value(array));
    Query::select().exprs(arrays(rows).into_iter().map(column)).to_owned()
}

/// The columns of these rows as arrays.
fn arrays(rows: Vec<Vec<Value>>) -> Vec<Value> {
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        columns.resize_with(row.len(), Vec::new);
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let array = |values: Vec<Value>| {
        let kind = values.first().map(Value::array_type)?;
        Some(Value::Array(kind, Some(Box::new(values))))
    };
    columns.into_iter().filter_map(array).collect()
}
