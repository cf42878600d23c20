//! The picture of an achievement. The category determines the colour; the rarity determines the metal and the frame.
//! The same texts always result in the same bytes, so that a badge can be cached without expiry.

use unicode_segmentation::UnicodeSegmentation;

/// A self-contained SVG, 256 by 256, without scripts or external references.
///
/// `rarity` is `common`, `rare`, `epic` or `legendary`; any other value is drawn as common. The texts can be arbitrary:
/// they are escaped, and characters that XML does not allow are removed.
pub(crate) fn badge(name: &str, category: &str, rarity: &str) -> String {
    let frame = Frame::of(rarity);
    let hue = hue(category);
    // A page may contain several inline badges, whose ids must differ.
    let id = format!("b{:08x}", hash(&[name, category, frame.name]));
    let title = escape(name);
    let note = escape(&format!("{} achievement, {category}", frame.name));
    let glyph = glyph(name);
    let size = glyph_size(&glyph);
    let glyph = escape(&glyph);
    let (light, dark, ornament, stars) = (frame.light, frame.dark, (frame.ornament)(), stars(frame.stars));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256" width="256" height="256" role="img" aria-labelledby="{id}t {id}d">
<title id="{id}t">{title}</title>
<desc id="{id}d">{note}</desc>
<defs>
<linearGradient id="{id}m" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="{light}"/><stop offset="0.5" stop-color="{dark}"/><stop offset="0.75" stop-color="{light}"/><stop offset="1" stop-color="{dark}"/></linearGradient>
<radialGradient id="{id}f" cx="0.4" cy="0.3" r="0.8"><stop offset="0" stop-color="hsl({hue},62%,56%)"/><stop offset="1" stop-color="hsl({hue},68%,26%)"/></radialGradient>
<clipPath id="{id}c"><circle cx="128" cy="128" r="74"/></clipPath>
</defs>
<g fill="url(#{id}m)" stroke="{dark}" stroke-linejoin="round">{ornament}<circle cx="128" cy="128" r="90" stroke-width="2"/></g>
<circle cx="128" cy="128" r="78" fill="{dark}"/>
<circle cx="128" cy="128" r="74" fill="url(#{id}f)"/>
<ellipse cx="108" cy="66" rx="92" ry="58" fill="#fff" opacity="0.13" clip-path="url(#{id}c)"/>
<circle cx="128" cy="128" r="67" fill="none" stroke="#fff" stroke-opacity="0.35" stroke-width="1.5" stroke-dasharray="2 5" stroke-linecap="round"/>
<g font-family="Verdana,'DejaVu Sans',Arial,sans-serif" font-weight="700" font-size="{size}" text-anchor="middle"><text x="128" y="121" dy="0.36em" fill="#000" opacity="0.35" transform="translate(2 3)">{glyph}</text><text x="128" y="121" dy="0.36em" fill="#fff">{glyph}</text></g>
<g fill="{light}" stroke="{dark}" stroke-width="1" stroke-linejoin="round">{stars}</g>
</svg>
"##
    )
}

/// The appearance of a rarity.
struct Frame {
    name: &'static str,
    light: &'static str,
    dark: &'static str,
    ornament: fn() -> String,
    stars: u8,
}

impl Frame {
    fn of(rarity: &str) -> Self {
        match rarity {
            "rare" => Self { name: "rare", light: "#eef3f8", dark: "#7f93a8", ornament: rare, stars: 2 },
            "epic" => Self { name: "epic", light: "#e6d2ff", dark: "#7a4cc2", ornament: epic, stars: 3 },
            "legendary" => {
                Self { name: "legendary", light: "#fff0b3", dark: "#c48a0a", ornament: legendary, stars: 4 }
            }
            _ => Self { name: "common", light: "#f0c9a0", dark: "#9a6236", ornament: String::new, stars: 1 },
        }
    }
}

