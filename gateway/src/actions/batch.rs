//! The checks every batch has.

use std::collections::HashSet;

use crate::protocol::SqsError;
use crate::protocol::limits::{BATCH_ENTRIES_MAX, ENTRY_ID_BYTES_MAX};

/// Checks the number of entries and their Ids; `entry_type` is the entries' name in SQS's model.
///
/// Source: sqs-contract §10, in the order of §2.5.
pub(super) fn check<'a>(
    ids: impl ExactSizeIterator<Item = &'a str> + Clone,
    entry_type: &'static str,
) -> Result<(), SqsError> {
    match ids.len() {
        0 => return Err(SqsError::EmptyBatchRequest(entry_type)),
        count if count > BATCH_ENTRIES_MAX => {
            return Err(SqsError::TooManyEntriesInBatchRequest(count));
        }
        _ => {}
    }
    if !ids.clone().all(is_entry_id) {
        return Err(SqsError::InvalidBatchEntryId);
    }
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(SqsError::BatchEntryIdsNotDistinct(id.to_owned()));
        }
    }
    Ok(())
}

fn is_entry_id(id: &str) -> bool {
    (1..=ENTRY_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(ids: &[&str], expected: SqsError) {
        assert_eq!(check(ids.iter().copied(), "SendMessageBatchRequestEntry"), Err(expected));
    }

    // contract: 2.5-batch-order
    #[test]
    fn the_whole_batch_is_refused_for_its_ids_in_the_order_of_the_contract() {
        refused(&[], SqsError::EmptyBatchRequest("SendMessageBatchRequestEntry"));
        refused(&["!"; 11], SqsError::TooManyEntriesInBatchRequest(11));
        for bad in ["", "a b", "ü", "a.b", &"x".repeat(81)] {
            refused(&["a", "a", bad], SqsError::InvalidBatchEntryId);
        }
        refused(
            &["id_1", "id_2", "id_2", "id_1"],
            SqsError::BatchEntryIdsNotDistinct("id_2".to_owned()),
        );
        let longest = "x".repeat(80);
        assert_eq!(check([longest.as_str(), "a-_9"].into_iter(), ""), Ok(()));
    }
}
