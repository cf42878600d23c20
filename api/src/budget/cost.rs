//! The cost that each subject may cause per minute, as a generic cell rate: each subject has one number, the time
//! until which its past requests are paid for. We implement the arithmetic because no limiter library offers three of
//! its operations: adding a cost that is known only afterwards, refunding a cost, and several rates in one table.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Subject;
use crate::auth::Role;
use crate::config::Limits;
use crate::refusal::Refusal;

/// The period of a budget. A subject that was idle for this long has its whole budget.
const SPAN: Duration = Duration::from_mins(1);
/// The maximum debt from costs that are known only afterwards.
const MOST_OWED: Duration = Duration::from_mins(2);
/// Idle subjects are removed each time the table has grown by this many.
const GROWTH: usize = 1_024;

/// The spent budget of all subjects.
#[derive(Debug)]
pub(crate) struct CostBudget {
    /// Units per minute of a person, and of an address without a valid token; 0 turns the budget off.
    person: u64,
    /// Units per minute of an admin.
    admin: u64,
    /// Units per minute of a service.
    service: u64,
    started: Instant,
    spent: Mutex<Spent>,
}

/// The time until which each subject has paid, measured since the start. An absent subject has its whole budget.
#[derive(Debug, Default)]
struct Spent {
    paid_until: HashMap<Subject, Duration>,
    /// The size at which idle subjects are removed.
    prune_at: usize,
}

impl CostBudget {
    /// The budgets from the settings.
    pub(crate) fn new(limits: &Limits) -> Self {
        let person = limits.cost_per_minute;
        Self {
            person,
            admin: person.saturating_mul(limits.cost_per_minute_admin),
            service: person.saturating_mul(limits.cost_per_minute_service),
            started: Instant::now(),
            spent: Mutex::default(),
        }
    }

    /// Deducts `units` from the subject's budget. An operation that costs more than the whole budget deducts all of it.
    ///
    /// # Errors
    /// `RATE_LIMITED` if the budget is not sufficient; then nothing is deducted.
    pub(crate) fn charge(&self, subject: &Subject, units: u64) -> Result<(), Refusal> {
        if units == 0 {
            return Ok(());
        }
        self.charge_at(subject, units, self.started.elapsed()).map_err(|wait| self.refusal(subject, wait))
    }

    /// Adds a cost that is known only after it was caused. The subject may then owe up to a minute's budget.
    pub(crate) fn owe(&self, subject: &Subject, units: u64) {
        self.owe_at(subject, units, self.started.elapsed());
    }

    /// Refunds the cost of an operation that the server could not execute.
    pub(crate) fn give_back(&self, subject: &Subject, units: u64) {
        let Some(price) = self.price(subject, units) else { return };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = spent.paid_until.get_mut(subject) {
            *until = until.saturating_sub(price);
        }
    }

    /// Refuses a subject that owes more than its budget, before the server reads or parses anything for it.
    ///
    /// # Errors
    /// `RATE_LIMITED` until the debt is paid.
    pub(crate) fn check(&self, subject: &Subject) -> Result<(), Refusal> {
        self.check_at(subject, self.started.elapsed()).map_err(|wait| self.refusal(subject, wait))
    }

    fn charge_at(&self, subject: &Subject, units: u64, now: Duration) -> Result<(), Duration> {
        let Some(price) = self.price(subject, units) else { return Ok(()) };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let until = spent.paid_until(subject, now).saturating_add(price);
        let most = now.saturating_add(SPAN);
        if until > most {
            return Err(until.saturating_sub(most));
        }
        spent.set(subject, until, now);
        Ok(())
    }

    fn owe_at(&self, subject: &Subject, units: u64, now: Duration) {
        let Some(price) = self.price(subject, units) else { return };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let until = spent.paid_until(subject, now).saturating_add(price);
        spent.set(subject, until.min(now.saturating_add(MOST_OWED)), now);
    }

