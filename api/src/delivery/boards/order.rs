//! The places of a board in order: blocks of sorted places. A place is found, moved and ranked in microseconds at a million.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::boards::Place;

/// The size at which a block is split.
const MOST: usize = 512;

/// By what places are ordered: the higher score first, then the earlier one, then the smaller id.
type Key = (Reverse<i64>, DateTime<Utc>, Uuid);

fn key(place: &Place) -> Key {
    (Reverse(place.score), place.reached_at, place.person)
}

/// A place with its rank. Equal scores share a rank; the next score has the number of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked {
    /// The rank, from 1.
    pub(crate) rank: usize,
    /// The place.
    pub(crate) place: Place,
}

/// The places of a board.
#[derive(Debug, Default)]
pub(crate) struct Board {
    blocks: Vec<Vec<Place>>,
    of: HashMap<Uuid, Place>,
}

impl Board {
    /// A board with these places.
    pub(crate) fn new(mut places: Vec<Place>) -> Self {
        places.sort_unstable_by_key(key);
        let of = places.iter().map(|place| (place.person, *place)).collect();
        // Half full, so that the first changes split nothing.
        let blocks = places.chunks(MOST / 2).map(<[Place]>::to_vec).collect();
        Self { blocks, of }
    }

    /// The number of places.
    pub(crate) fn len(&self) -> usize {
        self.of.len()
    }

    /// Sets or removes the place of a person.
    pub(crate) fn set(&mut self, person: Uuid, place: Option<Place>) {
        let before = match place {
            Some(place) => self.of.insert(person, place),
            None => self.of.remove(&person),
        };
        if before == place {
            return;
        }
        if let Some(before) = before {
            self.take_out(&before);
        }
        if let Some(place) = place {
            self.put_in(place);
        }
    }

    /// A person's place with its rank.
    pub(crate) fn standing(&self, person: Uuid) -> Option<Ranked> {
        let place = *self.of.get(&person)?;
        Some(Ranked { rank: self.rank(place.score), place })
    }

    /// A person's place.
    pub(crate) fn place(&self, person: Uuid) -> Option<Place> {
        self.of.get(&person).copied()
    }

    /// How many places are before this one, whether it is on the board or not.
    pub(crate) fn before(&self, place: &Place) -> usize {
        self.count(|other| key(other) < key(place))
    }

    /// At most `most` places from this index on, from 0, with their ranks.
    pub(crate) fn page(&self, from: usize, most: usize) -> Vec<Ranked> {
        let (mut skipped, mut first) = (0, 0);
        for block in &self.blocks {
            if skipped + block.len() > from {
                break;
            }
            skipped += block.len();
            first += 1;
        }
        let places = self.blocks.iter().skip(first).flatten().skip(from - skipped);
        let places: Vec<Place> = places.take(most).copied().collect();
        let rank = places.first().map_or(1, |first| self.rank(first.score));
        ranked(&places, from, rank)
    }

    /// One more than the number of higher scores.
    fn rank(&self, score: i64) -> usize {
        self.count(|other| other.score > score) + 1
    }

    /// The number of places for which this holds; it holds for the first places only.
    fn count(&self, holds: impl Fn(&Place) -> bool) -> usize {
        let whole = self.blocks.partition_point(|block| block.last().is_some_and(&holds));
        let before: usize = self.blocks.iter().take(whole).map(Vec::len).sum();
        before + self.blocks.get(whole).map_or(0, |block| block.partition_point(&holds))
    }

    fn take_out(&mut self, place: &Place) {
        let at = self.blocks.partition_point(|block| block.last().is_some_and(|last| key(last) < key(place)));
        let Some(block) = self.blocks.get_mut(at) else { return };
        if let Ok(found) = block.binary_search_by_key(&key(place), key) {
            block.remove(found);
        }
        if block.is_empty() {
            self.blocks.remove(at);
        }
    }

    fn put_in(&mut self, place: Place) {
        let at =
            self.blocks.partition_point(|block| block.last().is_some_and(|last| key(last) < key(&place)));
        let at = at.min(self.blocks.len().saturating_sub(1));
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(vec![place]);
            return;
        };
        let index = block.partition_point(|other| key(other) < key(&place));
        block.insert(index, place);
        if block.len() > MOST {
            let half = block.split_off(MOST / 2);
            self.blocks.insert(at + 1, half);
        }
    }
}

/// Ranks some places in order, the first of which has this index and this rank.
fn ranked(places: &[Place], from: usize, rank: usize) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = Vec::with_capacity(places.len());
    for (index, place) in (from..).zip(places) {
        let rank = match ranked.last() {
            None => rank,
            Some(before) if before.place.score == place.score => before.rank,
            Some(_) => index + 1,
        };
        ranked.push(Ranked { rank, place: *place });
    }
    ranked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(person: u8, score: u8, second: u8) -> Place {
        let reached_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(second.into());
        Place { person: Uuid::from_u128(person.into()), score: score.into(), reached_at }
    }

    /// The same by sorting.
    fn expected(of: &HashMap<Uuid, Place>) -> Vec<Ranked> {
        let mut places: Vec<Place> = of.values().copied().collect();
        places.sort_by_key(key);
        let rank = |place: &Place| places.iter().filter(|other| other.score > place.score).count() + 1;
        places.iter().map(|place| Ranked { rank: rank(place), place: *place }).collect()
    }

    proptest! {
        #[test]
        fn a_board_after_changes_is_as_one_that_is_sorted(
            first in proptest::collection::vec((0_u8..60, 1_u8..9, 0_u8..5), 0..60),
            changes in proptest::collection::vec((0_u8..60, 0_u8..9, 0_u8..5), 0..200),
        ) {
            let mut of: HashMap<Uuid, Place> = HashMap::new();
            for (person, score, second) in first {
                let place = place(person, score, second);
                of.insert(place.person, place);
            }
            let mut board = Board::new(of.values().copied().collect());
            for (person, score, second) in changes {
                let place = place(person, score, second);
                let set = (score > 0).then_some(place);
                match set {
                    Some(place) => drop(of.insert(place.person, place)),
                    None => drop(of.remove(&place.person)),
                }
                board.set(place.person, set);
            }
            let expected = expected(&of);
            prop_assert_eq!(board.len(), expected.len());
            prop_assert_eq!(board.page(0, usize::MAX), expected.clone());
            for (index, one) in expected.iter().enumerate() {
                prop_assert_eq!(board.standing(one.place.person), Some(*one));
                prop_assert_eq!(board.before(&one.place), index);
                prop_assert_eq!(board.page(index, 3), expected.iter().skip(index).take(3).copied().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_large_board_splits_its_blocks_and_stays_in_order() {
        let mut board = Board::default();
        for number in 0..5_000_u32 {
            let score = i64::from(number.wrapping_mul(7_919) % 1_000);
            let person = Uuid::from_u128(number.into());
            board.set(person, Some(Place { person, score, reached_at: DateTime::UNIX_EPOCH }));
        }
        assert!(board.blocks.iter().all(|block| !block.is_empty() && block.len() <= MOST));
        let page = board.page(0, usize::MAX);
        assert!(page.is_sorted_by_key(|one| key(&one.place)));
        assert_eq!((page.len(), page[0].rank, page[5].rank, page[4_999].rank), (5_000, 1, 6, 4_996));
    }
}
