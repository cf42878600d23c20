//! Refused input: each error has a code, a field and a remedy, and nothing is stored.

mod batches;
mod documents;
mod events;
mod ids;
mod people;
mod rights;
mod tokens;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Client, World};

const RECORD: &str = "mutation($input: RecordEventInput!) { recordEvent(input: $input) {
    eventId duplicate xpGained awards { id } user { id } userErrors { field code message reason } } }";

/// The expected refusal: its code, its field below the argument, and a part of its message that names the remedy.
#[derive(Debug, Clone, Copy)]
struct No {
    code: &'static str,
    field: &'static [&'static str],
    remedy: &'static str,
}

const fn invalid(field: &'static [&'static str], remedy: &'static str) -> No {
    No { code: "INVALID_INPUT", field, remedy }
}

impl No {
    /// Checks that a payload has only this error; the arguments are below `path`.
    #[track_caller]
    fn check(&self, user_errors: &Value, path: &[&str], of: &str) {
        let [error] = user_errors.as_array().unwrap().as_slice() else { panic!("{of}: {user_errors}") };
        let field: Vec<&str> = path.iter().chain(self.field).copied().collect();
        assert_eq!((&error["code"], &error["field"]), (&json!(self.code), &json!(field)), "{of}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(self.remedy), "{of}: {message:?} does not say {:?}", self.remedy);
    }
}

/// The number of rows of every table, for a later comparison.
struct Kept {
    rows: BTreeMap<String, i64>,
}

impl Kept {
    async fn of(w: &World) -> Self {
        Self { rows: w.database.rows().await }
    }

    /// Fails if a row was added or removed.
    async fn check(&self, w: &World, after: &str) {
        assert_eq!(w.database.rows().await, self.rows, "nothing is kept of {after}");
    }
}

/// The payload of a refused `recordEvent`: all fields except its errors are null.
async fn refused(client: &Client, input: &Value) -> Value {
    let answer = client.ask(RECORD, json!({"input": input})).await;
    let mut payload = answer.data()["recordEvent"].clone();
    let errors = payload["userErrors"].take();
    let nothing = json!({"eventId": null, "duplicate": null, "xpGained": null, "awards": null, "user": null, "userErrors": null});
    assert_eq!(payload, nothing, "{input}");
    errors
}

/// `value` with these fields changed.
fn with(mut value: Value, changes: &Value) -> Value {
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
    value
}
