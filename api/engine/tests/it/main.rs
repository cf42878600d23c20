//! The engine from outside: tables of rules, properties of order, and the built-in packs.
//! Declared as tests, so that the lints recognise their helper functions.

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
mod publication;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod streaks;
