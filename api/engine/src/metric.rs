//! Metrics: the numbers that are counted per person. Equal requirements share one metric. For each event, `takes`
//! decides whether it changes a metric, and the kind of the metric decides how.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc, Weekday};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    catalog::format::{Calendar, Operators, Test},
    event::{Attributes, Event, Value},
};

/// The namespace of metric ids. It must never change, or every metric would be rebuilt.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d0f_5f0e_8a57_4c43_9d0b_0a57_71c4_4f1e);

/// A number that is counted per person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    /// Indexes into the catalogue's activities.
    pub(crate) activities: Vec<usize>,
    pub(crate) filter: Filter,
}

impl Metric {
    /// The hash of the metric's definition. Another definition is another metric.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether the metric is the length of the longest run. A late event can lower it.
    pub fn is_run(&self) -> bool {
        matches!(self.kind, Kind::Run { .. })
    }

    /// Whether the metric is the size of a set of members. An event can leave it unchanged.
    pub(crate) fn is_set(&self) -> bool {
        matches!(self.kind, Kind::Distinct { .. } | Kind::Daily { .. })
    }

    /// The member that an event adds to a `distinct` metric, if any.
    pub(crate) fn member(&self, event: &Event) -> Option<String> {
        let Kind::Distinct { by } = &self.kind else { return None };
        match by {
            Distinguish::Attribute(name) => event.attributes.get(name).map(ToString::to_string),
            Distinguish::Calendar(unit) => calendar_member(*unit, event.local_date),
        }
    }

    /// The members that an event may add: its member of a `distinct` metric, or the members of its day of a daily count.
    pub(crate) fn members(&self, event: &Event) -> Vec<String> {
        match self.day(event) {
            Some(day) => day.repeated.into_iter().chain(day.places).collect(),
            None => self.member(event).into_iter().collect(),
        }
    }

    /// The members that an event can add to a daily count.
    pub(crate) fn day(&self, event: &Event) -> Option<DayOfCount> {
        let Kind::Daily { most, once } = &self.kind else { return None };
        let date = event.capped_on();
        let value = once.as_ref().and_then(|attribute| event.attributes.get(attribute));
        Some(DayOfCount {
            repeated: value.map(|value| format!("{date} = {value}")),
            places: (1..=*most).map(|place| format!("{date} # {place}")).collect(),
        })
    }

    /// What an event adds to a `count` or `sum` metric.
    pub(crate) fn amount(&self, event: &Event) -> i64 {
        match &self.kind {
            Kind::Count => 1,
            Kind::Sum { attribute } => int(&event.attributes, attribute),
            Kind::Run { .. } | Kind::Distinct { .. } | Kind::Daily { .. } => 0,
        }
    }

    /// Whether an event of one of its activities counts.
    pub fn takes(&self, event: &Event) -> bool {
        self.filter.takes(event)
    }

    /// Whether an event of a run extends it; otherwise it breaks the run.
    pub fn holds(&self, event: &Event) -> bool {
        match &self.kind {
            Kind::Run { holds } => meets(&event.attributes, holds),
            _ => true,
        }
    }
}

/// How events change a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Kind {
    Count,
    Sum {
        attribute: String,
    },
    Run {
        holds: Vec<Condition>,
    },
    Distinct {
        by: Distinguish,
    },
    /// A count with at most `most` events a day. Events of one day with the same value of the attribute `once` count once.
    Daily {
        most: i64,
        once: Option<String>,
    },
}

/// The members of one day of a daily count. They depend only on the events of the day, not on their order.
pub(crate) struct DayOfCount {
    /// The value that counts once; none if the event does not have it.
    pub(crate) repeated: Option<String>,
    /// One for each event that counts.
    pub(crate) places: Vec<String>,
}

/// The value by which a `distinct` metric distinguishes its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Distinguish {
    Attribute(String),
    Calendar(Calendar),
}

/// The events of its activities that a metric counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Filter {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) when: When,
    pub(crate) window: Window,
}

impl Filter {
    /// Whether an event matches.
    pub(crate) fn takes(&self, event: &Event) -> bool {
        self.window.contains(event.occurred_at)
            && self.when.contains(event)
            && meets(&event.attributes, &self.conditions)
    }
}

/// A condition on one attribute, normalised so that equal conditions are equal values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Condition {
    pub(crate) attribute: String,
    /// The accepted values; `None` accepts any.
    pub(crate) one_of: Option<Vec<Value>>,
    pub(crate) at_least: Option<i64>,
    pub(crate) at_most: Option<i64>,
}

