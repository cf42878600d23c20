//! Resolves one pack's achievements: their references, time windows and repeats.

use chrono::{DateTime, Months, NaiveDate, NaiveTime, Utc};

use super::{
    Achievement, Catalog, achievement_id,
    check::{Report, key_of},
    format::{self, Moment},
    pack::{Pack, Settings},
    problem::suggest,
};
use crate::{
    metric::{Filter, Kind, Window},
    rule::Rule,
    state::Cause,
};

/// For a repeatable sum, the maximum number of awards that one event may earn.
const MAX_AT_ONCE: i64 = 10;

/// An achievement before its rule is resolved.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) key: String,
    pub(super) pack: String,
    pub(super) category: String,
}

/// Resolves the achievements of one pack.
pub(super) struct Resolver<'a> {
    pub(super) pack: &'a Pack,
    pub(super) settings: &'a Settings,
    pub(super) known: &'a [Known],
    pub(super) catalog: &'a mut Catalog,
    pub(super) report: &'a mut Report,
    /// The window of the current achievement.
    pub(super) window: Window,
}

impl Resolver<'_> {
    /// Compiles one achievement. If it has a problem, the problem is reported, and the result is never used.
    pub(super) fn achievement(&mut self, path: &str, achievement: &format::Achievement) -> Achievement {
        let content = &self.pack.content;
        if !content.categories.iter().any(|category| category.key == achievement.category) {
            let remedy = suggest(
                &achievement.category,
                content.categories.iter().map(|category| category.key.as_str()),
            );
            self.add(&format!("{path}.category"), format!("no category `{}`", achievement.category), remedy);
        }
        let gates = self.gates(path, &achievement.prerequisites);
        self.window = match &achievement.window {
            Some(window) => self.window(&format!("{path}.window"), window),
            None => Window::Always,
        };
        if achievement.repeatable {
            self.repeatable(path, achievement);
        }
        let rule = self.rule(&format!("{path}.rule"), &achievement.rule, true);
        assemble(content, achievement, rule, gates, self.known, self.window)
    }

    /// The hidden count that a derived event depends on.
    pub(super) fn derivation(&mut self, path: &str, derive: &format::Derive) -> Option<usize> {
        self.target(path, derive.target);
        let activity = self.activity(&format!("{path}.activity"), &derive.activity)?;
        if self.is_derived(activity) {
            let message = format!("`{}` is derived itself", derive.activity);
            self.add(
                &format!("{path}.activity"),
                message,
                "derive from what people do: a derived event is one hop",
            );
            return None;
        }
        let conditions = self.conditions(&format!("{path}.where"), &[activity], &derive.conditions);
        let filter = Filter { conditions, ..Filter::default() };
        Some(self.catalog.intern(Kind::Count, vec![activity], filter))
    }

    pub(super) fn add(&mut self, path: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.report.add(&self.pack.file, path, message, remedy);
    }

    fn gates(&mut self, path: &str, prerequisites: &[String]) -> Vec<usize> {
        let own = format!("{}/", self.pack.content.pack);
        let mut gates = Vec::new();
        for (index, named) in prerequisites.iter().enumerate() {
            let key = if named.contains('/') { named.clone() } else { format!("{own}{named}") };
            match self.known.iter().position(|known| known.key == key) {
                Some(gate) => gates.push(gate),
                None => {
                    let remedy = suggest(&key, self.known.iter().map(|known| known.key.as_str()));
                    self.add(
                        &format!("{path}.prerequisites[{index}]"),
                        format!("no achievement `{key}`"),
                        remedy,
                    );
                }
            }
        }
        gates
    }

    fn window(&mut self, path: &str, window: &format::Window) -> Window {
        let from = window.from.as_ref().map(|moment| self.moment(&format!("{path}.from"), moment));
        let until = window.until.as_ref().map(|moment| self.moment(&format!("{path}.until"), moment));
        match (from, until) {
            (None, None) => {
                self.add(path, "a window without `from` and `until` is none", "give one, or leave it out");
                Window::Always
            }
            (Some(None), _) | (_, Some(None)) => Window::Never,
            (from, until) => {
                let (from, until) = (from.flatten(), until.flatten());
                if let (Some(from), Some(until)) = (from, until)
                    && from >= until
                {
                    self.add(path, "the window ends before it starts", "make `until` later than `from`");
                }
                Window::Between(from, until)
            }
        }
    }

    /// The moment; `None` if it comes from a setting without a value.
    fn moment(&mut self, path: &str, moment: &Moment) -> Option<DateTime<Utc>> {
        let named = match moment {
            Moment::At(moment) => return Some(*moment),
            Moment::Setting(named) => named,
        };
        let declared = &self.pack.content.settings;
        if !declared.contains_key(&named.setting) {
            let remedy = suggest(&named.setting, declared.keys().map(String::as_str));
            self.add(path, format!("no setting `{}`", named.setting), remedy);
            return None;
        }
        let date: NaiveDate = self.settings.get(&self.pack.content.pack, &named.setting)?.parse().ok()?;
        let date = date.checked_add_months(Months::new(named.plus_months))?;
        Some(date.and_time(NaiveTime::MIN).and_utc())
    }

    /// One event may earn a repeatable award only a few times, and its bonus must not count towards the next one.
    fn repeatable(&mut self, path: &str, achievement: &format::Achievement) {
        let rule_path = format!("{path}.rule");
        match &achievement.rule {
            format::Rule::Count { .. } | format::Rule::Distinct { .. } | format::Rule::Each { .. } => {}
            format::Rule::Sum { activity, attribute, target, .. } => {
                let most = self
                    .catalog
                    .activity(activity)
                    .and_then(|activity| activity.attributes.get(attribute))
                    .map_or(0, format::Attribute::most);
                if most > target.saturating_mul(MAX_AT_ONCE) {
                    let message = format!(
                        "one event with `{attribute}` at {most} would earn it more than {MAX_AT_ONCE} times"
                    );
                    self.add(
                        &rule_path,
                        message,
                        format!("raise the target, or lower the max of `{attribute}`"),
                    );
                }
            }
            format::Rule::Xp { target } => {
                if achievement.xp_bonus != 0 {
                    let message = "the bonus would count towards the next time";
                    self.add(
                        &format!("{path}.xpBonus"),
                        message,
                        "a repeatable achievement on XP has no bonus",
                    );
                }
                if *target < 1_000 {
                    let message = "one event could earn it very many times";
                    self.add(&format!("{rule_path}.target"), message, "choose 1000 or more");
                }
            }
            _ => {
                let message = "only a number that grows can be repeated";
                self.add(
                    &rule_path,
                    message,
                    "use count, sum, distinct, each or xp, or leave out `repeatable`",
                );
            }
        }
    }
}

/// The achievement of these resolved parts.
fn assemble(
    pack: &format::Pack,
    achievement: &format::Achievement,
    rule: Rule,
    gates: Vec<usize>,
    known: &[Known],
    window: Window,
) -> Achievement {
    let key = format!("{}/{}", pack.pack, key_of(achievement));
    Achievement {
        id: achievement_id(&key),
        key,
        pack: pack.pack.clone(),
        name: achievement.name.clone(),
        description: achievement.description.clone(),
        requirement: achievement.requirement.clone(),
        category: achievement.category.clone(),
        track: achievement.track.clone(),
        tier: achievement.tier,
        rarity: achievement.rarity,
        xp_bonus: achievement.xp_bonus,
        secret: achievement.secret,
        repeatable: achievement.repeatable,
        state: achievement.state,
        version: achievement.version,
        prerequisites: gates
            .iter()
            .filter_map(|gate| known.get(*gate))
            .map(|gate| achievement_id(&gate.key))
            .collect(),
        awarded_by: if rule == Rule::Person { Cause::Person } else { Cause::Rule },
        rule_json: serde_json::to_value(&achievement.rule).unwrap_or_default(),
        window,
        rule,
        gates,
    }
}
