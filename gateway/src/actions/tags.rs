//! The rules for tags.

use karin_core::limits::TAGS_MAX;

use crate::protocol::SqsError;
use crate::protocol::limits::{TAG_KEY_CHARACTERS_MAX, TAG_VALUE_CHARACTERS_MAX};

/// Checks tags, of a new queue or in addition.
///
/// Source: sqs-contract §4.7.
pub(super) fn check(queue_name: &str, tags: &[(String, String)]) -> Result<(), SqsError> {
    if tags.len() > TAGS_MAX {
        return Err(too_many(queue_name));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_CHARACTERS_MAX {
            return invalid(format!(
                "Tag keys must be between 1 and {TAG_KEY_CHARACTERS_MAX} characters in length."
            ));
        }
        if value.chars().count() > TAG_VALUE_CHARACTERS_MAX {
            return invalid(format!(
                "Tag values must be between 0 and {TAG_VALUE_CHARACTERS_MAX} characters in length."
            ));
        }
        for (what, text) in [("keys", key), ("values", value)] {
            if !text.chars().all(is_tag_character) {
                return invalid(format!(
                    "Tag {what} may only contain unicode letters, digits, whitespace, or one of \
                     these symbols: _ . : / = + - @"
                ));
            }
        }
        if key.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("aws:")) {
            return invalid("Tag keys must not begin with aws:".to_owned());
        }
    }
    Ok(())
}

/// The error for more tags than a queue can have.
pub(super) fn too_many(queue_name: &str) -> SqsError {
    SqsError::InvalidParameterValue(format!("Too many tags added for queue {queue_name}."))
}

/// Whitespace that is a control character is left out: XML could not give it back.
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric()
        || (c.is_whitespace() && !c.is_control())
        || matches!(c, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

fn invalid(text: String) -> Result<(), SqsError> {
    Err(SqsError::InvalidParameterValue(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(key: &str, value: &str, is_fine: bool) {
        let result = check("q", &[(key.to_owned(), value.to_owned())]);
        assert_eq!(result.is_ok(), is_fine, "{key}={value}: {result:?}");
    }

    // contract: 4.7-characters, 4.7-lengths
    #[test]
    fn tags_have_the_characters_and_lengths_of_the_contract() {
        check_one("cost centre", "ü/7@x", true);
        check_one("k", "", true);
        check_one(&"é".repeat(128), &"v".repeat(256), true);
        check_one(&"é".repeat(129), "", false);
        check_one("k", &"v".repeat(257), false);
        for (key, value) in [("", ""), ("aws:x", ""), ("AWS:x", ""), ("a&b", ""), ("k", "a\0b")] {
            check_one(key, value, false);
        }
        let many = vec![("k".to_owned(), String::new()); 51];
        assert!(check("q", &many).is_err());
    }
}
