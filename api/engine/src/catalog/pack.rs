//! A parsed pack file, and the settings of packs.

use std::collections::BTreeMap;

use super::{
    format,
    problem::{Problem, nearest},
};

/// A pack file with a valid structure. `Catalog::compile` checks its content.
#[derive(Debug, Clone)]
pub struct Pack {
    pub(crate) file: String,
    pub(crate) content: format::Pack,
}

impl Pack {
    /// Parses a pack file; `file` is only used in problems.
    ///
    /// # Errors
    /// The first place that is not JSON, or does not have the structure of a pack.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let problem = |path: String, message: String| {
            let remedy = remedy(&message);
            vec![Problem { file: file.to_owned(), path, message, remedy }]
        };
        let content = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| problem(error.path().to_string(), error.inner().to_string()))?;
        reader.end().map_err(|error| problem(".".to_owned(), error.to_string()))?;
        Ok(Self { file: file.to_owned(), content })
    }

    /// The pack's key.
    pub fn key(&self) -> &str {
        &self.content.pack
    }

    /// The pack's name.
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// The settings that the pack declares, as (key, description).
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.content.settings.iter().map(|(key, setting)| (key.as_str(), setting.description.as_str()))
    }
}

/// The values of settings, by pack and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<(String, String), String>);

impl Settings {
    /// Sets one setting of a pack. Compilation checks whether the pack declares it.
    pub fn set(&mut self, pack: &str, key: &str, value: &str) {
        self.0.insert((pack.to_owned(), key.to_owned()), value.to_owned());
    }

    /// The value of a setting, if set.
    pub fn get(&self, pack: &str, key: &str) -> Option<&str> {
        self.0.get(&(pack.to_owned(), key.to_owned())).map(String::as_str)
    }

    /// All values, as (pack, key, value).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().map(|((pack, key), value)| (pack.as_str(), key.as_str(), value.as_str()))
    }
}

/// The environment variable of a pack's setting: `PLAUDIT_AURORA_LAUNCHED_ON` for aurora's `launchedOn`.
pub fn variable(pack: &str, setting: &str) -> String {
    let mut name = format!("PLAUDIT_{}_", pack.replace('-', "_"));
    for letter in setting.chars() {
        if letter.is_uppercase() {
            name.push('_');
        }
        name.push(letter);
    }
    name.to_uppercase()
}

/// The remedy for a parser error. The error lists the known names in backticks.
fn remedy(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let given = quoted.next();
    let known: Vec<&str> = quoted.collect();
    if message.starts_with("unknown ") {
        if let Some(name) = given.and_then(|name| nearest(name, known.iter().copied())) {
            return format!("did you mean `{name}`?");
        }
        return "use one of those".to_owned();
    }
    match given {
        Some(field) if message.starts_with("missing field") => format!("add `{field}`"),
        _ => "see catalog.schema.json for what goes here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_variable_is_named_after_pack_and_key() {
        assert_eq!(variable("aurora", "launchedOn"), "PLAUDIT_AURORA_LAUNCHED_ON");
        assert_eq!(variable("code-lab", "season"), "PLAUDIT_CODE_LAB_SEASON");
    }

    #[test]
    fn a_misspelt_field_is_named_with_its_place_and_the_right_one() {
        let text = r#"{"pack": "p", "name": "P", "categories": [{"key": "a", "nmae": "A"}]}"#;
        let problems = Pack::parse("p.json", text).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "categories[0].nmae");
        assert_eq!(problems[0].remedy, "did you mean `name`?");
    }
}
