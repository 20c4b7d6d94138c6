//! What clients get: errors with their class as the first word, and the shapes of replies.
//!
//! Replies are written straight to the client, without a tree of values in between: POPDUE answers
//! with up to 12,000 of them. Bodies, ids and names are bulk strings, since simple strings cannot
//! hold any byte.

use std::ffi::{CStr, c_char, c_long};

use karin_core::Error;
use redis_module::{Context, raw};

/// Why a command is refused; nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Wrong options or too many arguments.
    Syntax,
    /// Not seconds, or too many.
    NotSeconds { what: &'static str, maximum: u64 },
    /// Not a whole number, or out of range.
    NotInteger { what: &'static str, minimum: u64, maximum: u64 },
    /// Empty, or longer than so many bytes.
    NotShort { what: &'static str, maximum: usize },
    /// Not so many hexadecimal digits.
    NotHexadecimal { what: &'static str, digits: usize },
    /// Refused for a reason of its own.
    Refused(&'static str),
    /// The key holds something else.
    WrongType,
    /// The key does not exist.
    NoQueue,
    /// The key exists.
    Exists,
    /// An attribute has another value than was demanded.
    Changed,
    /// An attribute that does not exist: its name.
    UnknownAttribute(Vec<u8>),
    /// The queue refuses.
    Queue(Error),
    /// A bug: what is wrong.
    Internal(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Queue(error)
    }
}

impl Failure {
    /// The text of the reply; its first word is the class.
    fn text(&self) -> String {
        match self {
            Self::Syntax => "ERR syntax error".to_owned(),
            Self::NotSeconds { what, maximum } => {
                format!("ERR {what} must be seconds from 0 to {maximum}")
            }
            Self::NotInteger { what, minimum, maximum } => {
                format!("ERR {what} must be a whole number from {minimum} to {maximum}")
            }
            Self::NotShort { what, maximum } => {
                format!("ERR {what} must have 1 to {maximum} bytes")
            }
            Self::NotHexadecimal { what, digits } => {
                format!("ERR {what} must be {digits} hexadecimal digits")
            }
            Self::Refused(reason) => format!("ERR {reason}"),
            Self::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value".to_owned()
            }
            Self::NoQueue => "KARINNOQUEUE no such queue".to_owned(),
            Self::Exists => "KARINEXISTS the queue exists".to_owned(),
            Self::Changed => "KARINCHANGED an attribute has another value".to_owned(),
            Self::UnknownAttribute(name) => {
                format!("KARINATTRIBUTE unknown attribute '{}'", excerpt(name))
            }
            Self::Queue(error) => queue_text(error),
            Self::Internal(what) => format!("KARININTERNAL {what}"),
        }
    }

    /// Answers with it.
    pub(crate) fn reply(&self, ctx: &Context) {
        ctx.reply_error_string(&self.text());
    }
}

fn queue_text(error: &Error) -> String {
    let class = class(error).to_string_lossy();
    match error {
        Error::TooLarge { size_bytes, maximum_message_size_bytes } => format!(
            "{class} message of {size_bytes} bytes, \
             MaximumMessageSize is {maximum_message_size_bytes} bytes"
        ),
        _ => format!("{class} {error}"),
    }
}

/// The class of a queue's refusal: the first word of the error's text.
pub(crate) fn class(error: &Error) -> &'static CStr {
    match error {
        Error::TooLarge { .. } => c"KARINTOOLARGE",
        Error::Full => c"KARINFULL",
        Error::GroupRequired => c"KARINNOGROUP",
        Error::DeduplicationRequired => c"KARINNODEDUP",
        Error::DeduplicationOnStandard => c"KARINNOTFIFO",
        Error::DelayOnFifo => c"KARINFIFODELAY",
        Error::Throttled => c"KARINTHROTTLED",
        Error::Moved { .. } => c"KARINMOVED",
        Error::DelayBeyondRetention | Error::InvalidId | Error::Corrupt(_) => c"ERR",
        Error::UnknownAttribute | Error::InvalidValue(_) | Error::Tags => c"KARINATTRIBUTE",
    }
}

/// A client's bytes, as one line of an error text.
fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 64;
    bytes
        .iter()
        .take(LONGEST)
        .copied()
        .flat_map(std::ascii::escape_default)
        .map(char::from)
        .collect()
}

/// Writes a reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply<'a>(pub(crate) &'a Context);

impl Reply<'_> {
    /// An array; its elements follow.
    pub(crate) fn array(self, length: usize) {
        raw::reply_with_array(self.0.ctx, c_long::try_from(length).unwrap_or(c_long::MAX));
    }

    /// A map; its names and values follow. A flat array in RESP2.
    pub(crate) fn map(self, length: usize) {
        raw::reply_with_map(self.0.ctx, c_long::try_from(length).unwrap_or(c_long::MAX));
    }

    /// Bytes.
    pub(crate) fn bulk(self, bytes: &[u8]) {
        raw::reply_with_string_buffer(self.0.ctx, bytes.as_ptr().cast::<c_char>(), bytes.len());
    }

    /// A word of ours.
    pub(crate) fn simple(self, word: &CStr) {
        raw::reply_with_simple_string(self.0.ctx, word.as_ptr());
    }

    /// A number that cannot be negative.
    pub(crate) fn number(self, number: u64) {
        self.integer(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// A number, -1 for none.
    pub(crate) fn number_or_none(self, number: Option<u64>) {
        self.integer(number.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX)));
    }

    /// A count of things in memory.
    pub(crate) fn count(self, count: usize) {
        self.integer(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Any number.
    pub(crate) fn integer(self, number: i64) {
        raw::reply_with_long_long(self.0.ctx, number);
    }

    /// Nothing.
    pub(crate) fn null(self) {
        raw::reply_with_null(self.0.ctx);
    }

    /// `OK`.
    pub(crate) fn ok(self) {
        self.simple(c"OK");
    }

    /// A field of a map: its name.
    pub(crate) fn field(self, name: &str) -> Self {
        self.bulk(name.as_bytes());
        self
    }
}
