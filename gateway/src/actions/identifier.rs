//! The ids a client chooses: MessageGroupId, MessageDeduplicationId, ReceiveRequestAttemptId.

use crate::protocol::{SqsError, limits};

/// Checks the id a parameter holds.
///
/// Source: sqs-contract §4.8.
pub(super) fn check(parameter: &'static str, id: &str) -> Result<(), SqsError> {
    let valid = (1..=limits::GROUP_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    if valid {
        return Ok(());
    }
    let reason = format!(
        "{parameter} can only include alphanumeric and punctuation characters. 1 to {} in length.",
        limits::GROUP_ID_BYTES_MAX
    );
    Err(SqsError::invalid_value(id, parameter, &reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_punctuation_character_may_stand_in_an_id() {
        let id = "AZaz09!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
        assert_eq!(check("MessageGroupId", id), Ok(()));
        assert_eq!(check("MessageGroupId", &"x".repeat(128)), Ok(()));
    }

    #[test]
    fn other_ids_are_refused_by_the_name_of_their_parameter() {
        for id in ["", "a b", "ü", "a\n", "a\u{7f}", &"x".repeat(129)] {
            let text = format!(
                "Value {id} for parameter ReceiveRequestAttemptId is invalid. Reason: \
                 ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. \
                 1 to 128 in length."
            );
            let refused = Err(SqsError::InvalidParameterValue(text));
            assert_eq!(check("ReceiveRequestAttemptId", id), refused);
        }
    }
}
