//! The time of GraphQL operations by type and root fields, such as `mutation recordEvent`. Clients combine root fields freely, so
//! only the first hundred names become series of their own.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Names that become a series.
const MOST: usize = 100;
/// Bytes of a name that becomes a series.
const LONGEST: usize = 64;
/// The series of all further names.
const OTHER: &str = "other";
/// The bounds of the series, in seconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];

/// A series for each name.
type Seconds = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// The time of operations.
#[derive(Debug)]
pub(super) struct Operations {
    pub(super) seconds: Seconds,
    names: RwLock<BTreeSet<String>>,
}

impl Default for Operations {
    fn default() -> Self {
        Self { seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)), names: RwLock::default() }
    }
}

impl Operations {
    /// The series of this name.
    pub(super) fn label(&self, name: &str) -> String {
        if self.names.read().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return name.to_owned();
        }
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST || name.len() > LONGEST {
            return OTHER.to_owned();
        }
        names.insert(name.to_owned());
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_invents_names_makes_a_hundred_series_at_most() {
        let operations = Operations::default();
        for number in 0..MOST {
            assert_eq!(operations.label(&format!("query {number}")), format!("query {number}"));
        }
        assert_eq!(operations.label("query 7"), "query 7");
        assert_eq!(operations.label("query another"), OTHER);
        assert_eq!(Operations::default().label(&"x".repeat(LONGEST + 1)), OTHER);
    }
}
