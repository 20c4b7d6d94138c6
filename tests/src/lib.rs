//! What the integration tests stand on: real servers, started and stopped, and a raw HTTP client.
//!
//! Nothing here stands in for anything: [`redis::RedisServer`] is a `redis-server` process with
//! the built module, [`gateway::Gateway`] the built `karin` binary. Build both before the tests
//! (`make test` does): `cargo build -p karin-module -p karin-gateway`.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a tool of tests: to panic with the reason is how it reports"
)]

pub mod artifact;
pub mod clients;
pub mod gateway;
pub mod http;
pub mod port;
pub mod redis;
pub mod sigv4;
pub mod wait;

mod process;
