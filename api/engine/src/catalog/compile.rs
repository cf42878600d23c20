//! Compiles packs to a catalogue: resolves names to indexes, shares equal metrics, sorts thresholds.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::{
    Catalog, Category, Derivation, LoadedPack, Moves, Rank, achievement_id,
    achievements::{Known, Resolver},
    activity::Activity,
    check::{Report, check_pack, key_of},
    conditions::resolve_reward,
    format::{self, SettingType},
    pack::{Pack, Settings, variable},
    problem::{Problem, suggest},
};
use crate::{metric::Window, rule::Rule};

/// The XP step of packs that do not set one.
const DEFAULT_STEP: i64 = 50;

impl Catalog {
    /// Checks packs, each alone and all together, and compiles them.
    ///
    /// # Errors
    /// All problems, each with its file, its path and a remedy.
    pub fn compile(packs: &[Pack], settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut report = Report::default();
        for pack in packs {
            check_pack(pack, &mut report);
        }
        check_settings(packs, settings, &mut report);
        let mut catalog = Self { level_step: agree_on_levels(packs, &mut report), ..Self::default() };
        catalog.add_packs(packs, &mut report);
        catalog.add_activities(packs, &mut report);
        let known = know_achievements(packs, &mut report);
        catalog.add_achievements(packs, settings, &known, &mut report);
        catalog.add_derivations(packs, settings, &known, &mut report);
        if !report.problems.is_empty() {
            return Err(report.problems);
        }
        check_cycles(packs, &catalog, &mut report);
        catalog.index();
        if report.problems.is_empty() { Ok(catalog) } else { Err(report.problems) }
    }

    fn add_packs(&mut self, packs: &[Pack], report: &mut Report) {
        for pack in packs {
            let content = &pack.content;
            if self.packs.iter().any(|loaded| loaded.key == content.pack) {
                report.add(&pack.file, "pack", format!("`{}` is loaded twice", content.pack), "name it once");
            }
            self.packs.push(LoadedPack {
                key: content.pack.clone(),
                name: content.name.clone(),
                description: content.description.clone(),
                version: content.version,
                categories: content
                    .categories
                    .iter()
                    .map(|category| Category { key: category.key.clone(), name: category.name.clone() })
                    .collect(),
                ranks: content
                    .ranks
                    .iter()
                    .map(|rank| Rank { name: rank.name.clone(), awards: rank.awards })
                    .collect(),
            });
        }
    }

    fn add_activities(&mut self, packs: &[Pack], report: &mut Report) {
        for pack in packs {
            for (index, activity) in pack.content.activities.iter().enumerate() {
                let path = format!("activities[{index}]");
                if let Some(other) = self.activity(&activity.key) {
                    let message = format!("`{}` is declared by `{}` already", activity.key, other.pack);
                    report.add(&pack.file, &format!("{path}.key"), message, "give each activity its own key");
                    continue;
                }
                if let Some(other) = self.listener(activity.on) {
                    let message = format!("`{}` of `{}` belongs to the same action", other.key, other.pack);
                    let remedy = format!("remove `on`, and count `{}` in the rules", other.key);
                    report.add(&pack.file, &format!("{path}.on"), message, remedy);
                }
                let reward = activity
                    .xp
                    .as_ref()
                    .and_then(|xp| resolve_reward(&pack.file, &format!("{path}.xp"), activity, xp, report));
                self.activity_by_key.insert(activity.key.clone(), self.activities.len());
                self.activities.push(Activity {
                    key: activity.key.clone(),
                    description: activity.description.clone(),
                    pack: pack.content.pack.clone(),
                    self_reportable: activity.self_reportable,
                    on: activity.on,
                    counts_for_streak: activity.counts_for_streak,
                    daily_cap: activity.daily_cap,
                    attributes: activity.attributes.clone(),
                    reward,
                    metrics: Vec::new(),
                });
            }
        }
    }

    /// The activity to which this action already belongs. A referral belongs to every activity that derives from it.
    fn listener(&self, on: Option<format::DomainEventKind>) -> Option<&Activity> {
        let action = on.filter(|action| *action != format::DomainEventKind::Referral)?;
        self.activities_on(action).next()
    }

    fn add_achievements(
        &mut self,
        packs: &[Pack],
        settings: &Settings,
        known: &[Known],
        report: &mut Report,
    ) {
        for pack in packs {
            for (index, achievement) in pack.content.achievements.iter().enumerate() {
                let path = format!("achievements[{index}]");
                let mut resolver =
                    Resolver { pack, settings, known, catalog: self, report, window: Window::Always };
                let compiled = resolver.achievement(&path, achievement);
                self.achievements.push(compiled);
            }
        }
    }

    fn add_derivations(&mut self, packs: &[Pack], settings: &Settings, known: &[Known], report: &mut Report) {
        for pack in packs {
            for (index, activity) in pack.content.activities.iter().enumerate() {
                let Some(derive) = &activity.derive else { continue };
                let Some(emitted) = self.activity_index(&activity.key) else { continue };
                let path = format!("activities[{index}].derive");
                let mut resolver =
                    Resolver { pack, settings, known, catalog: self, report, window: Window::Always };
                let metric = resolver.derivation(&path, derive);
                self.derivations.extend(metric.map(|metric| Derivation {
                    metric,
                    target: derive.target,
                    activity: emitted,
                }));
            }
        }
    }

