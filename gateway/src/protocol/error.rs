//! Every error SQS's clients can get, and how each looks in both protocols.

use std::borrow::Cow;
use std::fmt::Display;

use super::Protocol;
use super::access_error::AccessError;
use super::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};

/// The longest text of a client that an error repeats, in characters. Receipt handles, which SDKs
/// limit to 1,024, fit.
const ECHO_CHARACTERS_MAX: usize = 1_024;

/// An error as SQS names it.
///
/// Source: sqs-contract §§2, 4 and 10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqsError {
    /// Who asks may not, or did not prove who they are.
    Access(AccessError),
    /// Two entries of a batch share this Id.
    BatchEntryIdsNotDistinct(String),
    /// The messages of a batch sum up to so many bytes.
    BatchRequestTooLong(u64),
    /// A batch without entries; holds the name of the entry type.
    EmptyBatchRequest(&'static str),
    /// A bug, or an answer nobody expected; holds the cause, for the log only.
    InternalFailure(String),
    /// No such attribute, or not for this queue; holds the text.
    InvalidAttributeName(String),
    /// A queue attribute out of range; holds the text.
    InvalidAttributeValue(String),
    /// The Id of a batch entry has the wrong form.
    InvalidBatchEntryId,
    /// Characters SQS does not carry.
    InvalidMessageContents,
    /// A value SQS does not take; holds the text.
    InvalidParameterValue(String),
    /// The form or the URL's query is not well encoded.
    MalformedQueryString,
    /// A Query request that names no action.
    MissingAction,
    /// A required member is absent; holds its name.
    MissingParameter(Cow<'static, str>),
    /// A limit of SQS is passed; holds the text.
    OverLimit(String),
    /// The queue was purged a moment ago.
    PurgeQueueInProgress {
        /// Its name.
        queue: String,
        /// Seconds between two purges.
        cooldown_seconds: u64,
    },
    /// A queue of this name was deleted a moment ago.
    QueueDeletedRecently {
        /// Seconds between a deletion and a creation.
        cooldown_seconds: u64,
    },
    /// A queue of this name exists and has another value for this attribute.
    QueueNameExists(String),
    /// No such queue.
    QueueDoesNotExist,
    /// The queue belongs to another account, with `--strict-account`.
    QueueOfAnotherAccount,
    /// Not one of our receipt handles.
    ReceiptHandleIsInvalid(String),
    /// A receipt handle of another queue.
    ReceiptHandleOfAnotherQueue(String),
    /// Too much at once; holds the text.
    RequestThrottled(String),
    /// An ARN or a handle of a move task that leads nowhere; holds the text.
    ResourceNotFound(String),
    /// Not JSON, or a member of the wrong type; holds the text.
    Serialization(String),
    /// Redis is away or refuses, and clients repeat the request; holds the cause, for the log
    /// only.
    ServiceUnavailable(String),
    /// More entries than a batch may have: so many.
    TooManyEntriesInBatchRequest(usize),
    /// No such action, or not at this path.
    UnknownOperation(String),
    /// Something SQS's model has and SQS does not do; holds the text.
    UnsupportedOperation(&'static str),
}

/// The codes of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// `<Code>` in XML, the code in `x-amzn-query-error`, and `Code` in batch entries.
    pub query: &'static str,
    /// Namespace of `__type` in JSON.
    pub namespace: &'static str,
    /// `__type` in JSON after the `#`.
    pub json: &'static str,
    /// The HTTP status.
    pub status: u16,
}

impl ErrorCode {
    const fn modelled(json: &'static str, query: &'static str, status: u16) -> Self {
        Self { query, namespace: "com.amazonaws.sqs", json, status }
    }

    pub(super) const fn framework(json: &'static str, query: &'static str, status: u16) -> Self {
        Self { query, namespace: "com.amazon.coral.service", json, status }
    }

    /// Whose fault it is, as the wire says it.
    pub fn fault(self) -> &'static str {
        if self.is_sender_fault() { "Sender" } else { "Receiver" }
    }

    /// Whether the client can do better.
    pub fn is_sender_fault(self) -> bool {
        self.status < 500
    }
}

