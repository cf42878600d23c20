//! What people read outside the API, in their language. The texts are in `words/*.ftl`, in the format of Project Fluent.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// The languages, by tag. The first one has every text.
pub(crate) const LANGUAGES: [&str; 3] = ["en", "it", "ar"];

static ALL: LazyLock<[Words; 3]> = LazyLock::new(|| {
    [
        Words::read("en", "ltr", include_str!("../words/en.ftl")),
        Words::read("it", "ltr", include_str!("../words/it.ftl")),
        Words::read("ar", "rtl", include_str!("../words/ar.ftl")),
    ]
});

/// The texts of one language.
pub(crate) struct Words {
    /// The language's tag.
    pub(crate) language: &'static str,
    /// The direction of writing, as in HTML: `ltr` or `rtl`.
    pub(crate) direction: &'static str,
    texts: FluentBundle<FluentResource>,
}

/// The texts for a person with this language tag, such as `pt-BR`; in the school's language if there are none.
pub(crate) fn of(locale: Option<&str>, school: &str) -> &'static Words {
    let find = |tag: &str| {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        ALL.iter().find(|words| words.language.eq_ignore_ascii_case(language))
    };
    let [first, ..] = &*ALL;
    locale.and_then(find).or_else(|| find(school)).unwrap_or(first)
}

impl Words {
    fn read(language: &'static str, direction: &'static str, text: &str) -> Self {
        let tag = language.parse::<LanguageIdentifier>().unwrap_or_default();
        let mut texts = FluentBundle::new_concurrent(vec![tag]);
        // Isolation marks keep a name of the other direction in its place.
        texts.set_use_isolating(direction == "rtl");
        let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(valid, _)| valid);
        texts.add_resource_overriding(resource);
        Self { language, direction, texts }
    }

    /// The text of this key, with these values.
    pub(crate) fn say(&self, key: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        let [first, ..] = &*ALL;
        self.find(key, values).or_else(|| first.find(key, values)).unwrap_or_else(|| key.to_owned())
    }

    /// A text of another language for a text of this one: its direction does not change what is around it, line by line.
    pub(crate) fn isolated(&self, text: &str) -> String {
        if self.direction == "ltr" {
            return text.to_owned();
        }
        let lines: Vec<String> = text.lines().map(|line| format!("\u{2068}{line}\u{2069}")).collect();
        lines.join("\n")
    }

    fn find(&self, key: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let pattern = self.texts.get_message(key)?.value()?;
        let values: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        Some(self.texts.format_pattern(pattern, Some(&values), &mut Vec::new()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The keys of a file, and the names of the values in each text.
    fn keys(text: &str) -> BTreeMap<String, Vec<String>> {
        let resource = FluentResource::try_new(text.to_owned()).expect("the file has no error");
        drop(resource);
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut key = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =")
                && !line.starts_with(' ')
            {
                key = name.to_owned();
                found.insert(key.clone(), Vec::new());
            }
            for value in line.split('$').skip(1) {
                let name = value.split([' ', '}']).next().unwrap_or_default().to_owned();
                found.entry(key.clone()).or_default().push(name);
            }
        }
        for values in found.values_mut() {
            values.sort();
            values.dedup();
        }
        found
    }

    #[test]
    fn every_language_has_the_texts_of_english_with_the_same_values() {
        let english = keys(include_str!("../words/en.ftl"));
        assert!(english.len() > 20);
        for other in [include_str!("../words/it.ftl"), include_str!("../words/ar.ftl")] {
            assert_eq!(keys(other), english);
        }
    }

    #[test]
    fn a_language_is_found_by_the_first_part_of_a_tag() {
        let found = |locale: Option<&str>, school: &str| of(locale, school).language;
        assert_eq!(found(Some("it-CH"), "en"), "it");
        assert_eq!(found(Some("AR_eg"), "en"), "ar");
        assert_eq!(found(Some("tlh"), "it"), "it");
        assert_eq!(found(None, "ar"), "ar");
        assert_eq!(found(Some(""), "tlh"), "en");
    }

    #[test]
    fn counts_have_the_plural_of_the_language() {
        let said =
            |tag: &str, count: i64| of(Some(tag), "en").say("subject-several", &[("count", count.into())]);
        assert_eq!(said("en", 1), "1 reason to celebrate");
        assert_eq!(said("en", 2), "2 reasons to celebrate");
        assert_eq!(said("it", 2), "2 motivi per festeggiare");
        assert_eq!(said("ar", 2), "سببان للاحتفال");
        assert_eq!(said("ar", 5), "\u{2068}5\u{2069} أسباب للاحتفال");
        assert_eq!(said("ar", 11), "\u{2068}11\u{2069} سببًا للاحتفال");
    }
}
