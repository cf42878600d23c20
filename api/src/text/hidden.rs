//! Hidden characters: invisible ones, and those that change the direction of the surrounding text. Two names that
//! look the same must not differ in them. Joiners and variation selectors are allowed where a script or an emoji
//! needs them.

use icu_properties::props::{
    BidiControl, DefaultIgnorableCodePoint, Emoji, ExtendedPictographic, GeneralCategory,
    GeneralCategoryGroup, Ideographic, JoiningType, NoncharacterCodePoint,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::char::canonical_combining_class;

/// The combining class of the signs that join consonants in Indic scripts.
const VIRAMA: u8 = 9;

/// Where a text is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a title, displayed next to other text.
    Name,
    /// A note or a description, displayed separately. It may contain directional marks.
    Note,
}

/// The first hidden character that is not allowed in such a text.
pub(crate) fn first(text: &str, kind: Kind) -> Option<char> {
    let letters: Vec<char> = text.chars().collect();
    let hidden = (0..letters.len()).find(|at| is_hidden(&letters, *at, kind))?;
    letters.get(hidden).copied()
}

/// The text without the hidden characters that are not allowed in a name.
pub(crate) fn removed(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let seen = (0..letters.len()).filter(|at| !is_hidden(&letters, *at, Kind::Name));
    seen.filter_map(|at| letters.get(at)).collect()
}

/// Whether the text has no visible character: only white space, blank symbols, and marks without a letter.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| {
        letter.is_whitespace()
            || is_blank_symbol(letter)
            || GeneralCategoryGroup::Mark.contains(category(letter))
            || is_invisible(letter)
            || is_joiner(letter)
    })
}

fn is_hidden(letters: &[char], at: usize, kind: Kind) -> bool {
    let Some(letter) = letters.get(at).copied() else { return false };
    let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied();
    match letter {
        _ if letter.is_ascii() => false,
        '\u{200e}' | '\u{200f}' | '\u{61c}' => kind == Kind::Name,
        '\u{200c}' | '\u{200d}' => !joins(letters, at),
        // A digit in a keycap emoji, such as 1\u{fe0f}\u{20e3}.
        '\u{fe0f}' if letters.get(at + 1) == Some(&'\u{20e3}') => {
            !before.is_some_and(|before| matches!(before, '0'..='9' | '#' | '*'))
        }
        _ if is_selector(letter) => !before.is_some_and(|before| selects(letter, before)),
        _ if is_blank_symbol(letter) => kind == Kind::Name,
        // Programs that support annotations hide these; others show them.
        '\u{fff9}'..='\u{fffb}' => true,
        // Only private fonts have glyphs for these.
        _ if category(letter) == GeneralCategory::PrivateUse => kind == Kind::Name,
        _ => {
            is_invisible(letter)
                || CodePointSetData::new::<BidiControl>().contains(letter)
                || CodePointSetData::new::<NoncharacterCodePoint>().contains(letter)
        }
    }
}

