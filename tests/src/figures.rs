//! What benchmarks do with what they measured: percentiles and tables.

use std::time::Duration;

/// How long each of many requests took, and how many failed.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    taken: Vec<Duration>,
    failed: usize,
}

impl Latencies {
    /// Notes a request that succeeded after this time.
    pub fn add(&mut self, taken: Duration) {
        self.taken.push(taken);
    }

    /// Notes a request that failed.
    pub fn add_failure(&mut self) {
        self.failed += 1;
    }

    /// Adds those of another caller.
    pub fn extend(&mut self, other: &Self) {
        self.taken.extend(&other.taken);
        self.failed += other.failed;
    }

    /// How many requests there were.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.taken.len() + self.failed
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// The time within which so many thousandths of the successful requests finished; zero if none did.
    #[must_use]
    pub fn percentile(&self, thousandths: usize) -> Duration {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let rank = (thousandths * sorted.len()).div_ceil(1_000);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Rows below headings, each column as wide as its longest text; the first one is aligned to the left.
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

/// Milliseconds, as a table shows them.
#[must_use]
pub fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

/// Mebibytes, as a table shows them.
#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}
