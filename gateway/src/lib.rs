//! The gateway: Amazon SQS in front of karin's Redis module, and the poller that invokes Lambda
//! functions. See ARCHITECTURE.md.
#![forbid(unsafe_code)]

pub mod actions;
pub mod config;
pub mod identity;
pub mod lambda;
pub mod message_view;
pub mod protocol;
pub mod queues;
pub mod shutdown;