macro_rules! legacy {
    ($name:literal) => {
        concat!("AWS.SimpleQueueService.", $name)
    };
}

impl SqsError {
    /// `Value <value> for parameter <parameter> is invalid. Reason: <reason>`
    pub fn invalid_value(value: impl Display, parameter: &str, reason: &str) -> Self {
        let value = value.to_string();
        let value = echo(&value);
        let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::InvalidParameterValue(text)
    }

    /// `Invalid value for the parameter <attribute>.`
    pub fn invalid_attribute(attribute: &str) -> Self {
        Self::InvalidAttributeValue(format!("Invalid value for the parameter {attribute}."))
    }

    /// `Unknown Attribute <name>.`
    pub fn unknown_attribute(name: &str) -> Self {
        Self::InvalidAttributeName(format!("Unknown Attribute {}.", echo(name)))
    }

    /// The codes in both protocols and the status.
    ///
    /// Source: sqs-contract §§2.2 and 2.3.
    pub fn code(&self) -> ErrorCode {
        use ErrorCode as C;
        match self {
            Self::Access(error) => error.code(),
            Self::BatchEntryIdsNotDistinct(_) => {
                C::modelled("BatchEntryIdsNotDistinct", legacy!("BatchEntryIdsNotDistinct"), 400)
            }
            Self::BatchRequestTooLong(_) => {
                C::modelled("BatchRequestTooLong", legacy!("BatchRequestTooLong"), 400)
            }
            Self::EmptyBatchRequest(_) => {
                C::modelled("EmptyBatchRequest", legacy!("EmptyBatchRequest"), 400)
            }
            Self::InternalFailure(_) => C::framework("InternalFailure", "InternalFailure", 500),
            Self::InvalidAttributeName(_) => {
                C::modelled("InvalidAttributeName", "InvalidAttributeName", 400)
            }
            Self::InvalidAttributeValue(_) => {
                C::modelled("InvalidAttributeValue", "InvalidAttributeValue", 400)
            }
            Self::InvalidBatchEntryId => {
                C::modelled("InvalidBatchEntryId", legacy!("InvalidBatchEntryId"), 400)
            }
            Self::InvalidMessageContents => {
                C::modelled("InvalidMessageContents", "InvalidMessageContents", 400)
            }
            Self::InvalidParameterValue(_) => {
                C::framework("InvalidParameterValueException", "InvalidParameterValue", 400)
            }
            Self::MalformedQueryString => {
                C::framework("MalformedQueryString", "MalformedQueryString", 404)
            }
            Self::MissingAction => C::framework("MissingAction", "MissingAction", 404),
            Self::MissingParameter(_) => {
                C::framework("MissingRequiredParameterException", "MissingParameter", 400)
            }
            Self::OverLimit(_) => C::modelled("OverLimit", "OverLimit", 403),
            Self::PurgeQueueInProgress { .. } => {
                C::modelled("PurgeQueueInProgress", legacy!("PurgeQueueInProgress"), 403)
            }
            Self::QueueDeletedRecently { .. } => {
                C::modelled("QueueDeletedRecently", legacy!("QueueDeletedRecently"), 400)
            }
            Self::QueueNameExists(_) => C::modelled("QueueNameExists", "QueueAlreadyExists", 400),
            Self::QueueDoesNotExist | Self::QueueOfAnotherAccount => {
                C::modelled("QueueDoesNotExist", legacy!("NonExistentQueue"), 400)
            }
            Self::ReceiptHandleIsInvalid(_) | Self::ReceiptHandleOfAnotherQueue(_) => {
                C::modelled("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404)
            }
            Self::RequestThrottled(_) => C::modelled("RequestThrottled", "RequestThrottled", 403),
            Self::ResourceNotFound(_) => {
                C::modelled("ResourceNotFoundException", "ResourceNotFoundException", 404)
            }
            Self::Serialization(_) => C::framework("SerializationException", "MalformedInput", 400),
            Self::ServiceUnavailable(_) => {
                C::framework("ServiceUnavailable", "ServiceUnavailable", 503)
            }
            Self::TooManyEntriesInBatchRequest(_) => C::modelled(
                "TooManyEntriesInBatchRequest",
                legacy!("TooManyEntriesInBatchRequest"),
                400,
            ),
            Self::UnknownOperation(_) => {
                C::framework("UnknownOperationException", "InvalidAction", 400)
            }
            Self::UnsupportedOperation(_) => {
                C::modelled("UnsupportedOperation", legacy!("UnsupportedOperation"), 400)
            }
        }
    }

    /// What caused a server's fault; for the log, never sent.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::InternalFailure(cause) | Self::ServiceUnavailable(cause) => Some(cause),
            _ => None,
        }
    }

    /// The text for people.
    ///
    /// Source: sqs-contract §§2.4, 4 and 10.
    pub fn message(&self, protocol: Protocol) -> Cow<'_, str> {
        match self {
            Self::Access(error) => error.message(protocol),
            Self::BatchEntryIdsNotDistinct(id) => format!("Id {id} repeated.").into(),
            Self::BatchRequestTooLong(bytes) => format!(
                "Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. \
                 You have sent {bytes} bytes."
            )
            .into(),
            Self::EmptyBatchRequest(entry) => {
                format!("There should be at least one {entry} in the request.").into()
            }
            Self::InvalidAttributeName(text)
            | Self::InvalidAttributeValue(text)
            | Self::InvalidParameterValue(text)
            | Self::OverLimit(text)
            | Self::RequestThrottled(text)
            | Self::ResourceNotFound(text)
            | Self::Serialization(text) => text.into(),
            Self::MissingParameter(name) => {
                format!("The request must contain the parameter {name}.").into()
            }
            Self::PurgeQueueInProgress { queue, cooldown_seconds } => format!(
                "Only one PurgeQueue operation on {queue} is allowed every {cooldown_seconds} \
                 seconds."
            )
            .into(),
            Self::QueueDeletedRecently { cooldown_seconds } => format!(
                "You must wait {cooldown_seconds} seconds after deleting a queue before you can \
                 create another with the same name."
            )
            .into(),
            Self::QueueNameExists(attribute) => format!(
                "A queue already exists with the same name and a different value for attribute \
                 {attribute}"
            )
            .into(),
            Self::ReceiptHandleIsInvalid(handle) => format!(
                "The input receipt handle \"{}\" is not a valid receipt handle.",
                echo(handle)
            )
            .into(),
            Self::ReceiptHandleOfAnotherQueue(handle) => {
                format!("The receipt handle \"{}\" is not valid for this queue.", echo(handle))
                    .into()
            }
            Self::TooManyEntriesInBatchRequest(count) => format!(
                "Maximum number of entries per request are {BATCH_ENTRIES_MAX}. \
                 You have sent {count}."
            )
            .into(),
            Self::UnknownOperation(action) => {
                format!("The action {} is not valid for this endpoint.", echo(action)).into()
            }
            other => other.fixed_text(protocol).into(),
        }
    }

    /// The text of an error that says the same whatever the request.
    fn fixed_text(&self, protocol: Protocol) -> &'static str {
        match self {
            Self::InvalidBatchEntryId => {
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long."
            }
            Self::InvalidMessageContents => {
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
                 #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
            }
            Self::MalformedQueryString => "The query string contains a syntax error.",
            Self::MissingAction => "The request is missing an action.",
            Self::QueueDoesNotExist => match protocol {
                Protocol::Json => "The specified queue does not exist.",
                Protocol::Query | Protocol::QueryJson => {
                    "The specified queue does not exist for this wsdl version."
                }
            },
            Self::QueueOfAnotherAccount => {
                "The specified queue does not exist or you do not have access to it."
            }
            Self::ServiceUnavailable(_) => {
                "The request has failed due to a temporary failure of the server."
            }
            Self::UnsupportedOperation(text) => text,
            _ => "The request processing has failed because of an unknown error.",
        }
    }
}

/// The text, cut where it is longer than an error repeats.
pub(crate) fn echo(text: &str) -> &str {
    text.char_indices()
        .nth(ECHO_CHARACTERS_MAX)
        .map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
