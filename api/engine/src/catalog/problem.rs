//! A problem of a pack, described so that its author can correct it: file, path, message, remedy.

use std::fmt;

/// One problem of a pack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as passed to the parser.
    pub file: String,
    /// The place in the file: `achievements[3].rule.activity`.
    pub path: String,
    /// The fault.
    pub message: String,
    /// How to correct it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.file, self.path, self.message, self.remedy)
    }
}

/// The most similar known name, if one is similar enough.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // No known name is that long, and the comparison takes time proportional to both lengths.
    if name.len() > 100 {
        return None;
    }
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "Did you mean …?", or otherwise all known names.
pub(crate) fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(candidate) = nearest(name, known.clone()) {
        return format!("did you mean `{candidate}`?");
    }
    let all: Vec<_> = known.map(|candidate| format!("`{candidate}`")).collect();
    if all.is_empty() {
        "there is none yet: declare it first".to_owned()
    } else {
        format!("known: {}", all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["question_answered", "lesson_completed"];
        assert_eq!(nearest("question_answerd", known.into_iter()), Some("question_answered"));
        assert_eq!(nearest("payment_made", known.into_iter()), None);
    }
}