    fn check_at(&self, subject: &Subject, now: Duration) -> Result<(), Duration> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = spent.paid_until(subject, now).saturating_sub(now.saturating_add(SPAN));
        if owed.is_zero() { Ok(()) } else { Err(owed) }
    }

    /// The part of a minute that these units take from the subject's budget; `None` if it is not limited.
    fn price(&self, subject: &Subject, units: u64) -> Option<Duration> {
        let per_minute = self.per_minute(subject);
        let nanos = SPAN.as_nanos().saturating_mul(u128::from(units.min(per_minute)));
        let nanos = nanos.checked_div(u128::from(per_minute))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn per_minute(&self, subject: &Subject) -> u64 {
        match subject {
            Subject::Person { role: Role::Admin | Role::SuperAdmin, .. } => self.admin,
            Subject::Person { .. } | Subject::Address(_) | Subject::Unnamed => self.person,
            Subject::Service(_) => self.service,
        }
    }

    fn refusal(&self, subject: &Subject, wait: Duration) -> Refusal {
        let most = self.per_minute(subject);
        let multiple = match subject {
            Subject::Person { role: Role::Admin | Role::SuperAdmin, .. } => {
                " times limits.cost_per_minute_admin"
            }
            Subject::Service(_) => " times limits.cost_per_minute_service",
            Subject::Person { .. } => "",
            Subject::Address(_) | Subject::Unnamed => {
                let message = format!(
                    "Requests without a valid token from this address cost more than {most} units per minute \
                     (limits.cost_per_minute). Wait, or sign in: each person has a budget of their own."
                );
                return Refusal::rate_limited(message, wait);
            }
        };
        let message = format!(
            "Your operations cost more than {most} units per minute (limits.cost_per_minute{multiple}). Wait, and \
             ask for fewer rows."
        );
        Refusal::rate_limited(message, wait)
    }
}

impl Spent {
    fn paid_until(&self, subject: &Subject, now: Duration) -> Duration {
        self.paid_until.get(subject).copied().unwrap_or(now).max(now)
    }

