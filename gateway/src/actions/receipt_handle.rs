//! Receipt handles, which are the module's receipts as they are.

use crate::protocol::SqsError;
use crate::queues::ReceiptOutcome;

/// Characters of a receipt (docs/commands.md, "Receipts").
const LENGTH: usize = 36;

/// Whether a handle can be a receipt: any other never reaches Redis, where it could be read as an
/// option of a command.
pub(super) fn is_well_formed(handle: &str) -> bool {
    handle.len() == LENGTH
        && handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What deleting by this handle came to. A message that is gone already is deleted.
///
/// Source: sqs-contract §4.10.
pub(super) fn judge_deletion(outcome: ReceiptOutcome, handle: String) -> Result<(), SqsError> {
    match outcome {
        ReceiptOutcome::Done | ReceiptOutcome::Gone => Ok(()),
        ReceiptOutcome::Stale | ReceiptOutcome::TooLong | ReceiptOutcome::Changed => {
            let reason = "The receipt handle has expired.";
            Err(SqsError::invalid_value(handle, "ReceiptHandle", reason))
        }
        ReceiptOutcome::Foreign => Err(SqsError::ReceiptHandleOfAnotherQueue(handle)),
        ReceiptOutcome::Malformed => Err(SqsError::ReceiptHandleIsInvalid(handle)),
    }
}

/// What changing the visibility by this handle, to so many seconds, came to.
///
/// Source: sqs-contract §4.10.
pub(super) fn judge_change(
    outcome: ReceiptOutcome,
    handle: String,
    visibility_timeout: i64,
) -> Result<(), SqsError> {
    match outcome {
        ReceiptOutcome::Done => Ok(()),
        ReceiptOutcome::TooLong => {
            let reason =
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            Err(SqsError::invalid_value(visibility_timeout, "VisibilityTimeout", reason))
        }
        ReceiptOutcome::Gone | ReceiptOutcome::Stale | ReceiptOutcome::Changed => {
            let reason =
                "Message does not exist or is not available for visibility timeout change.";
            Err(SqsError::invalid_value(handle, "ReceiptHandle", reason))
        }
        ReceiptOutcome::Foreign => Err(SqsError::ReceiptHandleOfAnotherQueue(handle)),
        ReceiptOutcome::Malformed => Err(SqsError::ReceiptHandleIsInvalid(handle)),
    }
}
