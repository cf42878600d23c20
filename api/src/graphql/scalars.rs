//! The scalars of the schema. Each has exactly one output format.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::registry::Registry;
use async_graphql::{
    ID, InputType, InputValueError, InputValueResult, Scalar, ScalarType, Value, from_value, to_value,
};
use chrono::{Datelike, NaiveDate, SecondsFormat, Utc};
use uuid::Uuid;

use super::fault::{Answer, Fault};
use crate::refusal::Refusal;
use crate::text;

/// A point in time in RFC 3339. Input can have any offset. Output is in UTC with milliseconds, such as
/// 2026-01-31T09:30:00.000Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime(pub(crate) chrono::DateTime<Utc>);

/// A point in time in RFC 3339. Input can have any offset. Output is in UTC with milliseconds, such as
/// 2026-01-31T09:30:00.000Z.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|at| Self(at.with_timezone(&Utc)))
            .map_err(|_| InputValueError::custom("not a time: send RFC 3339, such as 2026-01-31T09:30:00Z"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// A scalar in an input that is not parsed yet. An invalid value becomes a `UserError` in its row. Without this
/// type, the scalar's parser would refuse the whole request with all its rows.
#[derive(Debug, Clone)]
pub(crate) struct Given<S> {
    value: Value,
    scalar: PhantomData<S>,
}

/// A `DateTime` in an input.
pub(crate) type GivenDateTime = Given<DateTime>;
/// A `Date` in an input.
pub(crate) type GivenDate = Given<Date>;
/// A `URL` in an input.
pub(crate) type GivenUrl = Given<Url>;

impl Given<DateTime> {
    /// Parses the time.
    ///
    /// # Errors
    /// `INVALID_INPUT` at `field` if the value is not a time.
    pub(crate) fn read(self, field: &str) -> Result<chrono::DateTime<Utc>, Refusal> {
        let message = "Not a time: send RFC 3339, such as 2026-01-31T09:30:00Z.";
        let moment = <DateTime as ScalarType>::parse(self.value);
        moment.map(|moment| moment.0).map_err(|_| Refusal::invalid([field], message))
    }
}

impl Given<Date> {
    /// Parses the date.
    ///
    /// # Errors
    /// `INVALID_INPUT` at `field` if the value is not a date.
    pub(crate) fn read(self, field: &str) -> Result<NaiveDate, Refusal> {
        let message = "Not a day of the calendar: send YYYY-MM-DD, such as 2026-01-31.";
        let day = <Date as ScalarType>::parse(self.value);
        day.map(|day| day.0).map_err(|_| Refusal::invalid([field], message))
    }
}

impl Given<Url> {
    /// Parses the URL: absolute, http or https, without credentials.
    ///
    /// # Errors
    /// `INVALID_INPUT` at `field` if the value is no such URL.
    pub(crate) fn read(self, field: &str) -> Result<String, Refusal> {
        match &self.value {
            Value::String(url) => text::web_url(field, url),
            // A value of another type is treated like an invalid URL.
            _ => text::web_url(field, ""),
        }
    }
}

impl<S: ScalarType + InputType + Send + Sync> InputType for Given<S> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <S as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <S as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        Ok(Self { value: value.unwrap_or_default(), scalar: PhantomData })
    }

    fn to_value(&self) -> Value {
        self.value.clone()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

/// A calendar date without a time zone, in the form YYYY-MM-DD, years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date(pub(crate) NaiveDate);

/// A calendar date without a time zone, in the form YYYY-MM-DD, years 0001 to 9999.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        // The parser also accepts "2026-1-31" and years that only one of the two databases can store.
        let day = text.parse::<NaiveDate>().ok();
        let day = day.filter(|day| (1..=9_999).contains(&day.year()) && day.to_string() == *text);
        day.map(Self).ok_or_else(|| InputValueError::custom("not a date: send YYYY-MM-DD"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// An absolute http or https URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) url::Url);

/// An absolute http or https URL.
#[Scalar(name = "URL", specified_by_url = "https://url.spec.whatwg.org/")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.map(Self).ok_or_else(|| InputValueError::custom("not an absolute http or https URL"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Any JSON value.
#[derive(Debug, Clone)]
pub(crate) struct Json<'a>(pub(crate) Cow<'a, serde_json::Value>);

/// Any JSON value.
#[Scalar(name = "JSON", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json<'_> {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(Cow::Owned(from_value(value)?)))
    }

    fn to_value(&self) -> Value {
        // Every JSON value is a value of GraphQL.
        to_value(&self.0).unwrap_or_default()
    }
}

/// Parses the UUID of an `ID` argument.
pub(crate) fn uuid(name: &str, id: &ID) -> Answer<Uuid> {
    parse_uuid(id).ok_or_else(|| {
        Fault::argument(name, format!("`{name}` is not a UUID: send an id as this API returns it."))
    })
}

/// Parses a UUID with hyphens; `None` for any other text.
pub(crate) fn parse_uuid(id: &ID) -> Option<Uuid> {
    (id.len() == 36).then(|| Uuid::try_parse(id).ok()).flatten()
}
