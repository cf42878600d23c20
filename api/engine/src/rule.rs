//! Compiled rules: a closed set of requirements on a person's numbers. All are monotone: higher numbers never make a
//! met rule unmet. Therefore the awards reach a least fixpoint in every order.

/// A requirement, with indexes into the catalogue's metrics and achievements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A metric at its target.
    Metric {
        /// The metric.
        metric: usize,
        /// The required value.
        target: i64,
    },
    /// Every one of several metrics at the target.
    Each {
        /// The metrics.
        metrics: Vec<usize>,
        /// The required value of each.
        target: i64,
    },
    /// Total XP.
    Xp {
        /// The required XP.
        target: i64,
    },
    /// A level.
    Level {
        /// The required level.
        target: i64,
        /// The XP at which it starts.
        starts_at: i64,
    },
    /// The longest streak, in days.
    Streak {
        /// The required number of days.
        target: i64,
    },
    /// The number of different achievements that the person holds.
    Awards {
        /// The achievements that count.
        among: Vec<usize>,
        /// How many of them are required.
        target: i64,
    },
    /// Never met: only people award the achievement.
    Person,
    /// All parts are met.
    All(Vec<Rule>),
    /// At least one part is met.
    Any(Vec<Rule>),
    /// At least `count` parts are met.
    AtLeast {
        /// The parts.
        of: Vec<Rule>,
        /// How many of them are required.
        count: i64,
    },
}

/// The numbers of one person on which rules are evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a> {
    /// By the metric's index.
    pub(crate) metrics: &'a [i64],
    pub(crate) xp: i64,
    pub(crate) longest_streak: i64,
    /// By the achievement's index.
    pub(crate) held: &'a [bool],
}

impl Numbers<'_> {
    pub(crate) fn metric(&self, index: usize) -> i64 {
        self.metrics.get(index).copied().unwrap_or(0)
    }

    pub(crate) fn holds(&self, achievement: usize) -> bool {
        self.held.get(achievement).copied().unwrap_or(false)
    }
}

impl Rule {
    /// Whether the rule is met.
    pub(crate) fn is_met(&self, numbers: &Numbers<'_>) -> bool {
        self.times(numbers) > 0
    }

    /// How many times the rule is met. For a repeatable achievement this is the number of its occurrences.
    pub(crate) fn times(&self, numbers: &Numbers<'_>) -> i64 {
        match self {
            Self::Metric { metric, target } => full(numbers.metric(*metric), *target),
            Self::Each { metrics, target } => {
                metrics.iter().map(|metric| full(numbers.metric(*metric), *target)).min().unwrap_or(0)
            }
            Self::Xp { target } => full(numbers.xp, *target),
            Self::Level { starts_at, .. } => i64::from(numbers.xp >= *starts_at),
            Self::Streak { target } => full(numbers.longest_streak, *target),
            Self::Awards { among, target } => full(count(among, |index| numbers.holds(*index)), *target),
            Self::Person => 0,
            Self::All(parts) => i64::from(parts.iter().all(|part| part.is_met(numbers))),
            Self::Any(parts) => i64::from(parts.iter().any(|part| part.is_met(numbers))),
            Self::AtLeast { of, count: needed } => {
                i64::from(count(of, |part| part.is_met(numbers)) >= *needed)
            }
        }
    }

    /// Calls `leaf` for every rule that is not a combination of rules.
    pub(crate) fn visit<'a>(&'a self, leaf: &mut impl FnMut(&'a Rule)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast { of: parts, .. } => {
                for part in parts {
                    part.visit(leaf);
                }
            }
            _ => leaf(self),
        }
    }
}

/// The number of items that pass.
pub(crate) fn count<T>(items: &[T], passes: impl Fn(&T) -> bool) -> i64 {
    i64::try_from(items.iter().filter(|item| passes(item)).count()).unwrap_or(i64::MAX)
}

fn full(value: i64, target: i64) -> i64 {
    value.checked_div(target).unwrap_or(0)
}