    fn index(&mut self) {
        let mut moves = vec![Moves::default(); self.metrics.len()];
        self.dependents = vec![Vec::new(); self.achievements.len()];
        for (index, achievement) in self.achievements.iter().enumerate() {
            self.achievement_by_id.insert(achievement.id, index);
            self.achievement_by_key.insert(achievement.key.clone(), index);
            if !achievement.is_active() {
                continue;
            }
            for gate in &achievement.gates {
                self.dependents.get_mut(*gate).into_iter().for_each(|dependents| dependents.push(index));
            }
            let repeatable = achievement.repeatable;
            achievement.rule.visit(&mut |leaf| match leaf {
                Rule::Metric { metric, target } => {
                    moves
                        .get_mut(*metric)
                        .into_iter()
                        .for_each(|m| m.thresholds.add(*target, index, repeatable));
                }
                Rule::Each { metrics, target } => {
                    for metric in metrics {
                        moves
                            .get_mut(*metric)
                            .into_iter()
                            .for_each(|m| m.thresholds.add(*target, index, repeatable));
                    }
                }
                Rule::Xp { target } => self.xp_moves.add(*target, index, repeatable),
                Rule::Level { starts_at, .. } => self.xp_moves.add(*starts_at, index, false),
                Rule::Streak { target } => self.streak_moves.add(*target, index, false),
                Rule::Awards { among, .. } => {
                    for other in among {
                        self.dependents
                            .get_mut(*other)
                            .into_iter()
                            .for_each(|dependents| dependents.push(index));
                    }
                }
                _ => {}
            });
        }
        for (index, derivation) in self.derivations.iter().enumerate() {
            moves.get_mut(derivation.metric).into_iter().for_each(|m| m.derivations.push(index));
        }
        for thresholds in moves
            .iter_mut()
            .map(|moves| &mut moves.thresholds)
            .chain([&mut self.xp_moves, &mut self.streak_moves])
        {
            thresholds.once.sort_unstable();
        }
        self.moves = moves;
    }
}

impl super::Thresholds {
    fn add(&mut self, target: i64, achievement: usize, repeatable: bool) {
        if repeatable {
            self.every.push((target, achievement))
        } else {
            self.once.push((target, achievement))
        }
    }
}

/// The achievements before their rules are resolved, because rules may refer to other achievements.
fn know_achievements(packs: &[Pack], report: &mut Report) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let mut seen: HashMap<Uuid, String> = HashMap::new();
    for pack in packs {
        for (index, achievement) in pack.content.achievements.iter().enumerate() {
            let key = format!("{}/{}", pack.content.pack, key_of(achievement));
            if seen.insert(achievement_id(&key), key.clone()).is_some() {
                let path = format!("achievements[{index}].key");
                report.add(&pack.file, &path, format!("`{key}` is there twice"), "give one another `key`");
            }
            known.push(Known {
                key,
                pack: pack.content.pack.clone(),
                category: achievement.category.clone(),
            });
        }
    }
    known
}

fn agree_on_levels(packs: &[Pack], report: &mut Report) -> i64 {
    let mut agreed: Option<(i64, &str)> = None;
    for pack in packs {
        let Some(levels) = pack.content.levels else { continue };
        match agreed {
            Some((step, other)) if step != levels.step => {
                let message = format!("`{other}` has a step of {step}, this pack {}", levels.step);
                report.add(
                    &pack.file,
                    "levels.step",
                    message,
                    "packs loaded together share one curve: make them equal",
                );
            }
            _ => agreed = Some((levels.step, &pack.content.pack)),
        }
    }
    agreed.map_or(DEFAULT_STEP, |(step, _)| step.max(1))
}

fn check_settings(packs: &[Pack], settings: &Settings, report: &mut Report) {
    for (key, name, value) in settings.iter() {
        // A setting of a pack that is not loaded is ignored.
        let Some(pack) = packs.iter().find(|pack| pack.content.pack == key) else { continue };
        let path = variable(key, name);
        match pack.content.settings.get(name).map(|setting| setting.kind) {
            None => {
                let remedy = suggest(name, pack.content.settings.keys().map(String::as_str));
                report.add(&pack.file, &path, format!("`{key}` has no setting `{name}`"), remedy);
            }
            Some(SettingType::Date) if value.parse::<chrono::NaiveDate>().is_err() => {
                report.add(&pack.file, &path, format!("`{value}` is not a date"), "write it as 2026-01-31");
            }
            Some(SettingType::Date) => {}
        }
    }
}

/// Reports achievements that require themselves: they could never be earned.
fn check_cycles(packs: &[Pack], catalog: &Catalog, report: &mut Report) {
    let mut open: BTreeSet<usize> = (0..catalog.achievements.len()).collect();
    loop {
        let free: Vec<usize> = open
            .iter()
            .copied()
            .filter(|index| {
                let gates = catalog.achievements.get(*index).map(|achievement| &achievement.gates);
                gates.into_iter().flatten().all(|gate| !open.contains(gate))
            })
            .collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|index| {
            open.remove(index);
        });
    }
    let places = packs.iter().flat_map(|pack| {
        (0..pack.content.achievements.len())
            .map(|index| (&pack.file, format!("achievements[{index}].prerequisites")))
    });
    for (index, (file, path)) in places.enumerate().filter(|(index, _)| open.contains(index)) {
        let key = catalog.achievements.get(index).map_or("", |achievement| &achievement.key);
        let message = format!("`{key}` waits for itself, or for one that does");
        report.add(file, &path, message, "remove a prerequisite from the circle");
    }
}
