//! The rules of a karin queue, once, for the module and the gateway.
//!
//! Pure: no Redis, no clock, no randomness, no I/O. Time (`now_ms`, milliseconds since 1970) and
//! random numbers are arguments, so every rule can be tested in microseconds and a replica that
//! is told the same effects holds the same state.
#![forbid(unsafe_code)]

pub mod attributes;
mod check;
mod defrag;
mod effects;
pub mod error;
mod expiry;
pub mod lease;
pub mod limits;
mod message;
pub mod queue;
pub mod receipt;
mod slab;
pub mod snapshot;
mod timed;
mod view;

pub use attributes::{AttributeName, Attributes, Tags};
pub use error::Error;
pub use lease::{Demand, Extension, Outcome};
pub use queue::{Counts, Hint, MessageView, PopOptions, Popped, Purged, Queue, SendOptions, Sent};
pub use receipt::Receipt;
