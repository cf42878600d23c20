//! The values of a certificate that people write, and their checks.

use chrono::NaiveDate;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::refusal::Refusal;
use crate::text;

/// Maximum bytes of a certificate's metadata, as JSON.
const METADATA: usize = 16 * 1_024;

/// The values of a new certificate, not validated yet.
#[derive(Debug, Clone)]
pub(crate) struct Wording {
    /// What it is for.
    pub(crate) title: String,
    /// The issuer.
    pub(crate) issued_by: String,
    /// The date of issue.
    pub(crate) issued_date: NaiveDate,
    /// A description.
    pub(crate) description: Option<String>,
    /// The URL of the document.
    pub(crate) document_url: Option<String>,
    /// Further data from the issuer.
    pub(crate) metadata: Option<Value>,
}

/// A change of a certificate; `None` keeps the current value, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// What it is for.
    pub(crate) title: Option<String>,
    /// The issuer.
    pub(crate) issued_by: Option<String>,
    /// The date of issue.
    pub(crate) issued_date: Option<NaiveDate>,
    /// A description.
    pub(crate) description: Option<Option<String>>,
    /// The URL of the document.
    pub(crate) document_url: Option<Option<String>>,
    /// Further data from the issuer.
    pub(crate) metadata: Option<Option<Value>>,
}

impl Wording {
    /// These values and the student as JSON: equal for equal input.
    pub(super) fn with_student(&self, student: Uuid) -> Value {
        let Self { title, issued_by, issued_date, description, document_url, metadata } = self;
        json!({
            "student": student, "title": title, "issuedBy": issued_by, "issuedDate": issued_date,
            "description": description, "documentUrl": document_url, "metadata": metadata,
        })
    }
}

/// Checks and normalises the values.
///
/// # Errors
/// `INVALID_INPUT` at the field.
pub(super) fn check(wording: Wording) -> Result<Wording, Refusal> {
    Ok(Wording {
        title: text::line("title", &wording.title, text::TITLE)?,
        issued_by: text::line("issuedBy", &wording.issued_by, text::TITLE)?,
        issued_date: wording.issued_date,
        description: text::optional_prose("description", wording.description.as_deref(), text::BODY)?,
        document_url: wording.document_url.map(|url| text::web_url("documentUrl", &url)).transpose()?,
        metadata: wording.metadata.map(check_metadata).transpose()?,
    })
}

/// Checks and normalises the values of a change.
///
/// # Errors
/// `INVALID_INPUT` at the field.
pub(super) fn check_change(change: Change) -> Result<Change, Refusal> {
    let description =
        |given: Option<String>| text::optional_prose("description", given.as_deref(), text::BODY);
    let url = |given: Option<String>| given.map(|url| text::web_url("documentUrl", &url)).transpose();
    Ok(Change {
        title: change.title.map(|title| text::line("title", &title, text::TITLE)).transpose()?,
        issued_by: change.issued_by.map(|by| text::line("issuedBy", &by, text::TITLE)).transpose()?,
        issued_date: change.issued_date,
        description: change.description.map(description).transpose()?,
        document_url: change.document_url.map(url).transpose()?,
        metadata: change.metadata.map(|given| given.map(check_metadata).transpose()).transpose()?,
    })
}

fn check_metadata(metadata: Value) -> Result<Value, Refusal> {
    let wrong = |message: &str| Refusal::invalid(["additionalMetadata"], message);
    if !metadata.is_object() {
        return Err(wrong("Metadata must be a JSON object, such as {\"grade\": \"A\"}."));
    }
    let json = metadata.to_string();
    if json.len() > METADATA {
        return Err(wrong(
            "Metadata must be at most 16 KiB as JSON. Send less, or link to a document by documentUrl.",
        ));
    }
    // PostgreSQL cannot store NUL, so neither database accepts it.
    if holds_nul(&metadata) {
        return Err(wrong("Metadata must not contain the character U+0000. Remove it."));
    }
    Ok(metadata)
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_an_object_of_at_most_16_kib_without_nul() {
        use serde_json::json;
        let full = json!({"a": "x".repeat(METADATA - 8)});
        assert_eq!(full.to_string().len(), METADATA);
        assert_eq!(check_metadata(full.clone()), Ok(full));
        assert_eq!(check_metadata(json!({})), Ok(json!({})));
        for bad in [
            json!([]),
            json!("a"),
            json!(null),
            json!({"a": "x".repeat(METADATA - 7)}),
            json!({"a": [{"b": "\0"}]}),
            json!({"a\0": 1}),
        ] {
            assert_eq!(check_metadata(bad.clone()).unwrap_err().field, ["additionalMetadata"], "{bad}");
        }
    }
}