impl Condition {
    /// Normalises a test. Its types are already checked.
    pub(crate) fn of(attribute: &str, test: &Test) -> Self {
        let (one_of, at_least, at_most) = match test {
            Test::Equals(value) => (Some(vec![value.clone()]), None, None),
            Test::Operators(Operators { one_of, at_least, at_most }) => {
                (one_of.clone(), at_least.as_ref(), at_most.as_ref())
            }
        };
        let bound = |value: Option<&Value>| match value {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        };
        let one_of = one_of.map(|mut values| {
            values.sort();
            values.dedup();
            values
        });
        Self { attribute: attribute.to_owned(), one_of, at_least: bound(at_least), at_most: bound(at_most) }
    }

    fn admits(&self, value: &Value) -> bool {
        if self.one_of.as_ref().is_some_and(|values| !values.contains(value)) {
            return false;
        }
        match value {
            Value::Int(value) => {
                self.at_least.is_none_or(|least| *value >= least)
                    && self.at_most.is_none_or(|most| *value <= most)
            }
            _ => self.at_least.is_none() && self.at_most.is_none(),
        }
    }
}

/// Whether attributes meet every condition. A missing attribute meets no condition.
pub(crate) fn meets(attributes: &Attributes, conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .all(|condition| attributes.get(&condition.attribute).is_some_and(|value| condition.admits(value)))
}

/// The value of an int attribute; 0 if it is missing.
pub(crate) fn int(attributes: &Attributes, name: &str) -> i64 {
    match attributes.get(name) {
        Some(Value::Int(value)) => *value,
        _ => 0,
    }
}

/// Conditions on the local clock and calendar, each as the accepted values; `None` accepts all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct When {
    pub(crate) hours: Option<Vec<u8>>,
    /// Days since Monday.
    pub(crate) weekdays: Option<Vec<u8>>,
    pub(crate) dates: Option<Vec<NaiveDate>>,
    pub(crate) first: Option<NaiveDate>,
    pub(crate) last: Option<NaiveDate>,
}

impl When {
    /// Whether there are no conditions.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn contains(&self, event: &Event) -> bool {
        let date = event.local_date;
        self.hours.as_ref().is_none_or(|hours| hours.contains(&event.local_hour))
            && self.weekdays.as_ref().is_none_or(|days| {
                u8::try_from(date.weekday().num_days_from_monday()).is_ok_and(|day| days.contains(&day))
            })
            && self.dates.as_ref().is_none_or(|dates| dates.contains(&date))
            && self.first.is_none_or(|first| date >= first)
            && self.last.is_none_or(|last| date <= last)
    }
}

/// The time span in which events count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// No limit.
    #[default]
    Always,
    /// No time: the setting that defines a bound has no value.
    Never,
    /// From the first moment (inclusive) to the second (exclusive).
    Between(Option<DateTime<Utc>>, Option<DateTime<Utc>>),
}

impl Window {
    /// Whether a moment is within the window.
    pub fn contains(&self, moment: DateTime<Utc>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Between(from, until) => {
                from.is_none_or(|from| moment >= from) && until.is_none_or(|until| moment < until)
            }
        }
    }
}

/// A metric's id, from its definition. `activities` are the keys, sorted.
pub(crate) fn metric_id(kind: &Kind, activities: &[&str], filter: &Filter) -> Uuid {
    #[derive(Serialize)]
    struct Definition<'a> {
        kind: &'a Kind,
        activities: &'a [&'a str],
        filter: &'a Filter,
    }
    // Fields are serialised in the order of the structs, so equal definitions result in equal text. Serialisation of
    // these types cannot fail.
    let text = serde_json::to_vec(&Definition { kind, activities, filter }).unwrap_or_default();
    Uuid::new_v5(&NAMESPACE, &text)
}

/// The calendar unit of a date, as its first day (or year and month).
fn calendar_member(unit: Calendar, date: NaiveDate) -> Option<String> {
    let since_monday = u64::from(date.weekday().num_days_from_monday());
    match unit {
        Calendar::Day => Some(date.to_string()),
        Calendar::Week => date.checked_sub_days(Days::new(since_monday)).map(|monday| monday.to_string()),
        Calendar::Month => Some(date.format("%Y-%m").to_string()),
        Calendar::Weekend => match date.weekday() {
            Weekday::Sat => Some(date.to_string()),
            Weekday::Sun => date.pred_opt().map(|saturday| saturday.to_string()),
            _ => None,
        },
    }
}