/// Eight points.
fn rare() -> String {
    around(45, 2, r#"<rect x="52" y="52" width="152" height="152" rx="10" stroke-width="2""#)
}

/// Twelve points, with a bead between neighbours.
fn epic() -> String {
    around(30, 3, r#"<rect x="50" y="50" width="156" height="156" rx="6" stroke-width="2""#)
        + &around(30, 12, r#"<circle cx="128" cy="29" r="5.5" stroke-width="1""#)
}

/// A sun with alternating long and short rays.
fn legendary() -> String {
    around(15, 24, r#"<path d="M128 20 L140 60 L116 60 Z" stroke-width="1.5""#)
        + &around(30, 12, r#"<path d="M128 3 L139 60 L117 60 Z" stroke-width="1.5""#)
}

/// `times` copies of an unclosed element, each rotated by `degrees` more than the previous one.
fn around(degrees: u32, times: u32, element: &str) -> String {
    (0..times).map(|turn| format!(r#"{element} transform="rotate({} 128 128)"/>"#, turn * degrees)).collect()
}

/// The rarity's number of stars, so that rarities can be distinguished without colours.
fn stars(count: u8) -> String {
    const STAR: &str = "M0 -9 2 -2.8 8.6 -2.8 3.3 1.1 5.3 7.3 0 3.4 -5.3 7.3 -3.3 1.1 -8.6 -2.8 -2 -2.8Z";
    let first = 128 - 10 * (i32::from(count) - 1);
    (0..i32::from(count))
        .map(|star| format!(r#"<path transform="translate({} 174)" d="{STAR}"/>"#, first + 20 * star))
        .collect()
}

/// The text on the badge: a number at the start of the name, otherwise the initials of its first two words, otherwise a
/// star.
fn glyph(name: &str) -> String {
    let mut words = name.unicode_words();
    let Some(first) = words.next() else { return "★".to_owned() };
    if first.len() <= 3 && first.bytes().all(|byte| byte.is_ascii_digit()) {
        return first.to_owned();
    }
    let initials = [Some(first), words.next()].into_iter().flatten();
    initials
        .filter_map(|word| word.graphemes(true).next())
        .flat_map(str::chars)
        .flat_map(char::to_uppercase)
        .collect()
}

fn glyph_size(glyph: &str) -> u32 {
    match glyph.graphemes(true).count() {
        1 => 84,
        2 => 58,
        _ => 46,
    }
}

/// One of eighteen hues, in degrees; few enough to be distinguishable.
fn hue(category: &str) -> u32 {
    // The lowest bits of this hash have the poorest distribution.
    (hash(&[category]) >> 2) % 18 * 20
}

/// Escapes text for XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// FNV-1a: small, and stable across machines and releases, unlike the standard hasher.
fn hash(texts: &[&str]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const RARITIES: [&str; 4] = ["common", "rare", "epic", "legendary"];

    #[test]
    fn the_same_words_give_the_same_bytes() {
        assert_eq!(badge("Night Owl", "special", "rare"), badge("Night Owl", "special", "rare"));
        // Pinned: a category keeps its colour from one release to the next.
        let hues = ["progress", "streak", "mastery", "special"].map(hue);
        assert_eq!(hues, [0, 180, 80, 260]);
    }

    #[test]
    fn every_rarity_has_its_own_frame_and_number_of_stars() {
        for (index, rarity) in RARITIES.into_iter().enumerate() {
            let picture = badge("Night Owl", "special", rarity);
            assert_eq!(picture.matches("translate(").count() - 1, index + 1, "{rarity}");
            assert!(picture.contains(&format!("{rarity} achievement, special</desc>")), "{rarity}");
            for other in RARITIES.into_iter().filter(|other| *other != rarity) {
                assert_ne!((Frame::of(rarity).ornament)(), (Frame::of(other).ornament)(), "{rarity} {other}");
                assert_ne!(Frame::of(rarity).dark, Frame::of(other).dark, "{rarity} {other}");
            }
        }
        assert_eq!(badge("Night Owl", "special", "mythical"), badge("Night Owl", "special", "common"));
    }

    #[test]
    fn a_category_has_one_colour() {
        let colour = |name, category| {
            let picture = badge(name, category, "common");
            picture.split("hsl(").nth(1).unwrap().split(',').next().unwrap().to_owned()
        };
        assert_eq!(colour("Night Owl", "special"), colour("Early Adopter", "special"));
        assert_ne!(colour("Night Owl", "special"), colour("Night Owl", "mastery"));
    }

    #[test]
    fn text_cannot_leave_its_place() {
        let picture = badge("<script>\"&' \u{0}\u{1b}\u{ffff}x", "a]]><b onload='y'", "\"><script>");
        assert!(picture.contains("<title id=\""));
        assert!(picture.contains(">&lt;script&gt;&quot;&amp;&#39; x</title>"), "{picture}");
        assert!(picture.contains(">common achievement, a]]&gt;&lt;b onload=&#39;y&#39;</desc>"), "{picture}");
        assert!(!picture.contains("<script") && !picture.contains("<b "));
        assert!(picture.chars().all(|character| character == '\n' || !character.is_control()));
    }

    #[test]
    fn a_picture_has_no_external_reference() {
        for rarity in RARITIES {
            let picture = badge("Night Owl", "special", rarity);
            assert!(!picture.contains("href") && !picture.contains("<style") && !picture.contains("<script"));
            assert!(picture.matches("url(").count() == picture.matches("url(#b").count());
            assert_eq!(picture.matches("://").count(), 1, "only the namespace");
        }
    }

    #[test]
    fn the_face_shows_a_number_initials_or_a_star() {
        for (name, expected) in [
            ("Night Owl", "NO"),
            ("10 Lessons Watched", "10"),
            ("Test Taker - 10 Tests", "TT"),
            ("100 Days", "100"),
            ("2024 in review", "2I"),
            ("polyglot", "P"),
            ("école", "É"),
            ("e\u{301}cole", "E\u{301}"),
            ("straße", "S"),
            ("שלום עולם", "שע"),
            ("🎉", "★"),
            ("", "★"),
            (" & < ", "★"),
        ] {
            assert_eq!(glyph(name), expected, "{name}");
        }
    }
}
