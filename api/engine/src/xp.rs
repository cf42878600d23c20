//! XP: the amount of an event, the daily cap, and the level curve.

use crate::{
    event::Event,
    metric::{Condition, int, meets},
};

/// The maximum XP of a person and the maximum of a metric: a GraphQL `Int`. Larger values are refused.
pub const MAX_XP: i64 = 2_147_483_647;

/// A level, and the progress within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// From 1.
    pub number: i64,
    /// XP since the level started.
    pub xp_into_level: i64,
    /// The total XP of the level.
    pub xp_for_next: i64,
}

/// The XP of an event of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reward {
    pub(crate) amount: Amount,
    pub(crate) conditions: Vec<Condition>,
}

/// A fixed amount plus an amount per units, or the value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Amount {
    Attribute(String),
    Fixed { amount: i64, per: Option<Units> },
}

/// XP for every full number of units of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) attribute: String,
    pub(crate) units: i64,
    pub(crate) amount: i64,
    pub(crate) at_most: i64,
}

impl Reward {
    /// The XP of one event, before any cap; never negative.
    pub(crate) fn of(&self, event: &Event) -> i64 {
        if !meets(&event.attributes, &self.conditions) {
            return 0;
        }
        match &self.amount {
            Amount::Attribute(name) => int(&event.attributes, name).max(0),
            Amount::Fixed { amount, per } => {
                amount.saturating_add(per.as_ref().map_or(0, |per| per.of(event)))
            }
        }
    }
}

impl Units {
    fn of(&self, event: &Event) -> i64 {
        let full = int(&event.attributes, &self.attribute).max(0).checked_div(self.units).unwrap_or(0);
        full.saturating_mul(self.amount).min(self.at_most)
    }
}

/// The XP that remains under a daily cap if an amount raises the day's total from `before` to `after`.
pub(crate) fn capped(cap: i64, before: i64, after: i64) -> i64 {
    after.min(cap).saturating_sub(before.min(cap))
}

/// The XP at which a level starts.
pub(crate) fn level_start(step: i64, number: i64) -> i64 {
    step.saturating_mul(number).saturating_mul(number.saturating_sub(1))
}

/// The level at some XP, where level n starts at step · n · (n − 1).
pub(crate) fn level_at(step: i64, xp: i64) -> Level {
    // The greatest n with n(n − 1) ≤ xp / step, solved for n.
    let steps = xp.max(0).checked_div(step).unwrap_or(0);
    let root = steps.saturating_mul(4).saturating_add(1).isqrt();
    let number = root.saturating_add(1).checked_div(2).unwrap_or(1);
    let start = level_start(step, number);
    Level {
        number,
        xp_into_level: xp.max(0).saturating_sub(start),
        xp_for_next: level_start(step, number.saturating_add(1)).saturating_sub(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_start_where_the_curve_says() {
        for (xp, number, into, width) in [
            (0, 1, 0, 100),
            (99, 1, 99, 100),
            (100, 2, 0, 200),
            (299, 2, 199, 200),
            (300, 3, 0, 300),
            (600, 4, 0, 400),
        ] {
            let expected = Level { number, xp_into_level: into, xp_for_next: width };
            assert_eq!(level_at(50, xp), expected, "at {xp} XP");
        }
    }

    #[test]
    fn every_level_begins_at_its_start_and_not_one_xp_before() {
        for step in [1, 7, 50, 1_000] {
            for number in 2..400 {
                let start = level_start(step, number);
                assert_eq!(level_at(step, start).number, number);
                assert_eq!(level_at(step, start - 1).number, number - 1);
            }
        }
    }

    #[test]
    fn a_cap_limits_the_xp_that_remains_for_the_day() {
        assert_eq!(capped(50, 0, 30), 30);
        assert_eq!(capped(50, 30, 60), 20);
        assert_eq!(capped(50, 60, 90), 0);
    }
}
