//! The engine from outside: rules in tables, order in properties, the packs that ship.
//! Marked as tests, so that the lints know their helpers for what they are.

#[cfg(test)]
mod late;
#[cfg(test)]
mod order;
#[cfg(test)]
mod packs;
#[cfg(test)]
mod playground;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod rules;
