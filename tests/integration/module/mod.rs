//! The module on a real redis-server: what docs/commands.md promises.

mod blocking;
mod citizen;
mod client;
mod clock;
mod commands;
mod concurrency;
mod dead_letters;
mod dedup;
mod delivery;
mod docs;
mod durability;
mod errors;
mod fifo;
mod fuzz;
mod hints;
mod hostile_input;
mod in_flight;
mod keyspace;
mod looking;
mod pair;
mod persistence;
mod random_commands;
mod real_time;
mod registry;
mod replication;
mod steps;