/// Whether a joiner at this place changes how its neighbours are displayed. Combining marks in between are skipped.
fn joins(letters: &[char], at: usize) -> bool {
    let (earlier, later) = letters.split_at_checked(at).unwrap_or_default();
    let later = later.get(1..).unwrap_or_default();
    let is_virama = |letter: Option<&char>| letter.copied().map(canonical_combining_class) == Some(VIRAMA);
    if is_virama(earlier.last()) || is_virama(later.first()) {
        return true;
    }
    if earlier.last().copied().is_some_and(is_joiner) {
        return false;
    }
    let is_letter =
        |letter: &&char| !GeneralCategoryGroup::Mark.contains(category(**letter)) || is_selector(**letter);
    let before = earlier.iter().rev().find(is_letter).copied();
    let after = later.iter().find(is_letter).copied();
    let Some(before) = before else { return false };
    let pictures = CodePointSetData::new::<ExtendedPictographic>();
    let ends_emoji = pictures.contains(before) || matches!(before, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    match after {
        Some(after) if ends_emoji => pictures.contains(after),
        Some(after) => !is_joiner(after) && is_cursive(before) && is_cursive(after),
        None => letters.get(at) == Some(&'\u{200d}') && is_cursive(before),
    }
}

fn is_joiner(letter: char) -> bool {
    matches!(letter, '\u{200c}' | '\u{200d}')
}

/// Whether the letter connects to its neighbours, as in Arabic.
fn is_cursive(letter: char) -> bool {
    !matches!(
        CodePointMapData::<JoiningType>::new().get(letter),
        JoiningType::NonJoining | JoiningType::Transparent
    )
}

/// Whether the character selects a form of the preceding character.
fn is_selector(letter: char) -> bool {
    matches!(letter, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// Whether this selector is defined for this character: emoji, ideographs, symbols and Mongolian letters have
/// several forms. After any other character a selector has no visible effect.
fn selects(selector: char, of: char) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => !of.is_ascii() && CodePointSetData::new::<Emoji>().contains(of),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => matches!(of, '\u{1820}'..='\u{18aa}'),
        _ => {
            CodePointSetData::new::<Ideographic>().contains(of)
                || !of.is_ascii() && category(of) == GeneralCategory::MathSymbol
        }
    }
}

fn category(letter: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(letter)
}

/// The braille pattern without dots, blank hieroglyphs, a null notehead, and the object replacement character.
fn is_blank_symbol(letter: char) -> bool {
    matches!(letter, '\u{2800}' | '\u{13441}' | '\u{13442}' | '\u{1d159}' | '\u{fffc}')
}

fn is_invisible(letter: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_hidden_at_every_position() {
        let hidden = ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain('\u{2060}'..='\u{2064}')
            .chain('\u{fff9}'..='\u{fffb}')
            .chain([
                '\u{ad}', '\u{34f}', '\u{115f}', '\u{180e}', '\u{200b}', '\u{3164}', '\u{feff}', '\u{ffa0}',
            ])
            .chain(['\u{e0001}', '\u{e0041}', '\u{e007f}', '\u{1d173}', '\u{206a}']);
        for letter in hidden {
            for text in [format!("A{letter}da"), format!("{letter}Ada"), format!("Ada{letter}")] {
                assert_eq!(first(&text, Kind::Name), Some(letter), "{letter:?}");
                assert_eq!(first(&text, Kind::Note), Some(letter), "{letter:?}");
                assert_eq!(removed(&text), "Ada");
            }
        }
    }

    #[test]
    fn a_text_of_blanks_and_lone_marks_is_blank() {
        for blank in
            ["", " ", "\u{2800}", "\u{2800}\u{2800}", "\u{301}", "\u{20dd}\u{903}", "\u{fffc}", "\u{3164}"]
        {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["A", "é", "e\u{301}", "1", "?", "👩", "日", "\u{2801}", "क्ष", "_"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }

    #[test]
    fn characters_without_a_defined_shape_are_refused_in_names() {
        for letter in ['\u{e000}', '\u{f8ff}', '\u{f0000}', '\u{10fffd}'] {
            let text = format!("Ada{letter}");
            assert_eq!((first(&text, Kind::Name), first(&text, Kind::Note)), (Some(letter), None));
        }
        for letter in ['\u{fdd0}', '\u{ffff}', '\u{1fffe}'] {
            let text = format!("Ada{letter}");
            assert_eq!((first(&text, Kind::Name), first(&text, Kind::Note)), (Some(letter), Some(letter)));
        }
    }

    #[test]
    fn marks_of_direction_belong_into_notes_only() {
        for mark in ['\u{200e}', '\u{200f}', '\u{61c}'] {
            let text = format!("C++{mark} שלום");
            assert_eq!((first(&text, Kind::Name), first(&text, Kind::Note)), (Some(mark), None));
            assert_eq!(removed(&text), "C++ שלום");
        }
    }

    #[test]
    fn joiners_and_selectors_stay_where_writing_needs_them() {
        for text in [
            "👩‍👩‍👧‍👦",
            "👩🏽‍🚀",
            "❤️‍🔥",
            "🏳️‍🌈",
            "1️⃣",
            "☀️",
            "می‌خواهم",
            "ه‍",
            "क्‍ष",
            "ක්‍ෂ",
            "র‍্য",
            "葛\u{e0100}飾",
            "Zoë O'Neill-Müller",
            "日本語 한국어 Ελληνικά Ћирилица",
        ] {
            assert_eq!((first(text, Kind::Name), removed(text)), (None, text.to_owned()), "{text}");
        }
        for (text, seen) in [
            ("A\u{200d}da", "Ada"),
            ("Ada\u{200c}", "Ada"),
            ("\u{200d}Ada", "Ada"),
            ("A\u{fe0f}da", "Ada"),
            ("\u{fe0f}Ada", "Ada"),
            ("日\u{200d}本", "日本"),
            ("👩\u{200d}Ada", "👩Ada"),
            ("☀\u{fe0f}\u{fe0f}\u{fe0e}", "☀\u{fe0f}"),
            ("Zoë\u{fe0f}", "Zoë"),
            ("И\u{fe0f}ван", "Иван"),
            ("O'\u{fe0f}Neill", "O'Neill"),
            ("Class 1\u{fe0e}", "Class 1"),
            ("Class 1\u{fe0f}", "Class 1"),
            ("a\u{fe0f}\u{20e3}", "a\u{20e3}"),
            ("\u{647}\u{200c}", "\u{647}"),
            ("Mm\u{300}\u{200c}", "Mm\u{300}"),
            ("Mm\u{300}\u{200d}\u{301}x", "Mm\u{300}\u{301}x"),
        ] {
            assert!(first(text, Kind::Name).is_some(), "{text:?}");
            assert_eq!(removed(text), seen, "{text:?}");
        }
    }
}
