//! What is wrong with a pack, said so that its author can mend it: file, path, problem, remedy.

use std::fmt;

/// One thing wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as it was named to us.
    pub file: String,
    /// Where in it: `achievements[3].rule.activity`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.file, self.path, self.message, self.remedy)
    }
}

/// The known name most like the one given, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing we know is that long, and measuring would cost its length times ours.
    if name.len() > 100 {
        return None;
    }
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "Did you mean …?", or else all there is to choose from.
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
