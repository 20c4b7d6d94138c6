//! What the three actions of move tasks have in common: ARNs and handles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Sqs;
use crate::arn::{ArnError, QueueArn};
use crate::protocol::SqsError;
use crate::queues::QueueName;

/// What a TaskHandle says.
///
/// Source: sqs-contract §4.11.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handle {
    pub(super) task_id: String,
    pub(super) source_arn: String,
}

impl Handle {
    /// As clients get it.
    pub(super) fn to_text(&self) -> Result<String, SqsError> {
        let json = serde_json::to_vec(self);
        let json = json.map_err(|error| SqsError::InternalFailure(error.to_string()))?;
        Ok(STANDARD.encode(json))
    }

    /// Reads what a client gives.
    pub(super) fn parse(text: &str) -> Result<Self, SqsError> {
        let handle = STANDARD.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
        handle.ok_or_else(|| {
            SqsError::InvalidParameterValue("Value for parameter TaskHandle is invalid.".to_owned())
        })
    }
}

/// The queue an ARN names; `None` if it names something else, or a queue of another account or
/// region with `--strict-account`. `member` is where it was given. Errors: it is no ARN.
///
/// Source: sqs-contract §4.11.
pub(super) fn queue_of_arn(
    sqs: &Sqs,
    arn: &str,
    member: &'static str,
) -> Result<Option<QueueName>, SqsError> {
    match QueueArn::parse(arn) {
        Ok(arn) => Ok(sqs.identity.owns(&arn).then_some(arn.queue)),
        Err(ArnError::NotSqs) => Ok(None),
        Err(ArnError::Malformed) => Err(SqsError::InvalidParameterValue(format!(
            "You must use this format to specify the {member}: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        ))),
    }
}

/// The queue in that member is not there.
///
/// Source: sqs-contract §4.11.
pub(super) fn no_such_resource(member: &'static str) -> SqsError {
    SqsError::ResourceNotFound(format!(
        "The resource that you specified for the {member} parameter doesn't exist."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    // contract: 4.11-task-handle
    #[test]
    fn a_handle_is_read_as_it_was_written() {
        let handle = Handle { task_id: "t".to_owned(), source_arn: "arn:aws:sqs:r:1:q".to_owned() };
        let text = handle.to_text().expect("JSON");
        let json = STANDARD.decode(&text).expect("base64");
        assert_eq!(json, br#"{"taskId":"t","sourceArn":"arn:aws:sqs:r:1:q"}"#);
        assert_eq!(Handle::parse(&text), Ok(handle));
        for bad in ["", "x", "e30=", "bnVsbA==", "eyJ0YXNrSWQiOjF9"] {
            assert!(Handle::parse(bad).is_err(), "{bad}");
        }
    }
}
