//! A compiled kind of event, and the parser of its attributes.

use std::fmt;

use super::{
    Catalog,
    format::{Attribute, AttributeType, DomainEventKind},
    problem::{nearest, suggest},
};
use crate::{
    event::{Attributes, Value},
    xp::{MAX_XP, Reward},
};

/// The default maximum length of a string attribute, in characters.
const MAX_LENGTH: usize = 200;

/// A kind of event.
#[derive(Debug, Clone)]
pub struct Activity {
    /// In snake_case.
    pub key: String,
    /// What happened, in words.
    pub description: String,
    /// The key of the pack that declares it.
    pub pack: String,
    /// Whether a person may record it about themselves.
    pub self_reportable: bool,
    /// The action in Plaudit that creates its events.
    pub on: Option<DomainEventKind>,
    /// Whether it makes its local day an active one.
    pub counts_for_streak: bool,
    /// The maximum XP for a person on one local day.
    pub daily_cap: Option<i64>,
    pub(crate) attributes: std::collections::BTreeMap<String, Attribute>,
    pub(crate) reward: Option<Reward>,
    /// Indexes of the metrics that its events can change.
    pub(crate) metrics: Vec<usize>,
}

impl Activity {
    /// Whether its events may carry this attribute.
    #[must_use]
    pub fn declares(&self, attribute: &str) -> bool {
        self.attributes.contains_key(attribute)
    }
}

/// A problem of an event's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeProblem {
    /// The path below `attributes`; empty for the attributes as a whole.
    pub path: Vec<String>,
    /// The fault, and how to correct it.
    pub message: String,
}

impl fmt::Display for AttributeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Catalog {
    /// Parses the attributes of an event: an object, or nothing. Fills in defaults.
    ///
    /// # Errors
    /// All attributes that are undeclared, missing, of a wrong type or out of range.
    pub fn parse_attributes(
        &self,
        activity: &Activity,
        given: Option<&serde_json::Value>,
    ) -> Result<Attributes, Vec<AttributeProblem>> {
        let empty = serde_json::Map::new();
        let given = match given {
            None | Some(serde_json::Value::Null) => &empty,
            Some(serde_json::Value::Object(object)) => object,
            Some(_) => {
                let message = r#"attributes must be an object, such as {"correct": true}"#.to_owned();
                return Err(vec![AttributeProblem { path: Vec::new(), message }]);
            }
        };
        let mut problems = Vec::new();
        let mut refuse = |name: &str, message: String| {
            problems.push(AttributeProblem { path: vec![name.to_owned()], message });
        };
        for name in given.keys().filter(|name| !activity.attributes.contains_key(*name)) {
            let remedy = if activity.attributes.is_empty() {
                "it takes none".to_owned()
            } else {
                suggest(name, activity.attributes.keys().map(String::as_str))
            };
            refuse(name, format!("`{}` has no attribute `{}`; {remedy}", activity.key, printable(name)));
        }
        let mut parsed = Vec::new();
        for (name, attribute) in &activity.attributes {
            match given.get(name) {
                None | Some(serde_json::Value::Null) if attribute.required => {
                    refuse(name, format!("`{name}` is required: {}", attribute.expected()));
                }
                None | Some(serde_json::Value::Null) => {
                    parsed.extend(attribute.default.clone().map(|value| (name.clone(), value)));
                }
                Some(value) => match attribute.parse(value) {
                    Ok(value) => parsed.push((name.clone(), value)),
                    Err(message) => refuse(name, format!("`{name}` {message}")),
                },
            }
        }
        if problems.is_empty() { Ok(parsed.into_iter().collect()) } else { Err(problems) }
    }
}

impl Attribute {
    /// Parses a JSON value, or returns what is wrong with it.
    pub(crate) fn parse(&self, given: &serde_json::Value) -> Result<Value, String> {
        let value = match (self.kind, given) {
            (AttributeType::Bool, serde_json::Value::Bool(value)) => Value::Bool(*value),
            (AttributeType::Int, serde_json::Value::Number(number)) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => return Err(format!("must be {}, not {number}", self.expected())),
            },
            (AttributeType::String, serde_json::Value::String(text)) => Value::Text(text.as_str().into()),
            (_, given) => return Err(format!("must be {}, not {}", self.expected(), kind_of(given))),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Checks whether the attribute may have this value.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (AttributeType::Bool, Value::Bool(_)) => Ok(()),
            (AttributeType::Int, Value::Int(value)) => {
                if (self.least()..=self.most()).contains(value) {
                    Ok(())
                } else {
                    Err(format!("must be {}, not {value}", self.expected()))
                }
            }
            (AttributeType::String, Value::Text(text)) => self.check_text(text),
            (_, value) => Err(format!("must be {}, not {value}", self.expected())),
        }
    }

    /// The accepted values, in words.
    pub(crate) fn expected(&self) -> String {
        match self.kind {
            AttributeType::Bool => "true or false".to_owned(),
            AttributeType::Int => format!("a whole number from {} to {}", self.least(), self.most()),
            AttributeType::String => match &self.one_of {
                Some(values) => format!("one of {}", values.join(", ")),
                None => format!("text of at most {} characters", self.length()),
            },
        }
    }

    /// The minimum of an int.
    pub(crate) fn least(&self) -> i64 {
        self.min.unwrap_or(-MAX_XP)
    }

    /// The maximum of an int.
    pub(crate) fn most(&self) -> i64 {
        self.max.unwrap_or(MAX_XP)
    }

    fn length(&self) -> usize {
        self.max_length.unwrap_or(MAX_LENGTH)
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters such as NUL or line breaks".to_owned());
        }
        match &self.one_of {
            Some(values) if !values.iter().any(|value| value == text) => {
                let meant = nearest(text, values.iter().map(String::as_str));
                let hint = meant.map(|value| format!("; did you mean `{value}`?")).unwrap_or_default();
                Err(format!("must be {}{hint}", self.expected()))
            }
            None if text.chars().count() > self.length() => {
                Err(format!("must be {}; this has {}", self.expected(), text.chars().count()))
            }
            _ => Ok(()),
        }
    }
}

fn kind_of(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "text",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}

/// A foreign name for use in a message: control characters escaped, and shortened.
fn printable(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
