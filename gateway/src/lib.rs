//! The gateway: Amazon SQS in front of karin's Redis module, and the poller that invokes Lambda
//! functions. See ARCHITECTURE.md.
#![forbid(unsafe_code)]

pub mod actions;
mod admin;
pub mod arn;
pub mod auth;
mod body;
mod browser;
pub mod cli;
pub mod config;
mod data_dir;
mod embedded;
mod epoch;
pub mod exec;
pub mod filter;
mod hex;
mod history;
mod http;
pub mod identity;
pub mod lambda;
pub mod logging;
pub mod message_view;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
pub mod protocol;
pub mod queues;
mod run;
pub mod shutdown;
mod systemd;
mod try_filter;
mod version;

pub use run::{RunError, run};
