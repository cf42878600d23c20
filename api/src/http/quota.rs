//! Counters with a maximum per key: how much of a resource each client holds at this moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Amounts in use, by key. A key with nothing in use takes no memory.
#[derive(Debug)]
pub(super) struct Quota<K> {
    held: Mutex<HashMap<K, usize>>,
}

impl<K> Default for Quota<K> {
    fn default() -> Self {
        Self { held: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Quota<K> {
    /// An empty share of this key.
    pub(super) fn share(self: &Arc<Self>, key: K) -> Share<K> {
        Share { quota: Arc::clone(self), key, amount: 0 }
    }

    /// A share of one; `None` if the key would then hold more than `most`.
    pub(super) fn one(self: &Arc<Self>, key: K, most: usize) -> Option<Share<K>> {
        let mut share = self.share(key);
        share.grow(1, most).then_some(share)
    }
}

/// A part of what a key holds; released when dropped.
#[derive(Debug)]
pub(super) struct Share<K: Eq + Hash> {
    quota: Arc<Quota<K>>,
    key: K,
    amount: usize,
}

impl<K: Clone + Eq + Hash> Share<K> {
    /// Adds `by` and returns true; returns false if the key would then hold more than `most`.
    pub(super) fn grow(&mut self, by: usize, most: usize) -> bool {
        let mut held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.get(&self.key).copied().unwrap_or_default();
        let after = before.saturating_add(by);
        if after > most {
            return false;
        }
        if after > 0 {
            held.insert(self.key.clone(), after);
        }
        self.amount = self.amount.saturating_add(by);
        true
    }

    /// The total of the key.
    pub(super) fn total(&self) -> usize {
        let held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&self.key).copied().unwrap_or_default()
    }

    /// The key of the share.
    pub(super) fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        if self.amount == 0 {
            return;
        }
        let mut held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(amount) = held.get_mut(&self.key) {
            *amount = amount.saturating_sub(self.amount);
            if *amount == 0 {
                held.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
impl<K> Quota<K> {
    /// How many keys hold something.
    pub(super) fn keys(&self) -> usize {
        self.held.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Quota;

    #[test]
    fn a_key_holds_at_most_its_maximum_and_a_dropped_share_is_free_again() {
        let quota = Arc::new(Quota::default());
        let mut first = quota.share("ada");
        assert!(first.grow(60, 100));
        let mut second = quota.share("ada");
        assert!(!second.grow(41, 100));
        assert!(second.grow(40, 100));
        assert!(quota.one("bob", 1).is_some());
        assert!(quota.one("bob", 0).is_none());
        drop(first);
        assert!(second.grow(60, 100));
        assert_eq!(quota.keys(), 1);
        drop(second);
        assert_eq!(quota.keys(), 0);
    }
}
