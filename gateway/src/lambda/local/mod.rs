//! Functions that run on this machine, as processes that speak the Lambda Runtime API.
//!
//! A process takes one event at a time; concurrency is processes. They start when an event needs
//! one, stay for the next, end when there is none for long or their files have changed, and are
//! killed with their whole group when they fail, time out, or the gateway stops.

mod background;
mod call;
mod changes;
mod environment;
mod folder;
mod output;
mod pool;
mod process;
mod reaper;
mod runtime_api;
mod settings;

pub(super) use call::{ClientContext, LocalAnswer, LocalCall};
pub(super) use folder::LocalFunctions;
pub(super) use pool::LocalFunction;
pub use reaper::{REAPER_SUBCOMMAND, run as run_reaper};

#[cfg(test)]
mod tests;
