//! The arguments of a benchmark: the databases it runs on, and values such as `--minutes 3`.

use std::str::FromStr;

use crate::database::Backend;

/// The arguments after the program's name.
#[derive(Debug, Clone)]
pub struct Arguments {
    words: Vec<String>,
}

impl Arguments {
    /// The arguments of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self { words: std::env::args().skip(1).collect() }
    }

    /// The databases to run on: `sqlite`, `postgres`, or both if none is named.
    #[must_use]
    pub fn backends(&self) -> Vec<Backend> {
        let both = [Backend::Sqlite, Backend::Postgres];
        let is_named = |backend: &Backend| self.words.contains(&format!("{backend:?}").to_lowercase());
        let named: Vec<Backend> = both.into_iter().filter(is_named).collect();
        if named.is_empty() { both.to_vec() } else { named }
    }

    /// The text after `--name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let place = self.words.iter().position(|word| word.strip_prefix("--") == Some(name))?;
        self.words.get(place + 1).map(String::as_str)
    }

    /// The value after `--name`, or `otherwise` if the argument is missing.
    ///
    /// # Panics
    /// If the text is not a valid value.
    #[must_use]
    pub fn value<T: FromStr>(&self, name: &str, otherwise: T) -> T {
        let Some(text) = self.text(name) else { return otherwise };
        text.parse().unwrap_or_else(|_| panic!("--{name} {text}: not a value of this argument"))
    }
}
