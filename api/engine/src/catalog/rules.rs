//! Resolves rules to metrics and thresholds, and checks their references.

use super::{
    achievements::Resolver,
    conditions::{resolve_conditions, resolve_when},
    format::{self, AttributeType, By, Conditions},
    problem::suggest,
};
use crate::{
    event::Value,
    metric::{Condition, Distinguish, Filter, Kind, When, Window},
    rule::Rule,
    xp::{MAX_XP, level_start},
};

/// The highest `maxPerDay`. Each event looks up as many places of its day.
const MAX_PER_DAY: i64 = 20;

impl Resolver<'_> {
    pub(super) fn rule(&mut self, path: &str, rule: &format::Rule, is_whole: bool) -> Rule {
        match rule {
            format::Rule::Xp { target } => {
                self.no_window(path);
                self.target(path, *target);
                Rule::Xp { target: *target }
            }
            format::Rule::Level { target } => {
                self.no_window(path);
                self.target(path, *target);
                let starts_at = level_start(self.catalog.level_step, *target);
                if starts_at > MAX_XP {
                    self.add(
                        &format!("{path}.target"),
                        "no one can have that much XP",
                        "choose a lower level",
                    );
                }
                Rule::Level { target: *target, starts_at }
            }
            format::Rule::Streak { target } => {
                self.no_window(path);
                self.target(path, *target);
                Rule::Streak { target: *target }
            }
            format::Rule::Awards { target, category, pack } => self.awards(path, *target, category, pack),
            format::Rule::Person {} => {
                self.no_window(path);
                if !is_whole {
                    let message = "what people give cannot be part of a rule";
                    self.add(
                        path,
                        message,
                        "make it an achievement of its own, and a prerequisite of this one",
                    );
                }
                Rule::Person
            }
            format::Rule::All { of } => Rule::All(self.parts(path, of)),
            format::Rule::Any { of } => Rule::Any(self.parts(path, of)),
            format::Rule::AtLeast { of, count } => {
                let parts = self.parts(path, of);
                if *count < 1 || usize::try_from(*count).is_ok_and(|count| count > parts.len()) {
                    let message = format!("{count} of {} parts cannot be", parts.len());
                    self.add(&format!("{path}.count"), message, format!("choose from 1 to {}", parts.len()));
                }
                Rule::AtLeast { of: parts, count: *count }
            }
            _ => self.on_events(path, rule).unwrap_or(Rule::Person),
        }
    }

    fn parts(&mut self, path: &str, of: &[format::Rule]) -> Vec<Rule> {
        if of.is_empty() {
            self.add(&format!("{path}.of"), "has no parts", "list at least one rule");
        }
        of.iter()
            .enumerate()
            .map(|(index, part)| self.rule(&format!("{path}.of[{index}]"), part, false))
            .collect()
    }

    fn awards(&mut self, path: &str, target: i64, category: &Option<String>, pack: &Option<String>) -> Rule {
        self.no_window(path);
        self.target(path, target);
        let of_pack = pack.as_deref().unwrap_or(&self.pack.content.pack);
        let Some(loaded) = self.catalog.pack(of_pack) else {
            let remedy = suggest(of_pack, self.catalog.packs.iter().map(|pack| pack.key.as_str()));
            self.report.add(&self.pack.file, &format!("{path}.pack"), format!("no pack `{of_pack}`"), remedy);
            return Rule::Person;
        };
        if let Some(category) = category
            && !loaded.categories.iter().any(|known| known.key == *category)
        {
            let remedy = suggest(category, loaded.categories.iter().map(|category| category.key.as_str()));
            let message = format!("no category `{category}` in `{of_pack}`");
            self.report.add(&self.pack.file, &format!("{path}.category"), message, remedy);
        }
        let among: Vec<usize> = self
            .known
            .iter()
            .enumerate()
            .filter(|(_, known)| known.pack == of_pack)
            .filter(|(_, known)| category.as_ref().is_none_or(|category| known.category == *category))
            .map(|(index, _)| index)
            .collect();
        if usize::try_from(target).is_ok_and(|target| target > among.len()) {
            let message = format!("there are only {} such achievements", among.len());
            self.add(&format!("{path}.target"), message, "choose fewer");
        }
        Rule::Awards { among, target }
    }

    /// Resolves a rule on metrics. `None` if it refers to an unknown name.
    fn on_events(&mut self, path: &str, rule: &format::Rule) -> Option<Rule> {
        match rule {
            format::Rule::Count {
                activity,
                activities,
                max_per_day,
                once_per_day,
                conditions,
                when,
                target,
            } => {
                let named: Vec<(String, &String)> = match (activity, activities.as_slice()) {
                    (Some(one), []) => vec![(format!("{path}.activity"), one)],
                    (None, [_, ..]) => activities
                        .iter()
                        .enumerate()
                        .map(|(index, activity)| (format!("{path}.activities[{index}]"), activity))
                        .collect(),
                    _ => {
                        self.add(
                            path,
                            "needs to know what to count",
                            "give either `activity` or `activities`",
                        );
                        return None;
                    }
                };
                let mut indexes = Vec::new();
                for (path, name) in named {
                    indexes.push(self.activity(&path, name)?);
                }
                let filter = self.filter(path, &indexes, conditions, when.as_ref());
                let kind = self.count(path, &indexes, *max_per_day, once_per_day.as_ref());
                self.metric(path, kind, indexes, filter, *target)
            }
            format::Rule::Sum { activity, attribute, conditions, when, target } => {
                let index = self.activity(&format!("{path}.activity"), activity)?;
                let declared = self.attribute(&format!("{path}.attribute"), index, attribute)?;
                if declared.kind != AttributeType::Int || declared.least() < 0 {
                    let message = format!("`{attribute}` must be an int that is never negative");
                    self.add(
                        &format!("{path}.attribute"),
                        message,
                        r#"declare it as {"type": "int", "min": 0}"#,
                    );
                }
                let filter = self.filter(path, &[index], conditions, when.as_ref());
                self.metric(path, Kind::Sum { attribute: attribute.clone() }, vec![index], filter, *target)
            }
            format::Rule::Run { activity, conditions, when, holds, target } => {
                let index = self.activity(&format!("{path}.activity"), activity)?;
                self.no_derived(path, &[index], "a run has an order in time");
                if holds.is_empty() {
                    self.add(
                        &format!("{path}.holds"),
                        "nothing could break this run",
                        "say what must hold, or count",
                    );
                }
                let filter = self.filter(path, &[index], conditions, when.as_ref());
                let holds = self.conditions(&format!("{path}.holds"), &[index], holds);
                self.metric(path, Kind::Run { holds }, vec![index], filter, *target)
            }
            format::Rule::Distinct { activity, by, conditions, when, target } => {
                let index = self.activity(&format!("{path}.activity"), activity)?;
                let by = match by {
                    By::Attribute(name) => {
                        self.attribute(&format!("{path}.by"), index, name)?;
                        Distinguish::Attribute(name.clone())
                    }
                    By::Calendar(by) => {
                        self.no_derived(path, &[index], "a calendar needs a day");
                        Distinguish::Calendar(by.calendar)
                    }
                };
                let filter = self.filter(path, &[index], conditions, when.as_ref());
                self.metric(path, Kind::Distinct { by }, vec![index], filter, *target)
            }
            format::Rule::Each { activity, attribute, values, conditions, when, target } => {
                self.each(path, (activity, attribute), values, conditions, when.as_ref(), *target)
            }
            _ => None,
        }
    }

    fn each(
        &mut self,
        path: &str,
        (activity, attribute): (&str, &str),
        values: &[Value],
        conditions: &Conditions,
        when: Option<&format::When>,
        target: i64,
    ) -> Option<Rule> {
        self.target(path, target);
        let index = self.activity(&format!("{path}.activity"), activity)?;
        let declared = self.attribute(&format!("{path}.attribute"), index, attribute)?;
        if values.is_empty() {
            self.add(&format!("{path}.values"), "has no values", "list at least one");
        }
        if conditions.contains_key(attribute) {
            let message = format!("`{attribute}` is what the values are of");
            self.add(&format!("{path}.where"), message, "leave it out of `where`");
        }
        let filter = self.filter(path, &[index], conditions, when);
        let mut metrics = Vec::new();
        for (position, value) in values.iter().enumerate() {
            let path = format!("{path}.values[{position}]");
            if let Err(message) = declared.check(value) {
                self.add(&path, format!("`{attribute}` {message}"), "choose a value it may have");
            }
            let mut filter = filter.clone();
            let one_of = Some(vec![value.clone()]);
            filter.conditions.push(Condition {
                attribute: attribute.to_owned(),
                one_of,
                at_least: None,
                at_most: None,
            });
            filter.conditions.sort();
            let metric = self.catalog.intern(Kind::Count, vec![index], filter);
            if metrics.contains(&metric) {
                self.add(&path, format!("{value} is there twice"), "list each value once");
            }
            metrics.push(metric);
        }
        Some(Rule::Each { metrics, target })
    }

    /// The kind of a count: of all events, or of a limited number per day.
    fn count(&mut self, path: &str, activities: &[usize], most: Option<i64>, once: Option<&String>) -> Kind {
        for activity in activities.iter().filter(|_| once.is_some()) {
            self.attribute(&format!("{path}.oncePerDay"), *activity, once.map_or("", String::as_str));
        }
        let Some(most) = most else {
            if once.is_some() {
                self.add(
                    &format!("{path}.oncePerDay"),
                    "needs `maxPerDay`",
                    "give both, or only `maxPerDay`",
                );
            }
            return Kind::Count;
        };
        if !(1..=MAX_PER_DAY).contains(&most) {
            let message = format!("{most} events a day cannot be");
            self.add(&format!("{path}.maxPerDay"), message, format!("choose from 1 to {MAX_PER_DAY}"));
        }
        self.no_derived(path, activities, "a limit per day needs a day");
        Kind::Daily { most, once: once.cloned() }
    }

    fn metric(
        &mut self,
        path: &str,
        kind: Kind,
        activities: Vec<usize>,
        filter: Filter,
        target: i64,
    ) -> Option<Rule> {
        self.target(path, target);
        let metric = self.catalog.intern(kind, activities, filter);
        Some(Rule::Metric { metric, target })
    }

    fn filter(
        &mut self,
        path: &str,
        activities: &[usize],
        conditions: &Conditions,
        when: Option<&format::When>,
    ) -> Filter {
        let conditions = self.conditions(&format!("{path}.where"), activities, conditions);
        let when = match when {
            Some(when) => resolve_when(&self.pack.file, &format!("{path}.when"), when, self.report),
            None => When::default(),
        };
        if !when.is_empty() {
            self.no_derived(path, activities, "`when` needs a time");
        }
        if self.window != Window::Always {
            self.no_derived(path, activities, "a window needs a time");
        }
        Filter { conditions, when, window: self.window }
    }

    pub(super) fn conditions(
        &mut self,
        path: &str,
        activities: &[usize],
        conditions: &Conditions,
    ) -> Vec<Condition> {
        for index in activities {
            let Some(activity) = self.catalog.activities.get(*index) else { continue };
            let named = (activity.key.as_str(), &activity.attributes);
            resolve_conditions(&self.pack.file, path, named, conditions, self.report);
        }
        conditions.iter().map(|(name, test)| Condition::of(name, test)).collect()
    }

    pub(super) fn activity(&mut self, path: &str, key: &str) -> Option<usize> {
        let found = self.catalog.activity_index(key);
        if found.is_none() {
            let known = self.catalog.activities.iter().map(|activity| activity.key.as_str());
            let remedy = suggest(key, known);
            self.add(path, format!("no activity `{key}`"), remedy);
        }
        found
    }

    fn attribute(&mut self, path: &str, activity: usize, name: &str) -> Option<format::Attribute> {
        let activity = self.catalog.activities.get(activity)?;
        let found = activity.attributes.get(name).cloned();
        if found.is_none() {
            let remedy = suggest(name, activity.attributes.keys().map(String::as_str));
            let message = format!("`{}` has no attribute `{name}`", activity.key);
            self.report.add(&self.pack.file, path, message, remedy);
        }
        found
    }

    pub(super) fn is_derived(&self, activity: usize) -> bool {
        let activity = self.catalog.activities.get(activity);
        activity.is_some_and(|activity| activity.on == Some(format::DomainEventKind::Referral))
    }

    fn no_derived(&mut self, path: &str, activities: &[usize], because: &str) {
        if activities.iter().any(|activity| self.is_derived(*activity)) {
            let message = format!("{because}, and an event derived from a referral happens when it arrives");
            self.add(path, message, "count such events without conditions on time");
        }
    }

    fn no_window(&mut self, path: &str) {
        if self.window != Window::Always {
            self.add(path, "a window needs a rule on events", "leave the window out, or count events");
        }
    }

    pub(super) fn target(&mut self, path: &str, target: i64) {
        if !(1..=MAX_XP).contains(&target) {
            let message = format!("a target of {target} cannot be");
            self.add(&format!("{path}.target"), message, format!("choose from 1 to {MAX_XP}"));
        }
    }
}
