//! Checks a pack alone: keys, texts, numbers, attributes, XP, ranks.
//! `compile` and `rules` check references when they resolve them.

use std::collections::BTreeSet;

use super::{
    format::{self, AttributeType},
    pack::Pack,
    problem::{Problem, suggest},
};

/// Maximum XP of one event or one award.
const MAX_AMOUNT: i64 = 1_000_000;

/// Collects problems, so that all of them are reported at once.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
}

impl Report {
    /// Adds one problem.
    pub(super) fn add(
        &mut self,
        file: &str,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: file.to_owned(),
            path: path.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }
}

/// Reports the problems of a pack alone.
pub(super) fn check_pack(pack: &Pack, report: &mut Report) {
    let mut checker = Checker { file: &pack.file, report };
    let content = &pack.content;
    checker.kebab("pack", &content.pack);
    checker.text("name", &content.name, 1, 100);
    checker.text("description", &content.description, 0, 1_000);
    checker.range("version", i64::from(content.version), 1, i64::from(u32::MAX));
    for key in content.settings.keys() {
        checker.camel(&format!("settings.{key}"), key);
    }
    let mut seen = BTreeSet::new();
    for (index, category) in content.categories.iter().enumerate() {
        let path = format!("categories[{index}]");
        checker.kebab(&format!("{path}.key"), &category.key);
        checker.text(&format!("{path}.name"), &category.name, 1, 100);
        if !seen.insert(&category.key) {
            checker.twice(&format!("{path}.key"), &category.key);
        }
    }
    for (index, activity) in content.activities.iter().enumerate() {
        checker.activity(&format!("activities[{index}]"), activity);
    }
    for (index, achievement) in content.achievements.iter().enumerate() {
        checker.achievement(&format!("achievements[{index}]"), achievement);
    }
    checker.ranks(&content.ranks);
    if let Some(levels) = content.levels {
        checker.range("levels.step", levels.step, 1, MAX_AMOUNT);
    }
}

/// An achievement's key within its pack: the explicit one, or its name in kebab-case.
pub(super) fn key_of(achievement: &format::Achievement) -> String {
    achievement.key.clone().unwrap_or_else(|| kebab_case(&achievement.name))
}

struct Checker<'a> {
    file: &'a str,
    report: &'a mut Report,
}

