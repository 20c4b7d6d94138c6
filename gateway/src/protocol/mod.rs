//! SQS on the wire: bytes → typed request, typed response → bytes. Pure: no clock, no Redis.

pub mod md5;
mod text;

pub use text::is_sqs_text;
pub(crate) use text::is_sqs_utf8;
