//! The engine from outside: rules in tables, order in properties, the packs that ship.

mod order;
mod packs;
mod playground;
