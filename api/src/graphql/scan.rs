//! Scans a document's text before it is parsed. The parser recurses with every bracket, so a deeply nested text would
//! overflow the stack and end the process.

use crate::config::Limits;
use crate::refusal::{Code, Refusal};

/// Refuses a text that is too long, too deeply nested or has too many tokens.
///
/// # Errors
/// `TOO_COMPLEX` with the limit and its value. `INVALID_INPUT` for a block string without an end, because this scan
/// and the parser could disagree about its content.
pub(crate) fn scan(text: &str, limits: &Limits) -> Result<(), Refusal> {
    if text.len() > limits.query_bytes {
        return Err(too_complex(format!(
            "The document has {} bytes; at most {} are allowed (limits.query_bytes). Send values as variables.",
            text.len(),
            limits.query_bytes
        )));
    }
    let mut rest = text.as_bytes();
    let mut tokens: usize = 0;
    let mut open: usize = 0;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = tail;
                continue;
            }
            b'#' => {
                rest = after_comment(tail);
                continue;
            }
            b'"' => after_string(tail)?,
            b'{' | b'[' | b'(' => {
                open += 1;
                if open > limits.nesting {
                    return Err(too_complex(format!(
                        "The document nests deeper than {} brackets (limits.nesting).",
                        limits.nesting
                    )));
                }
                tail
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                tail
            }
            byte if is_word(byte) => {
                let after = after_word(tail);
                let word = text_before(rest, after);
                tokens += joined_tokens(word);
                after
            }
            b'.' => tail.strip_prefix(b"..").unwrap_or(tail),
            // The sign of a number and every non-ASCII byte count as one token each: the scan may count too many
            // tokens, but never too few.
            _ => tail,
        };
        tokens += 1;
        if tokens > limits.tokens {
            return Err(too_complex(format!(
                "The document has more than {} tokens (limits.tokens). Send values as variables.",
                limits.tokens
            )));
        }
    }
    Ok(())
}

/// A refusal because of a limit.
pub(crate) fn too_complex(message: String) -> Refusal {
    Refusal::new(Code::TooComplex, message)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The part of `rest` before its suffix `after`.
fn text_before<'a>(rest: &'a [u8], after: &[u8]) -> &'a [u8] {
    rest.split_at_checked(rest.len().saturating_sub(after.len())).map_or(rest, |(word, _)| word)
}

/// The number of tokens in a word, minus one. The parser needs no separator between two tokens: `000` is three
/// numbers and `nullnull` two values. A name that begins like a keyword may count as too many tokens.
fn joined_tokens(word: &[u8]) -> usize {
    let mut rest = word;
    let mut tokens: usize = 0;
    while !rest.is_empty() {
        let keyword = KEYWORDS.iter().find_map(|keyword| rest.strip_prefix(*keyword));
        rest = match (keyword, rest.split_first()) {
            (Some(tail), _) => tail,
            (None, Some((b'0'..=b'9', _))) => after_number(rest),
            (None, _) => b"",
        };
        tokens += 1;
    }
    tokens.saturating_sub(1)
}

/// Words that the parser accepts without a separator after them.
const KEYWORDS: [&[u8]; 7] =
    [b"true", b"false", b"null", b"query", b"mutation", b"subscription", b"fragment"];

/// The text after a number. A number that starts with zero has no further digits before its fraction or exponent.
fn after_number(rest: &[u8]) -> &[u8] {
    let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = if rest.starts_with(b"0") { 1 } else { digits(rest) };
    let mut rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction.get(digits(fraction)..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        rest = exponent.get(digits(exponent)..).unwrap_or_default();
    }
    rest
}

fn after_word(mut rest: &[u8]) -> &[u8] {
    // A point between digits belongs to a number. A spread also starts with a point, but no digit follows it.
    while let Some((&byte, tail)) = rest.split_first() {
        let is_point = byte == b'.' && tail.first().is_some_and(u8::is_ascii_digit);
        if !is_word(byte) && !is_point {
            break;
        }
        rest = tail;
    }
    rest
}

fn after_comment(mut rest: &[u8]) -> &[u8] {
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if matches!(byte, b'\n' | b'\r') {
            break;
        }
    }
    rest
}

/// The text after a string. `rest` begins after the string's first quote.
fn after_string(rest: &[u8]) -> Result<&[u8], Refusal> {
    if let Some(block) = rest.strip_prefix(b"\"\"") {
        return after_block_string(block);
    }
    let mut rest = rest;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'"' => return Ok(tail),
            // The parser stops at a string without an end. The scan continues and can only count more.
            b'\n' | b'\r' => return Ok(rest),
            b'\\' => rest = tail.strip_prefix(b"\"").or(tail.strip_prefix(b"\\")).unwrap_or(tail),
            _ => rest = tail,
        }
    }
    Ok(rest)
}

