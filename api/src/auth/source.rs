//! The source of events: the sender and its kind.
//! A sender's event ids are unique within its source. Two senders never share a source.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::token::RESERVED_SERVICE_NAME;

/// Prefix of a service's source text, used where the plain name could be read as another kind of source.
const SERVICE: &str = "service:";

/// The sender of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Plaudit itself.
    Ourselves,
    /// A person.
    Person(Uuid),
    /// A sending system, by the `sub` of its token.
    Service(Arc<str>),
}

impl Source {
    /// The text that is stored with each event. Different sources have different texts.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Ourselves => RESERVED_SERVICE_NAME.to_owned(),
            Self::Person(id) => id.to_string(),
            Self::Service(name) if is_ambiguous(name) => format!("{SERVICE}{name}"),
            Self::Service(name) => name.to_string(),
        }
    }
}

fn is_ambiguous(name: &str) -> bool {
    name == RESERVED_SERVICE_NAME || name.starts_with(SERVICE) || reads_as_uuid(name)
}

/// Whether a reader may take this text for a UUID: with or without dashes and braces, as a URN, in upper or lower
/// case, and in compatibility forms such as full-width letters.
#[must_use]
pub fn reads_as_uuid(text: &str) -> bool {
    let text = text.nfkc().collect::<String>().to_lowercase();
    let text = text.trim().trim_start_matches("urn:").trim_start_matches("uuid:");
    let letters = || text.chars().filter(|letter| letter.is_alphanumeric());
    letters().count() == 32 && letters().all(|letter| letter.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-00000000000a";

    #[test]
    fn every_spelling_of_a_uuid_is_recognised() {
        let id: Uuid = ID.parse().unwrap();
        let wide = |letter: char| match u32::from(letter) {
            ascii @ 0x21..=0x7e => char::from_u32(ascii + 0xfee0).unwrap(),
            _ => letter,
        };
        for text in [
            ID.to_owned(),
            ID.to_uppercase(),
            id.simple().to_string(),
            id.braced().to_string(),
            id.urn().to_string(),
            id.urn().to_string().to_uppercase(),
            format!(" {ID} "),
            ID.replace('-', "\u{2011}"),
            ID.chars().map(wide).collect(),
        ] {
            assert!(reads_as_uuid(&text), "{text}");
        }
        for text in ["school", "lesson-player", &format!("{ID}0"), &ID.replace('a', "g"), ""] {
            assert!(!reads_as_uuid(text), "{text}");
        }
    }

    #[test]
    fn sources_of_different_kinds_never_share_a_text() {
        let service = |name: &str| Source::Service(name.into());
        let sources = [
            Source::Ourselves,
            Source::Person(ID.parse().unwrap()),
            service(ID),
            service(&format!("service:{ID}")),
            service(&format!("service:service:{ID}")),
            service("plaudit"),
            service("service:plaudit"),
            service("school"),
        ];
        let texts: HashSet<String> = sources.iter().map(Source::text).collect();
        assert_eq!(texts.len(), sources.len());
        assert_eq!(Source::Person(ID.parse().unwrap()).text(), ID);
        assert_eq!(service("school").text(), "school");
    }
}
