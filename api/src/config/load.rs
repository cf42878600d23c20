//! Reads the settings: the defaults, then the file, then the environment.
//! It reports all problems together, and never with a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::problem::{Problem, Problems, nearest};
use super::settings::{self, Raw, Setting, environment_name};
use super::{Config, validate};
use crate::packs;

/// Where the settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file from the command line; otherwise `PLAUDIT_CONFIG` may name one.
    pub file: Option<PathBuf>,
    /// The environment. Only names that start with `PLAUDIT_` are read.
    pub environment: Vec<(OsString, OsString)>,
}

impl Sources {
    /// The environment of this process, and the file from the command line, if any.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { file, environment: std::env::vars_os().collect() }
    }
}

/// Returns the settings that these packs declare, as (pack, setting).
pub(super) type Declared<'a> = &'a dyn Fn(&[String]) -> BTreeSet<(String, String)>;

impl Config {
    /// Reads and validates the settings.
    ///
    /// # Errors
    /// All problems together: unknown names, invalid values, and values that the profile does not allow.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        Self::load_with(sources, &packs::declared_settings)
    }

    pub(super) fn load_with(sources: &Sources, declared: Declared<'_>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut environment = read_environment(&sources.environment, &mut problems);
        let named = environment.remove("PLAUDIT_CONFIG").map(PathBuf::from);
        let mut file = match sources.file.as_ref().or(named.as_ref()) {
            Some(path) => read_file(path, &mut problems),
            None => BTreeMap::new(),
        };

        let mut config = Self::demo();
        let mut origin = BTreeMap::new();
        for setting in settings::all() {
            let variable = environment_name(setting.key);
            let in_file = file.remove(setting.key).map(|raw| (setting.key.to_owned(), raw));
            let in_environment = environment.remove(&variable).map(|text| (variable, Raw::Text(text)));
            for (name, raw) in in_file.into_iter().chain(in_environment).filter(|(_, raw)| !raw.is_unset()) {
                apply(setting, &mut config, &name, &raw, &mut problems);
                origin.insert(setting.key, name);
            }
        }
        for (pack, setting) in declared(&config.catalogs) {
            let key = format!("packs.{pack}.{setting}");
            let variable = environment_name(&format!("{pack}.{setting}"));
            let in_file = file.remove(&key);
            match environment.remove(&variable).map(Raw::Text).or(in_file) {
                Some(Raw::Text(text)) if !text.is_empty() => {
                    config.pack_settings.insert((pack, setting), text);
                }
                Some(Raw::List(_)) => problems.push(Problem::new(key, "must be one value, not a list.")),
                Some(Raw::Text(_)) | None => {}
            }
        }
        let known = known_names(&declared(&config.catalogs));
        problems.extend(file.keys().map(|key| unknown(key, known.iter().map(|(key, _)| key.as_str()))));
        problems.extend(environment.keys().map(|name| unknown(name, known.iter().map(|(_, n)| n.as_str()))));

        let name_of = |key: &str| origin.get(key).cloned().unwrap_or_else(|| environment_name(key));
        validate::check(&config, &name_of, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }
}

/// Applies one setting, or adds the reason why its value is invalid.
fn apply(setting: &Setting, config: &mut Config, name: &str, raw: &Raw, problems: &mut Vec<Problem>) {
    if let Err(message) = (setting.set)(config, raw) {
        problems.push(Problem::new(name, message));
    }
}

/// The `PLAUDIT_` variables by name. `PLAUDIT_TOKEN` belongs to `plaudit watch`, `PLAUDIT_TEST_*` to tests.
fn read_environment(all: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut ours = BTreeMap::new();
    for (name, value) in all {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with("PLAUDIT_") || name == "PLAUDIT_TOKEN" || name.starts_with("PLAUDIT_TEST_") {
            continue;
        }
        match value.to_str() {
            Some("") => {}
            Some(text) => drop(ours.insert(name, text.to_owned())),
            None => problems.push(Problem::new(name, "is not UTF-8 text; write it in UTF-8.")),
        }
    }
    ours
}

/// The settings of the file by dotted key.
fn read_file(path: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, Raw> {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot be read ({}); name a TOML file.", error.kind());
            problems.push(Problem::new(format!("the settings file {shown}"), message));
            return BTreeMap::new();
        }
    };
    let mut found = BTreeMap::new();
    match text.parse::<toml::Table>() {
        Ok(table) => flatten("", &table, &mut found, problems),
        // The parser's full text would quote the line, which may contain a secret.
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count().saturating_add(1);
            let message = format!("is not TOML, line {line}: {}", error.message());
            problems.push(Problem::new(format!("the settings file {shown}"), message));
        }
    }
    found
}

/// Every value of a table by its dotted key.
fn flatten(
    prefix: &str,
    table: &toml::Table,
    found: &mut BTreeMap<String, Raw>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, found, problems),
            value => match Raw::of_toml(value) {
                Some(raw) => drop(found.insert(key, raw)),
                None => {
                    problems.push(Problem::new(key, "must be a text, a whole number or a list of texts."))
                }
            },
        }
    }
}

/// Every known name, as (key in the file, name in the environment).
fn known_names(declared: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
    let ours = settings::all().map(|setting| (setting.key.to_owned(), environment_name(setting.key)));
    let packs = declared.iter().map(|(pack, setting)| {
        (format!("packs.{pack}.{setting}"), environment_name(&format!("{pack}.{setting}")))
    });
    ours.chain(packs).chain([("".to_owned(), "PLAUDIT_CONFIG".to_owned())]).collect()
}

/// The problem of an unknown name, with the most similar known one.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let message = match nearest(name, known) {
        Some(near) => format!("is not a setting. Did you mean {near}?"),
        None => "is not a setting; config.default.toml lists them all.".to_owned(),
    };
    Problem::new(name, message)
}
