//! Text from clients: maximum length, allowed characters, and the stored form.
//! A character is a grapheme cluster, so an emoji or an accented letter counts as one in every encoding.

pub(crate) mod hidden;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_segmentation::UnicodeSegmentation;
use url::Url;
use uuid::Uuid;

use crate::refusal::Refusal;

/// Maximum characters of a title or an issuer.
pub(crate) const TITLE: usize = 200;
/// Maximum characters of a description, a note or a comment.
pub(crate) const BODY: usize = 2_000;
/// Maximum characters of a reason.
pub(crate) const REASON: usize = 500;
/// Maximum bytes of a URL.
const URL_BYTES: usize = 2_048;
/// Maximum average bytes per character. It limits characters with very many combining marks.
const BYTES_A_LETTER: usize = 10;

/// One line of 1 to `most` characters, in NFC and without white space around it.
///
/// # Errors
/// `INVALID_INPUT` at `field` for an empty or longer text, a line break, a control or a hidden character.
pub(crate) fn line(field: &str, text: &str, most: usize) -> Result<String, Refusal> {
    let kept = kept(field, text, most, |letter| {
        let breaks = letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
        breaks.then_some("Write one line: remove the line break or control character")
    })?;
    visible(field, kept, hidden::Kind::Name)
}

/// Text of 1 to `most` characters that may have line breaks, in NFC and without white space around it.
///
/// # Errors
/// `INVALID_INPUT` at `field` for an empty or longer text, any other control character, or a hidden one.
pub(crate) fn prose(field: &str, text: &str, most: usize) -> Result<String, Refusal> {
    let kept = kept(field, text, most, |letter| {
        let strange = letter.is_control() && !matches!(letter, '\n' | '\r');
        strange.then_some("Line breaks are allowed, but no other control characters: remove")
    })?;
    visible(field, kept, hidden::Kind::Note)
}

fn visible(field: &str, text: String, kind: hidden::Kind) -> Result<String, Refusal> {
    match hidden::first(&text, kind) {
        None if hidden::is_blank(&text) => {
            let message = "The text has no visible character. Write at least one letter, digit or symbol.";
            Err(Refusal::invalid([field], message))
        }
        None => Ok(text),
        Some(letter) => {
            let number = u32::from(letter);
            let message = format!(
                "The text has the character U+{number:04X}, which readers cannot see or which changes the \
                 direction of the text: remove it."
            );
            Err(Refusal::invalid([field], message))
        }
    }
}

/// An optional text. A blank text, such as an empty form field sends, becomes `None`.
///
/// # Errors
/// See [`prose`].
pub(crate) fn optional_prose(
    field: &str,
    text: Option<&str>,
    most: usize,
) -> Result<Option<String>, Refusal> {
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(|text| prose(field, text, most)).transpose()
}

/// An absolute http or https URL without credentials, normalised as browsers do.
///
/// # Errors
/// `INVALID_INPUT` at `field` for other texts, or for more than 2,048 bytes.
pub(crate) fn web_url(field: &str, text: &str) -> Result<String, Refusal> {
    let url = (text.len() <= URL_BYTES).then(|| Url::parse(text).ok()).flatten();
    let good = url.filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.as_str().len() <= URL_BYTES
    });
    // The URL parser would accept a text with line breaks.
    let good = good.filter(|_| !text.chars().any(char::is_control));
    good.map(String::from).ok_or_else(|| {
        let message = format!(
            "Not a web address: send an absolute http or https URL without user name and password, at most \
             {URL_BYTES} bytes, such as https://cdn.school.example/badge.svg."
        );
        Refusal::invalid([field], message)
    })
}

/// A client's own id, by which the server recognises a repeat: 1 to 128 characters, unchanged.
///
/// # Errors
/// `INVALID_INPUT` at `field` for an empty or longer id, or a control character.
pub(crate) fn client_id(field: &str, id: String) -> Result<String, Refusal> {
    let letters = id.chars().count();
    if letters == 0 || letters > 128 || id.chars().any(char::is_control) {
        let message = "An id has 1 to 128 characters and no control characters: choose another one.";
        return Err(Refusal::invalid([field], message));
    }
    Ok(id)
}