    /// Stores a subject's time. Removes idle subjects when the table has grown, so the cost per call stays constant.
    fn set(&mut self, subject: &Subject, until: Duration, now: Duration) {
        if self.paid_until.len() >= self.prune_at {
            self.paid_until.retain(|_, until| *until > now);
            self.paid_until.shrink_to(self.paid_until.len().saturating_mul(2));
            self.prune_at = self.paid_until.len().saturating_mul(2).max(GROWTH);
        }
        self.paid_until.insert(subject.clone(), until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    /// Budgets of 600 units per minute: ten per second.
    fn budget() -> CostBudget {
        let limits = Limits {
            cost_per_minute: 600,
            cost_per_minute_admin: 4,
            cost_per_minute_service: 10,
            ..Limits::default()
        };
        CostBudget::new(&limits)
    }

    fn person(role: Role) -> Subject {
        Subject::Person { id: uuid::Uuid::from_u128(1), role }
    }

    fn address(last: u8) -> Subject {
        Subject::Address([10, 0, 0, last].into())
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_budget_is_spent_at_once_and_comes_back_with_time() {
        let (budget, ada) = (budget(), person(Role::Student));
        assert_eq!(budget.charge_at(&ada, 600, seconds(0)), Ok(()));
        assert_eq!(budget.charge_at(&ada, 1, seconds(0)), Err(Duration::from_millis(100)));
        assert_eq!(budget.charge_at(&ada, 200, seconds(5)), Err(seconds(15)));
        // A refusal takes nothing.
        assert_eq!(budget.charge_at(&ada, 200, seconds(20)), Ok(()));
        assert_eq!(budget.charge_at(&ada, 1, seconds(20)), Err(Duration::from_millis(100)));
        // A subject saves up at most one minute's budget.
        assert_eq!(budget.charge_at(&ada, 600, seconds(1_000)), Ok(()));
        assert_eq!(budget.charge_at(&ada, 1, seconds(1_000)), Err(Duration::from_millis(100)));
    }

    #[test]
    fn an_operation_above_the_budget_takes_all_of_it() {
        let (budget, ada) = (budget(), person(Role::Student));
        assert_eq!(budget.charge_at(&ada, u64::MAX, seconds(0)), Ok(()));
        assert_eq!(budget.charge_at(&ada, u64::MAX, seconds(59)), Err(seconds(1)));
        assert_eq!(budget.charge_at(&ada, u64::MAX, seconds(60)), Ok(()));
    }

    #[test]
    fn each_subject_has_its_own_budget_by_its_kind() {
        let budget = budget();
        for (subject, units) in [
            (person(Role::Student), 600),
            (person(Role::Teacher), 600),
            (person(Role::Parent), 600),
            (person(Role::Admin), 2_400),
            (person(Role::SuperAdmin), 2_400),
            (Subject::Service("school".into()), 6_000),
            (Subject::Service("library".into()), 6_000),
            (address(1), 600),
            (address(2), 600),
            (Subject::Unnamed, 600),
        ] {
            assert_eq!(budget.charge_at(&subject, units, seconds(0)), Ok(()), "{subject:?}");
            assert_ne!(budget.charge_at(&subject, 1, seconds(0)), Ok(()), "{subject:?}");
        }
    }

    #[test]
    fn a_debt_is_paid_before_new_charges_and_has_a_maximum() {
        let (budget, ada) = (budget(), person(Role::Student));
        budget.owe_at(&ada, 300, seconds(0));
        assert_eq!(budget.check_at(&ada, seconds(0)), Ok(()));
        for _ in 0..100 {
            budget.owe_at(&ada, 600, seconds(0));
        }
        assert_eq!(budget.check_at(&ada, seconds(0)), Err(seconds(60)));
        assert_eq!(budget.check_at(&ada, seconds(60)), Ok(()));
        assert_eq!(budget.charge_at(&ada, 10, seconds(60)), Err(seconds(1)));
        assert_eq!(budget.charge_at(&ada, 10, seconds(61)), Ok(()));
    }

    #[test]
    fn refunded_units_can_be_spent_again() {
        let (budget, ada) = (budget(), person(Role::Student));
        assert_eq!(budget.charge_at(&ada, 600, seconds(0)), Ok(()));
        budget.give_back(&ada, 200);
        assert_eq!(budget.charge_at(&ada, 200, seconds(0)), Ok(()));
        assert_ne!(budget.charge_at(&ada, 1, seconds(0)), Ok(()));
    }

    #[test]
    fn zero_turns_the_budget_off() {
        let budget = CostBudget::new(&Limits { cost_per_minute: 0, ..Limits::default() });
        for subject in [person(Role::Student), person(Role::Admin), Subject::Service("a".into()), address(1)]
        {
            assert_eq!(budget.charge_at(&subject, u64::MAX, seconds(0)), Ok(()));
            budget.owe_at(&subject, u64::MAX, seconds(0));
            assert_eq!(budget.check_at(&subject, seconds(0)), Ok(()));
        }
        assert!(budget.spent.lock().unwrap().paid_until.is_empty());
    }

    #[test]
    fn idle_subjects_are_forgotten() {
        let budget = budget();
        for number in 0..100_000 {
            let subject = Subject::Address(std::net::Ipv4Addr::from(number).into());
            // Each address has paid for its request a second later.
            assert_eq!(budget.charge_at(&subject, 10, Duration::from_millis(u64::from(number))), Ok(()));
        }
        let spent = budget.spent.lock().unwrap();
        assert!(spent.paid_until.len() <= 2 * 1_024, "{}", spent.paid_until.len());
        assert!(spent.paid_until.capacity() <= 8 * 1_024, "{}", spent.paid_until.capacity());
    }

    #[test]
    fn a_refusal_names_the_setting_and_the_wait() {
        let budget = budget();
        for (subject, setting, most) in [
            (person(Role::Student), "(limits.cost_per_minute)", "600"),
            (person(Role::Admin), "(limits.cost_per_minute times limits.cost_per_minute_admin)", "2400"),
            (
                Subject::Service("a".into()),
                "(limits.cost_per_minute times limits.cost_per_minute_service)",
                "6000",
            ),
            (address(1), "(limits.cost_per_minute)", "600"),
        ] {
            let refusal = budget.refusal(&subject, Duration::from_millis(1_100));
            assert_eq!((refusal.code, refusal.retry_after_seconds()), (Code::RateLimited, Some(2)));
            assert!(refusal.message.contains(setting), "{}", refusal.message);
            assert!(refusal.message.contains(most), "{}", refusal.message);
        }
    }
}
