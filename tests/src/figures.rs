//! Percentiles and tables for the measurements of benchmarks.

use std::time::Duration;

/// The durations of many requests, and the number of failures.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    taken: Vec<Duration>,
    failed: usize,
}

impl Latencies {
    /// Records the duration of a successful request.
    pub fn add(&mut self, taken: Duration) {
        self.taken.push(taken);
    }

    /// Records a failed request.
    pub fn add_failure(&mut self) {
        self.failed += 1;
    }

    /// Adds the measurements of another caller.
    pub fn extend(&mut self, other: &Self) {
        self.taken.extend(&other.taken);
        self.failed += other.failed;
    }

    /// The number of requests.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.taken.len() + self.failed
    }

    /// The number of failed requests.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// The time within which `thousandths` of the successful requests finished; zero without any.
    #[must_use]
    pub fn percentile(&self, thousandths: usize) -> Duration {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let rank = (thousandths * sorted.len()).div_ceil(1_000);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// A table with headings; each column is as wide as its longest text; the first one is left-aligned.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let all = || std::iter::once(&headings).chain(rows);
    let width =
        |column: usize| all().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..headings.len()).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (text, &width))| match column {
            0 => format!("{text:<width$}"),
            _ => format!("{text:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

/// Milliseconds, formatted for a table.
#[must_use]
pub fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

/// Mebibytes, formatted for a table.
#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}