/// The text in the form by which lists are sorted: independent of case, and equal on every database.
pub(crate) fn folded(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

/// The text in the form that searches compare: without letter case, accents and compatibility forms. An accent is a
/// combining mark with a class; vowel signs, for example of Devanagari, have none and stay. A change needs a migration
/// that fills the stored keys again.
pub(crate) fn search_key(text: &str) -> String {
    let letters = text.nfkd().filter(|letter| canonical_combining_class(*letter) == 0);
    // Upper case between, because it has the full mappings, such as SS for ß.
    let lower = letters.flat_map(char::to_lowercase);
    let folded = lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let mut key = String::with_capacity(text.len());
    for letter in folded {
        match letter {
            // Letters that Unicode does not decompose.
            'æ' => key.push_str("ae"),
            'œ' => key.push_str("oe"),
            'ø' => key.push('o'),
            'ł' => key.push('l'),
            'đ' => key.push('d'),
            letter => key.push(letter),
        }
    }
    key
}

/// A hash of a person's text that does not depend on case, white space and the spelling of equal characters. The person
/// is part of it, so that equal texts of two people have different hashes.
pub(crate) fn fingerprint(person: Uuid, text: &str) -> Uuid {
    let plain = text.nfkc().collect::<String>().to_lowercase();
    let words: Vec<&str> = plain.split_whitespace().collect();
    Uuid::new_v5(&person, words.join(" ").as_bytes())
}

/// The text in NFC and without white space around it. `refused` returns the remedy for a character that is not allowed.
fn kept(
    field: &str,
    text: &str,
    most: usize,
    refused: impl Fn(char) -> Option<&'static str>,
) -> Result<String, Refusal> {
    let bytes = most * BYTES_A_LETTER;
    let invalid = |message: String| Err(Refusal::invalid([field], message));
    // Checked before the normalisation, so that a text of megabytes costs nothing.
    if text.len() > bytes.saturating_mul(4) {
        return invalid(format!("The text has {} bytes; at most {most} characters are allowed.", text.len()));
    }
    let text: String = text.trim().nfc().collect();
    if text.is_empty() {
        return invalid(format!("The text is empty: write 1 to {most} characters."));
    }
    let length = text.graphemes(true).count();
    if length > most {
        return invalid(format!("The text has {length} characters; at most {most} are allowed."));
    }
    if text.len() > bytes {
        let message = format!("The text has {} bytes; at most {bytes} are allowed: shorten it.", text.len());
        return invalid(message);
    }
    match text.chars().find_map(|letter| Some((letter, refused(letter)?))) {
        Some((letter, remedy)) => invalid(format!("{remedy} U+{:04X}.", u32::from(letter))),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "👩‍👩‍👧‍👦";

    #[test]
    fn text_is_kept_in_nfc_and_without_white_space_around_it() {
        assert_eq!(line("name", " \u{a0}Zoe\u{308} \n", 10), Ok("Zoë".to_owned()));
        assert_eq!(prose("notes", "\r\nשלום\r\nعليكم ", 20), Ok("שלום\r\nعليكم".to_owned()));
    }

    #[test]
    fn a_fingerprint_depends_on_the_words_and_the_person_alone() {
        let ada = Uuid::from_u128(1);
        let same = ["Well said, Zoë!", " well  said,\n ZOE\u{308}! ", "Ｗell said,\u{a0}Zoë!"];
        assert!(same.iter().all(|text| fingerprint(ada, text) == fingerprint(ada, same[0])));
        assert_ne!(fingerprint(ada, "Well said, Zoe!"), fingerprint(ada, same[0]));
        assert_ne!(fingerprint(Uuid::from_u128(2), same[0]), fingerprint(ada, same[0]));
    }

    #[test]
    fn letters_are_counted_as_people_count_them() {
        assert_eq!(line("name", &"e\u{301}".repeat(5), 5), Ok("é".repeat(5)));
        assert_eq!(line("name", FAMILY, 3), Ok(FAMILY.to_owned()));
        assert!(line("name", &"é".repeat(6), 5).is_err());
        assert!(line("name", &format!("{FAMILY}{FAMILY}"), 4).is_err(), "50 bytes where 40 are let through");
        assert!(
            line("name", &format!("a{}", "\u{316}".repeat(50)), 5).is_err(),
            "one letter, too many accents"
        );
        assert!(line("name", "  ", 5).is_err());
        assert!(line("name", "\u{2800}", 5).is_err());
        assert!(prose("notes", "\u{301}", 5).is_err());
    }

    #[test]
    fn a_line_has_no_breaks_and_no_text_has_control_characters() {
        for bad in ["a\nb", "a\rb", "a\u{2028}b", "a\0b", "a\u{1b}b", "a\tb", "a\u{85}b"] {
            let refused = line("title", bad, 10).unwrap_err();
            assert_eq!(refused.field, ["title"], "{bad:?}");
        }
        assert_eq!(prose("notes", "a\nb\r\nc", 10), Ok("a\nb\r\nc".to_owned()));
        for bad in ["a\0b", "a\u{7f}b", "a\u{8}b"] {
            assert!(prose("notes", bad, 10).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn blank_text_that_may_be_left_out_is_left_out() {
        assert_eq!(optional_prose("notes", Some(" \n"), 10), Ok(None));
        assert_eq!(optional_prose("notes", None, 10), Ok(None));
        assert_eq!(optional_prose("notes", Some(" a "), 10), Ok(Some("a".to_owned())));
    }

    #[test]
    fn a_search_ignores_case_accents_and_compatibility_forms() {
        for (search, name) in [
            ("lucia", "Lucía"),
            ("LUCÍA", "lucia"),
            ("zoe", "Zoë"),
            ("zoe", "Zoe\u{308}"),
            ("strasse", "Straße"),
            ("STRASSE", "straße"),
            ("strasse", "STRAẞE"),
            ("ωμεγα", "Ωμέγα"),
            ("οδυσσευσ", "Οδυσσεύς"),
            ("soren", "Søren"),
            ("lukasz", "Łukasz"),
            ("dorde", "Đorđe"),
            ("aelfric", "Ælfric"),
            ("isik", "IŞIK"),
            ("isik", "ışık"),
            ("istanbul", "İstanbul"),
            ("fi", "\u{fb01}"),
            ("abc", "ＡＢＣ"),
            ("еж", "ЁЖ"),
            ("nguyen", "Nguyễn"),
            ("שלום", "שָׁלוֹם"),
            ("احمد", "أَحْمَد"),
        ] {
            assert_eq!(search_key(search), search_key(name), "{search} {name}");
        }
        for (one, other) in [("राम", "रमा"), ("a", "b"), ("ا", "ب"), ("%", "_"), ("김", "이")]
        {
            assert_ne!(search_key(one), search_key(other), "{one} {other}");
        }
        assert_eq!(search_key("100 % | C_"), "100 % | c_");
    }

    #[test]
    fn the_search_key_of_a_key_is_the_key() {
        for letter in '\0'..=char::MAX {
            let key = search_key(&letter.to_string());
            assert_eq!(search_key(&key), key, "U+{:04X}", u32::from(letter));
        }
    }

    #[test]
    fn a_url_is_absolute_of_the_web_and_without_credentials() {
        for good in ["https://cdn.school.com/certs/abc.pdf", "http://127.0.0.1:8080/a?b=c#d"] {
            assert_eq!(web_url("documentUrl", good), Ok(good.to_owned()));
        }
        assert_eq!(web_url("u", "HTTPS://School.Example"), Ok("https://school.example/".to_owned()));
        for bad in [
            "",
            "abc.pdf",
            "//school.example/a",
            "javascript:alert(1)",
            "data:text/html,hi",
            "ftp://school.example/a",
            "https://",
            "https://ada@school.example/",
            "https://ada:secret@school.example/",
            "https://school.example/a\nb",
            &format!("https://school.example/{}", "a".repeat(2_048)),
            &format!("https://school.example/{}", "ä".repeat(500)),
        ] {
            assert!(web_url("u", bad).is_err(), "{bad}");
        }
    }
}
