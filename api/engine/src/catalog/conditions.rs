//! Conditions on attributes and on the local clock: checked, and normalised.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    check::Report,
    format::{self, Attribute, AttributeType, Conditions, Operators, Test},
    problem::suggest,
};
use crate::{
    event::Value,
    metric::{Condition, When},
    xp::{Amount, Reward, Units},
};

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Reports conditions that the attributes of an activity cannot meet. `activity` is its key and its attributes.
pub(super) fn resolve_conditions(
    file: &str,
    path: &str,
    activity: (&str, &BTreeMap<String, Attribute>),
    conditions: &Conditions,
    report: &mut Report,
) {
    let (key, attributes) = activity;
    for (name, test) in conditions {
        let path = format!("{path}.{name}");
        let Some(attribute) = attributes.get(name) else {
            let remedy = suggest(name, attributes.keys().map(String::as_str));
            report.add(file, &path, format!("`{key}` has no attribute `{name}`"), remedy);
            continue;
        };
        let values: Vec<&Value> = match test {
            Test::Equals(value) => vec![value],
            Test::Operators(operators) => {
                check_operators(file, &path, operators, attribute.kind == AttributeType::Int, report);
                operators.one_of.iter().flatten().collect()
            }
        };
        for value in values {
            if let Err(message) = attribute.check(value) {
                report.add(file, &path, format!("`{name}` {message}"), "choose a value it may have");
            }
        }
    }
}

/// Converts conditions on the local clock and calendar to the values they accept.
pub(super) fn resolve_when(file: &str, path: &str, when: &format::When, report: &mut Report) -> When {
    let mut resolved = When::default();
    if let Some(test) = &when.hour {
        let path = format!("{path}.hour");
        check_when(file, &path, test, true, report);
        for value in values_of(test) {
            if !matches!(value, Value::Int(0..=23)) {
                report.add(file, &path, format!("{value} is not an hour"), "choose from 0 to 23");
            }
        }
        resolved.hours = Some((0..24).filter(|hour| admits(test, &Value::Int(i64::from(*hour)))).collect());
    }
    if let Some(test) = &when.weekday {
        let path = format!("{path}.weekday");
        check_when(file, &path, test, false, report);
        for value in values_of(test) {
            if !WEEKDAYS.iter().any(|day| *value == Value::Text((*day).into())) {
                let remedy = suggest(&value.to_string(), WEEKDAYS.into_iter());
                report.add(file, &path, format!("{value} is not a weekday"), remedy);
            }
        }
        let days = (0..).zip(WEEKDAYS).filter(|(_, day)| admits(test, &Value::Text((*day).into())));
        resolved.weekdays = Some(days.map(|(index, _)| index).collect());
    }
    if let Some(test) = &when.date {
        let path = format!("{path}.date");
        check_when(file, &path, test, true, report);
        let mut date = |value: &Value| {
            let parsed = value.to_string().parse::<NaiveDate>().ok();
            if parsed.is_none() {
                report.add(file, &path, format!("{value} is not a date"), "write it as 2026-01-31");
            }
            parsed
        };
        match test {
            Test::Equals(value) => resolved.dates = Some(date(value).into_iter().collect()),
            Test::Operators(operators) => {
                let one_of = operators.one_of.as_ref();
                resolved.dates = one_of.map(|values| values.iter().filter_map(&mut date).collect());
                resolved.first = operators.at_least.as_ref().and_then(&mut date);
                resolved.last = operators.at_most.as_ref().and_then(&mut date);
            }
        }
        if let Some(dates) = &mut resolved.dates {
            dates.sort_unstable();
            dates.dedup();
        }
    }
    resolved
}

/// The XP of an activity's events, with checked conditions.
pub(super) fn resolve_reward(
    file: &str,
    path: &str,
    activity: &format::Activity,
    xp: &format::Xp,
    report: &mut Report,
) -> Option<Reward> {
    let named = (activity.key.as_str(), &activity.attributes);
    resolve_conditions(file, &format!("{path}.where"), named, &xp.conditions, report);
    let amount = match (xp.amount, &xp.attribute) {
        (Some(amount), None) => Amount::Fixed {
            amount,
            per: xp.per.as_ref().map(|per| Units {
                attribute: per.attribute.clone(),
                units: per.units,
                amount: per.amount,
                at_most: per.at_most,
            }),
        },
        (None, Some(attribute)) => Amount::Attribute(attribute.clone()),
        _ => return None,
    };
    let conditions = xp.conditions.iter().map(|(name, test)| Condition::of(name, test)).collect();
    Some(Reward { amount, conditions })
}

fn check_when(file: &str, path: &str, test: &Test, is_ordered: bool, report: &mut Report) {
    if let Test::Operators(operators) = test {
        if operators.one_of.is_none() && operators.at_least.is_none() && operators.at_most.is_none() {
            report.add(file, path, "asks for nothing", r#"use {"in": […]}, {"atLeast": n} or {"atMost": n}"#);
        }
        if !is_ordered && (operators.at_least.is_some() || operators.at_most.is_some()) {
            report.add(file, path, "a week has no order", r#"list the days: {"in": ["saturday", "sunday"]}"#);
        }
    }
}

fn check_operators(file: &str, path: &str, operators: &Operators, is_int: bool, report: &mut Report) {
    let bounds = [&operators.at_least, &operators.at_most];
    if operators.one_of.as_ref().is_some_and(Vec::is_empty) {
        report.add(file, path, "`in` lists nothing", "list at least one value");
    }
    if operators.one_of.is_none() && bounds.iter().all(|bound| bound.is_none()) {
        report.add(file, path, "asks for nothing", r#"use {"in": […]}, {"atLeast": n} or {"atMost": n}"#);
    }
    if bounds.iter().any(|bound| bound.is_some()) && !is_int {
        report.add(file, path, "`atLeast` and `atMost` are for ints", r#"use a value, or {"in": […]}"#);
    }
    for bound in bounds.into_iter().flatten() {
        if is_int && !matches!(bound, Value::Int(_)) {
            report.add(file, path, format!("{bound} is not a whole number"), "write a number without quotes");
        }
    }
    if let (Some(Value::Int(least)), Some(Value::Int(most))) = (&operators.at_least, &operators.at_most)
        && least > most
    {
        report.add(file, path, format!("nothing is both at least {least} and at most {most}"), "swap them");
    }
}

fn values_of(test: &Test) -> Vec<&Value> {
    match test {
        Test::Equals(value) => vec![value],
        Test::Operators(Operators { one_of, at_least, at_most }) => {
            one_of.iter().flatten().chain(at_least).chain(at_most).collect()
        }
    }
}

fn admits(test: &Test, value: &Value) -> bool {
    match test {
        Test::Equals(wanted) => wanted == value,
        Test::Operators(Operators { one_of, at_least, at_most }) => {
            one_of.as_ref().is_none_or(|values| values.contains(value))
                && at_least.as_ref().is_none_or(|least| value >= least)
                && at_most.as_ref().is_none_or(|most| value <= most)
        }
    }
}
