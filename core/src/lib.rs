//! The rules of a karin queue, once, for the module and the gateway.
//!
//! Pure: no Redis, no clock, no randomness, no I/O. Time (`now_ms`, milliseconds since 1970) and
//! random numbers are arguments, so every rule can be tested in microseconds and a replica that
//! is told the same effects holds the same state.
#![forbid(unsafe_code)]

mod attempt;
pub mod attributes;
mod check;
pub mod chosen;
pub mod dead;
pub mod dedup;
mod defrag;
mod effects;
pub mod error;
pub mod extras;
mod groups;
pub mod lease;
pub mod limits;
mod message;
pub mod pop;
pub mod queue;
pub mod receipt;
mod records;
pub mod send;
mod sequence;
mod slab;
pub mod snapshot;
pub mod sweep;
mod timed;
pub mod view;

pub use attributes::{AttributeName, Attributes, DeduplicationScope, Tags};
pub use chosen::Dropped;
pub use dead::Letter;
pub use error::Error;
pub use lease::{Demand, Extension, Outcome};
pub use pop::{PopOptions, Popped};
pub use queue::{Hint, Purged, Queue};
pub use receipt::Receipt;
pub use send::{Moved, SendOptions, Sent};
pub use sweep::{Corrected, Swept};
pub use view::{Counts, MessageView, Peeked, State, sequence_text};
