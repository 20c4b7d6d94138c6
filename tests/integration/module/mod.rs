//! The module on a real redis-server: what docs/commands.md promises.

mod client;
mod commands;
mod concurrency;
mod delivery;
mod durability;
mod errors;
mod fuzz;
mod hints;
mod hostile_input;
mod keyspace;
mod persistence;
mod random_commands;
mod registry;
mod replication;
