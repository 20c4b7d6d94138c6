//! The module on a real redis-server: what docs/commands.md promises.

mod client;
mod commands;
mod dead_letters;
mod dedup;
mod delivery;
mod docs;
mod errors;
mod fifo;
mod hints;
mod hostile_input;
mod looking;
mod pair;
mod persistence;
mod registry;
mod replication;
mod steps;
