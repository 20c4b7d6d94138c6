//! The module on a real redis-server: what docs/commands.md promises.

mod blocking;
mod citizen;
mod client;
mod clock;
mod commands;
mod delivery;
mod errors;
mod hints;
mod hostile_input;
mod persistence;
mod registry;
mod replication;
