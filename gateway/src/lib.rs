//! The gateway: Amazon SQS in front of karin's Redis module, and the poller that invokes Lambda
//! functions. See ARCHITECTURE.md.
#![forbid(unsafe_code)]

pub mod queues;
