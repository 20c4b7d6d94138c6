//! All integration tests, one binary: a folder or file per part.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic as the tests do"
)]

mod admin;
mod cli;
mod clients;
mod deployment;
mod docs;
mod examples;
mod faults;
mod gateway;
mod golden;
mod harness;
mod lambda;
mod module;
mod sqs;
mod tidy;
