//! The queue from outside: its rules one by one, and at random against a naive model.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking"
)]

mod attempt;
mod chosen;
mod clock;
mod common;
mod dead;
mod dedup;
mod effects;
mod fair;
mod fifo;
mod model;
mod naive;
mod rules;
mod sweep;
mod world;