fn after_block_string(mut rest: &[u8]) -> Result<&[u8], Refusal> {
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix(b"\"\"\"") {
            return Ok(tail);
        }
        rest = match rest.strip_prefix(b"\\\"\"\"") {
            Some(tail) => tail,
            None => rest.split_first().map_or(rest, |(_, tail)| tail),
        };
    }
    Err(Refusal::new(Code::InvalidInput, "A block string has no end: close it with three quotes."))
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::scan;
    use crate::config::Limits;
    use crate::refusal::Code;

    fn limits() -> Limits {
        Limits { query_bytes: 200, nesting: 3, tokens: 12, ..Limits::default() }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(), (Code, &str)>) {
        let outcome = scan(text, &limits()).map_err(|refusal| (refusal.code, refusal.message));
        match (outcome, expected) {
            (Ok(()), Ok(())) => {}
            (Err((code, message)), Err((expected, part))) => {
                assert_eq!(code, expected, "{message}");
                assert!(message.contains(part), "{message}");
            }
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    const NESTED: Result<(), (Code, &str)> = Err((Code::TooComplex, "3 brackets (limits.nesting)"));
    const LONG: Result<(), (Code, &str)> = Err((Code::TooComplex, "12 tokens (limits.tokens)"));

    #[test]
    fn brackets_of_every_kind_nest_together() {
        check("{a{b{c}}}", Ok(()));
        check("{a{b{c{d}}}}", NESTED);
        check("{a(b:[[1]])}", NESTED);
        check("{a(b:{c:{d:1}})}", NESTED);
        check("{a}{b}{c}{d}", Ok(()));
        check("}}}}{{{", Ok(()));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        check(r#"{a(b:"[[[[[[")}"#, Ok(()));
        check(r#"{a(b:"\"[[[[[[")}"#, Ok(()));
        check(r#"{a(b:"\\",c:[[1]])}"#, NESTED);
        check("# [[[[[\n{a}", Ok(()));
        check("# \"\r[[[[", NESTED);
        check(r#"{a(b:"""[[[[ " \""" [[ """)}"#, Ok(()));
        check(r#"{a(b:"""" """,c:[[1]])}"#, NESTED);
        check(r##"{a(b:"#",c:[[1]])}"##, NESTED);
    }

    #[test]
    fn a_string_without_an_end_hides_nothing() {
        check("{a(b:\"\n[[[", NESTED);
        check("{a(b:\"\\\n[[[", NESTED);
        check(r#"{a(b:""" " [[[["#, Err((Code::InvalidInput, "three quotes")));
        check("{a(b:\"[[[[", Ok(()));
    }

    #[test]
    fn tokens_are_words_numbers_strings_and_signs() {
        check("a b c d e f g h i j k l", Ok(()));
        check("a b c d e f g h i j k l m", LONG);
        check("{abc(d:1.5,e:\"x y z\")...F", Ok(()));
        check("{abc(d:1.5,e:\"x y z\")...F}", LONG);
        check("{abc(d:-1.5,e:\"x y z\")...F", LONG);
        check("[1-1-1-1-1-1", Ok(()));
        check("[1-1-1-1-1-1]", LONG);
        check("a\u{feff}b\u{feff}c\u{feff}", Ok(()));
        check("a\u{feff}b\u{feff}c\u{feff}d", LONG);
        check("$$$$$$$$$$$$", Ok(()));
        check("$$$$$$$$$$$$$", LONG);
        check("[000000000]", Ok(()));
        check("[00000000000]", LONG);
        check("[nulltruefalsenullnullnullnulltrue]", Ok(()));
        check("[nulltruefalsenullnullnullnulltruetruetruetrue]", LONG);
        check("[01.5e102.5E1 1.5 0]", Ok(()));
        check("# one two three four five six seven eight nine ten\n,,,,,,,,,,,,,, {a}", Ok(()));
    }

    #[test]
    fn length_is_counted_in_bytes() {
        check(&format!("#{}a", "é".repeat(99)), Ok(()));
        check(
            &format!("#{}ab", "é".repeat(99)),
            Err((Code::TooComplex, "201 bytes; at most 200 are allowed (limits.query_bytes)")),
        );
    }

    #[test]
    fn ten_kilobytes_of_brackets_are_refused_before_the_parser_sees_them() {
        for bracket in ["[", "{"] {
            let text = format!("{{a(b:{}", bracket.repeat(10_000));
            let refusal = scan(&text, &Limits::default()).unwrap_err();
            assert_eq!(refusal.message, "The document nests deeper than 50 brackets (limits.nesting).");
        }
    }
}
