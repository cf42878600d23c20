//! What an answer of the matrix shows: nothing, a person, or a person's record.

use std::collections::BTreeSet;

use serde_json::Value;

/// The fields of a person that everyone who is signed in may see.
const NAME: [&str; 3] = ["id", "displayName", "role"];

/// The value at the end of a chain of single fields.
pub(super) fn innermost(value: &Value) -> &Value {
    match value.as_object().map(|fields| fields.values().collect::<Vec<_>>()).as_deref() {
        Some([only]) => innermost(only),
        _ => value,
    }
}

/// Whether only the count of a list was requested, and it is not zero.
pub(super) fn counts(list: &Value) -> bool {
    list["totalCount"].as_i64().is_some_and(|count| count > 0)
}

/// Whether an answer contains this id.
pub(super) fn holds(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Array(values) => values.iter().any(|value| holds(value, id)),
        Value::Object(fields) => fields.values().any(|value| holds(value, id)),
        _ => false,
    }
}

/// What an answer shows of a person in addition to the name: all fields or none.
pub(super) fn record(value: &Value, id: &str) -> String {
    let mut shown = BTreeSet::new();
    look(value, id, &mut shown);
    match shown.into_iter().collect::<Vec<_>>().as_slice() {
        [] => "not there".to_owned(),
        [true] => "ok".to_owned(),
        [false] => "name only".to_owned(),
        _ => "some of the record".to_owned(),
    }
}

fn look(value: &Value, id: &str, shown: &mut BTreeSet<bool>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| look(value, id, shown)),
        Value::Object(fields) => {
            if fields.get("id").and_then(Value::as_str) == Some(id) {
                let record = fields.iter().filter(|(field, _)| !NAME.contains(&field.as_str()));
                shown.extend(record.map(|(_, value)| !value.is_null()));
            }
            fields.values().for_each(|value| look(value, id, shown));
        }
        _ => {}
    }
}
