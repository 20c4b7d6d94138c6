//! ChangeMessageVisibility.
//!
//! Source: sqs-contract §4.10; <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
//! APIReference/API_ChangeMessageVisibility.html>.

use super::number::within;
use super::{Sqs, failure, receipt_handle};
use crate::protocol::request::ChangeMessageVisibility;
use crate::protocol::{SqsError, limits};
use crate::queues::Demand;

pub(super) async fn handle(sqs: &Sqs, input: ChangeMessageVisibility) -> Result<(), SqsError> {
    let queue = input.queue?;
    let handle = input.receipt_handle;
    let Some(seconds) = within(input.visibility_timeout, &limits::VISIBILITY_TIMEOUT_SECONDS)
    else {
        let reason = "Must be between 0 and 43200.";
        let error = SqsError::invalid_value(input.visibility_timeout, "VisibilityTimeout", reason);
        return Err(sqs.refusal(&queue, error).await);
    };
    if !receipt_handle::is_well_formed(&handle) {
        return Err(sqs.refusal(&queue, SqsError::ReceiptHandleIsInvalid(handle)).await);
    }
    let outcomes = sqs.queues.extend(&queue, &[(&handle, seconds)], Demand::Any).await;
    match outcomes.map_err(failure::of_request)?.first() {
        Some(outcome) => receipt_handle::judge_change(*outcome, handle, input.visibility_timeout),
        None => Err(SqsError::InternalFailure("no answer for the receipt".to_owned())),
    }
}
