//! The queue from outside: its rules one by one, and at random against a naive model.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking"
)]

mod common;
mod effects;
mod fifo;
mod model;
mod naive;
mod rules;
mod world;