impl Checker<'_> {
    fn add(&mut self, path: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.report.add(self.file, path, message, remedy);
    }

    fn activity(&mut self, path: &str, activity: &format::Activity) {
        if !is_snake(&activity.key) {
            let message = format!("`{}` is not a key of an activity", activity.key);
            self.add(&format!("{path}.key"), message, "write it in snake_case, such as question_answered");
        }
        self.text(&format!("{path}.description"), &activity.description, 0, 1_000);
        for (name, attribute) in &activity.attributes {
            let path = format!("{path}.attributes.{name}");
            self.camel(&path, name);
            self.attribute(&path, attribute);
        }
        if let Some(xp) = &activity.xp {
            self.xp(&format!("{path}.xp"), activity, xp);
        }
        if let Some(cap) = activity.daily_cap {
            self.range(&format!("{path}.dailyCap"), cap, 1, crate::xp::MAX_XP);
        }
        let derives = activity.on == Some(format::DomainEventKind::Referral);
        if derives != activity.derive.is_some() {
            self.add(path, r#""on": "referral" and "derive" go together"#, "give both or neither");
        }
        if derives {
            self.derived(path, activity);
        }
        if let Some(kind) = activity.on {
            self.facts(path, activity, kind);
        }
    }

    /// A derived event happens on arrival, so nothing may depend on its day.
    fn derived(&mut self, path: &str, activity: &format::Activity) {
        if activity.counts_for_streak {
            let message = "an event derived from a referral has no day of its own";
            self.add(&format!("{path}.countsForStreak"), message, "set it to false");
        }
        let actions = ["lesson", "comment", "enroll", "joined"];
        if actions.contains(&activity.key.as_str()) {
            let message =
                format!("`{}` is the name of an action, whose events would have the same ids", activity.key);
            self.add(&format!("{path}.key"), message, "choose another key");
        }
        if activity.daily_cap.is_some() {
            let message = "an event derived from a referral has no day of its own, so no cap of a day";
            self.add(&format!("{path}.dailyCap"), message, "leave it out");
        }
    }

    /// An action must be able to record an event of this activity, because its cause is refused otherwise.
    fn facts(&mut self, path: &str, activity: &format::Activity, kind: format::DomainEventKind) {
        for (name, attribute) in &activity.attributes {
            let path = format!("{path}.attributes.{name}");
            if !kind.facts().contains(&name.as_str()) {
                if attribute.required {
                    let message = format!("the action has no `{name}`, so its events cannot have one");
                    let remedy = match kind.facts() {
                        [] => "make it optional".to_owned(),
                        facts => format!("make it optional, or use one of {}", facts.join(", ")),
                    };
                    self.add(&format!("{path}.required"), message, remedy);
                }
                continue;
            }
            let length = attribute.max_length.unwrap_or(format::ID_LENGTH);
            let takes_ids = attribute.kind == AttributeType::String
                && attribute.one_of.is_none()
                && length >= format::ID_LENGTH;
            if !takes_ids {
                let message = format!("`{name}` of this action is an id of {} characters", format::ID_LENGTH);
                let remedy =
                    r#"make it "type": "string", without `oneOf` and with a `maxLength` of 36 or more"#;
                self.add(&path, message, remedy);
            }
        }
    }

    fn attribute(&mut self, path: &str, attribute: &format::Attribute) {
        let is_int = attribute.kind == AttributeType::Int;
        let is_string = attribute.kind == AttributeType::String;
        if !is_int && (attribute.min.is_some() || attribute.max.is_some()) {
            self.add(path, "`min` and `max` are for ints", r#"leave them out, or make it "type": "int""#);
        }
        if !is_string && (attribute.one_of.is_some() || attribute.max_length.is_some()) {
            let remedy = r#"leave them out, or make it "type": "string""#;
            self.add(path, "`oneOf` and `maxLength` are for strings", remedy);
        }
        if is_int {
            self.range(&format!("{path}.min"), attribute.least(), -crate::xp::MAX_XP, crate::xp::MAX_XP);
            self.range(&format!("{path}.max"), attribute.most(), attribute.least(), crate::xp::MAX_XP);
        }
        if attribute.one_of.as_ref().is_some_and(Vec::is_empty) {
            self.add(&format!("{path}.oneOf"), "no value is allowed", "list the values, or leave it out");
        }
        if attribute.max_length.is_some_and(|length| length == 0 || length > 2_000) {
            self.add(&format!("{path}.maxLength"), "must be from 1 to 2000", "choose a length in between");
        }
        let Some(default) = &attribute.default else { return };
        if attribute.required {
            self.add(path, "a required attribute needs no default", "leave out `required` or `default`");
        }
        if let Err(message) = attribute.check(default) {
            self.add(
                &format!("{path}.default"),
                format!("the default {message}"),
                "choose a value it may have",
            );
        }
    }

    fn xp(&mut self, path: &str, activity: &format::Activity, xp: &format::Xp) {
        match (&xp.amount, &xp.attribute) {
            (Some(amount), None) => self.range(&format!("{path}.amount"), *amount, 0, MAX_AMOUNT),
            (None, Some(name)) => {
                let path = format!("{path}.attribute");
                if let Some(most) = self.countable(&path, activity, name)
                    && most > MAX_AMOUNT
                {
                    let message = format!("`{name}` could give more than {MAX_AMOUNT} XP");
                    self.add(&path, message, format!("give `{name}` a max of {MAX_AMOUNT} or less"));
                }
            }
            _ => self.add(path, "XP is either an `amount` or an `attribute`", "give exactly one of them"),
        }
        let Some(per) = &xp.per else { return };
        let path = format!("{path}.per");
        if xp.amount.is_none() {
            self.add(&path, "`per` adds to an `amount`", "give an amount, 0 if there is none");
        }
        self.countable(&format!("{path}.attribute"), activity, &per.attribute);
        self.range(&format!("{path}.units"), per.units, 1, crate::xp::MAX_XP);
        self.range(&format!("{path}.amount"), per.amount, 0, MAX_AMOUNT);
        self.range(&format!("{path}.atMost"), per.at_most, 0, MAX_AMOUNT);
    }

    /// The maximum of an attribute, if it is an int that is never negative; otherwise reports a problem.
    fn countable(&mut self, path: &str, activity: &format::Activity, name: &str) -> Option<i64> {
        let Some(attribute) = activity.attributes.get(name) else {
            let remedy = suggest(name, activity.attributes.keys().map(String::as_str));
            self.add(path, format!("`{}` has no attribute `{name}`", activity.key), remedy);
            return None;
        };
        if attribute.kind != AttributeType::Int || attribute.least() < 0 {
            let message = format!("`{name}` must be an int that is never negative");
            self.add(path, message, r#"declare it as {"type": "int", "min": 0}"#);
            return None;
        }
        Some(attribute.most())
    }

    fn achievement(&mut self, path: &str, achievement: &format::Achievement) {
        self.text(&format!("{path}.name"), &achievement.name, 1, 100);
        self.text(&format!("{path}.description"), &achievement.description, 0, 1_000);
        self.text(&format!("{path}.requirement"), &achievement.requirement, 1, 300);
        match &achievement.key {
            Some(key) => self.kebab(&format!("{path}.key"), key),
            None if kebab_case(&achievement.name).is_empty() => {
                self.add(&format!("{path}.name"), "no key can be made of this name", "give a `key`");
            }
            None => {}
        }
        if let Some(track) = &achievement.track {
            self.kebab(&format!("{path}.track"), track);
        }
        if achievement.track.is_some() != achievement.tier.is_some() {
            self.add(path, "`track` and `tier` go together", "give both or neither");
        }
        if let Some(tier) = achievement.tier {
            self.range(&format!("{path}.tier"), i64::from(tier), 1, 1_000);
        }
        self.range(&format!("{path}.xpBonus"), achievement.xp_bonus, 0, MAX_AMOUNT);
        self.range(&format!("{path}.version"), i64::from(achievement.version), 1, i64::from(i32::MAX));
    }

    fn ranks(&mut self, ranks: &[format::Rank]) {
        let mut before = None;
        for (index, rank) in ranks.iter().enumerate() {
            let path = format!("ranks[{index}]");
            self.text(&format!("{path}.name"), &rank.name, 1, 100);
            match before {
                None if rank.awards != 0 => {
                    self.add(&format!("{path}.awards"), "the first rank must be everyone's", "make it 0");
                }
                Some(before) if rank.awards <= before => {
                    let remedy = format!("ask for more than {before}");
                    self.add(&format!("{path}.awards"), "ranks must rise", remedy);
                }
                _ => {}
            }
            before = Some(rank.awards);
        }
    }

    fn range(&mut self, path: &str, value: i64, least: i64, most: i64) {
        if !(least..=most).contains(&value) {
            self.add(path, format!("{value} is out of range"), format!("choose from {least} to {most}"));
        }
    }

    fn text(&mut self, path: &str, text: &str, least: usize, most: usize) {
        if text.chars().any(char::is_control) {
            self.add(path, "contains a control character", "remove it; line breaks are not allowed either");
        }
        let length = text.trim().chars().count();
        if length < least {
            self.add(path, "is empty", "say it in words");
        }
        if length > most {
            self.add(path, format!("has {length} characters"), format!("use at most {most}"));
        }
    }

    fn kebab(&mut self, path: &str, key: &str) {
        if key.is_empty() || kebab_case(key) != key {
            let better = kebab_case(key);
            let remedy = if better.is_empty() {
                "write it as first-steps".into()
            } else {
                format!("write `{better}`")
            };
            self.add(path, format!("`{key}` is not in kebab-case"), remedy);
        }
    }

    fn camel(&mut self, path: &str, name: &str) {
        let starts_well = name.chars().next().is_some_and(|letter| letter.is_ascii_lowercase());
        if !starts_well || !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            self.add(path, format!("`{name}` is not in camelCase"), "write it as timeBonus");
        }
    }

    fn twice(&mut self, path: &str, key: &str) {
        self.add(path, format!("`{key}` is there twice"), "give each its own key");
    }
}

fn is_snake(key: &str) -> bool {
    key.chars().next().is_some_and(|letter| letter.is_ascii_lowercase())
        && key.len() <= 64
        && key.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// The words of a name, in lower case, joined by hyphens. Keys have this form.
pub fn kebab_case(name: &str) -> String {
    name.split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}
