//! The rules for message attributes.

use crate::protocol::request::AttributeValue;
use crate::protocol::{SqsError, echo, is_sqs_text, limits};
use crate::queues::attributes::MessageAttribute;

/// The only system attribute a sender may set.
pub(super) const TRACE_HEADER: &str = "AWSTraceHeader";

/// Checks user attributes.
///
/// Source: sqs-contract §6.2.
pub(super) fn check_user(
    given: Vec<(String, AttributeValue)>,
) -> Result<Vec<MessageAttribute>, SqsError> {
    if given.len() > limits::MESSAGE_ATTRIBUTES_MAX {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{}].",
            given.len(),
            limits::MESSAGE_ATTRIBUTES_MAX
        )));
    }
    let mut checked: Vec<MessageAttribute> = Vec::with_capacity(given.len());
    for (name, value) in given {
        check_name(&name)?;
        if checked.iter().any(|other| other.name == name) {
            return Err(invalid(format!("Message (user) attribute '{name}' is given twice.")));
        }
        checked.push(check_value(name, value)?);
    }
    Ok(checked)
}

/// Checks system attributes.
///
/// Source: sqs-contract §6.2.
pub(super) fn check_system(
    given: Vec<(String, AttributeValue)>,
) -> Result<Vec<MessageAttribute>, SqsError> {
    let mut checked: Vec<MessageAttribute> = Vec::new();
    for (name, value) in given {
        let is_string = value.data_type.as_deref() == Some("String");
        if name != TRACE_HEADER || !is_string || !checked.is_empty() {
            let name = echo(&name);
            return Err(invalid(format!("Message system attribute name '{name}' is invalid.")));
        }
        checked.push(check_value(name, value)?);
    }
    Ok(checked)
}

fn check_name(name: &str) -> Result<(), SqsError> {
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    let problem = if name.is_empty() {
        "Message (user) attribute name must not be empty."
    } else if name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX {
        "Message (user) attribute name must be shorter than 256 bytes."
    } else if begins("aws.") || begins("amazon.") {
        "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings \
         are reserved for internal use."
    } else if name.starts_with('.') {
        "Message (user) attribute name must not begin with character '.'."
    } else if name.ends_with('.') {
        "Message (user) attribute name must not end with character '.'."
    } else if name.contains("..") {
        "Message (user) attribute name must not have successive '.' characters."
    } else if !name.chars().all(is_name_character) {
        return Err(invalid(format!(
            "The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, \
             0-9, underscore (_), hyphen (-), and period (.) characters."
        )));
    } else {
        return Ok(());
    };
    Err(invalid(problem.to_owned()))
}

/// AWS also takes accented Latin letters (sqs-contract §6.2).
fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{c0}'..='\u{17f}')
}

fn check_value(name: String, value: AttributeValue) -> Result<MessageAttribute, SqsError> {
    if value.has_list_values {
        return Err(SqsError::UnsupportedOperation(
            "Message attribute list values in SendMessage operation are not supported.",
        ));
    }
    let data_type = value.data_type.unwrap_or_default();
    if data_type.is_empty() {
        return Err(invalid(format!(
            "The message (user) attribute '{name}' must contain a non-empty message attribute type."
        )));
    }
    let base = data_type.split('.').next().unwrap_or_default();
    let valid_type = matches!(base, "String" | "Number" | "Binary")
        && data_type.chars().count() <= limits::DATA_TYPE_CHARACTERS_MAX
        && data_type.chars().all(is_name_character);
    if !valid_type {
        return Err(invalid(format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the \
             following supported type prefixes: Binary, Number, String."
        )));
    }
    let text = value.string_value.filter(|text| !text.is_empty());
    let bytes = value.binary_value.filter(|bytes| !bytes.is_empty());
    let value = match (base, text, bytes) {
        (_, Some(_), Some(_)) => {
            return Err(invalid(format!(
                "Message (user) attribute '{name}' must have a single value."
            )));
        }
        ("Binary", None, Some(bytes)) => bytes,
        ("String" | "Number", Some(text), None) => check_text(&name, base, text)?,
        (_, None, None) => {
            return Err(invalid(format!(
                "Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
            )));
        }
        (_, _, _) => {
            let field = if base == "Binary" { "Binary" } else { "String" };
            return Err(invalid(format!(
                "Message (user) attribute '{name}' with type '{base}' must use field '{field}'."
            )));
        }
    };
    Ok(MessageAttribute { name, data_type, value })
}

fn check_text(name: &str, base: &str, text: String) -> Result<Vec<u8>, SqsError> {
    if base == "Number" && !is_number(&text) {
        return Err(invalid(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    if !is_sqs_text(&text) {
        return Err(invalid(format!(
            "Invalid characters found in the value of message (user) attribute '{name}'."
        )));
    }
    Ok(text.into_bytes())
}

/// A decimal number with optional sign, fraction and exponent, of at most 38 significant digits,
/// 0 or of a magnitude between 10^-128 and 10^126.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)),
        None => (unsigned, Some(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(exponent) = exponent else {
        return false;
    };
    if mantissa.len() <= mantissa.matches('.').count()
        || !all_digits(whole)
        || !all_digits(fraction)
    {
        return false;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return true;
    }
    // The place of the first significant digit: 0 for units, -1 for tenths.
    let length = |part: &str| i64::try_from(part.len()).unwrap_or(i64::MAX);
    let place = length(whole) - 1 - (length(&digits) - length(significant));
    significant.trim_end_matches('0').len() <= limits::NUMBER_DIGITS_MAX
        && limits::NUMBER_EXPONENT.contains(&place.saturating_add(exponent))
}

/// An exponent with an optional sign; `None` if it is none.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let sign = if text.starts_with('-') { -1 } else { 1 };
    valid.then(|| sign * digits.parse::<i64>().unwrap_or(i64::MAX / 2))
}

fn invalid(text: String) -> SqsError {
    SqsError::InvalidParameterValue(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    fn value(data_type: &str, text: &str) -> AttributeValue {
        AttributeValue {
            data_type: Some(data_type.into()),
            string_value: Some(text.into()),
            ..AttributeValue::default()
        }
    }

    fn binary(bytes: &[u8]) -> AttributeValue {
        AttributeValue {
            data_type: Some("Binary".into()),
            binary_value: Some(bytes.into()),
            ..AttributeValue::default()
        }
    }

    #[track_caller]
    fn refused(name: &str, value: AttributeValue, text: &str) {
        let error = check_user(vec![(name.into(), value)]).expect_err(name);
        assert_eq!(error.message(Protocol::Json), text, "{name}");
    }

    #[test]
    fn names_follow_the_contract() {
        for good in ["k", "A-z_0.9", "attr.1øßä", "AWSx", &"n".repeat(256)] {
            assert!(check_user(vec![(good.into(), value("String", "x"))]).is_ok(), "{good}");
        }
        let reserved = "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. \
                        These strings are reserved for internal use.";
        for (bad, text) in [
            ("aws.x", reserved),
            ("AMAZON.x", reserved),
            (".x", "Message (user) attribute name must not begin with character '.'."),
            ("x.", "Message (user) attribute name must not end with character '.'."),
            ("x..y", "Message (user) attribute name must not have successive '.' characters."),
            (&"n".repeat(257), "Message (user) attribute name must be shorter than 256 bytes."),
        ] {
            refused(bad, value("String", "x"), text);
        }
        for bad in ["", "!\"§(?", "a b", "a€"] {
            assert!(check_user(vec![(bad.into(), value("String", "x"))]).is_err(), "{bad}");
        }
    }

    #[test]
    fn types_and_values_follow_the_contract() {
        for good in ["String", "String.foo", "Number.int", "Number.java.lang.Long"] {
            assert!(check_user(vec![("x".into(), value(good, "1"))]).is_ok(), "{good}");
        }
        let unsupported = "The type of message (user) attribute 'x' is invalid. You must use only \
                           the following supported type prefixes: Binary, Number, String.";
        for bad in ["string", "Stringx", "Foo", "String.!", &format!("String.{}", "x".repeat(256))]
        {
            refused("x", value(bad, "1"), unsupported);
        }
        refused(
            "x",
            value("", "1"),
            "The message (user) attribute 'x' must contain a non-empty message attribute type.",
        );
        refused(
            "ErrorDetails",
            value("String", ""),
            "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type \
             'String'.",
        );
        refused(
            "x",
            value("Binary", "1"),
            "Message (user) attribute 'x' with type 'Binary' must use field 'Binary'.",
        );
        refused(
            "x",
            AttributeValue { data_type: Some("Number".into()), ..binary(b"1") },
            "Message (user) attribute 'x' with type 'Number' must use field 'String'.",
        );
        refused(
            "x",
            AttributeValue { string_value: Some("1".into()), ..binary(b"1") },
            "Message (user) attribute 'x' must have a single value.",
        );
        refused(
            "x",
            AttributeValue { has_list_values: true, ..value("String", "1") },
            "Message attribute list values in SendMessage operation are not supported.",
        );
        assert!(check_user(vec![("x".into(), value("String", "\u{1}"))]).is_err());
    }

    #[test]
    fn ten_attributes_of_different_names_are_the_most() {
        let many = |count: usize| {
            let one = |index: usize| (format!("a{index}"), value("String", "x"));
            check_user((0..count).map(one).collect())
        };
        assert_eq!(many(10).map(|attributes| attributes.len()), Ok(10));
        let text = "Number of message attributes [11] exceeds the allowed maximum [10].";
        assert_eq!(many(11), Err(SqsError::InvalidParameterValue(text.into())));
        let twice = vec![("a".into(), value("String", "x")), ("a".into(), value("String", "y"))];
        assert!(check_user(twice).is_err());
    }

    // contract: 6.2-number
    #[test]
    fn numbers_are_decimal_and_of_38_digits() {
        let nines = "9".repeat(38);
        for good in
            ["0", "-1.50", "+3", "1e5", "1E-128", "9.9e126", ".5", "5.", "-0.0", "000", &nines]
        {
            assert!(is_number(good), "{good}");
        }
        assert!(is_number(&format!("0.{}{nines}", "0".repeat(80))));
        assert!(is_number(&format!("{nines}{}", "0".repeat(80))));
        for bad in [
            "",
            "-",
            ".",
            "x",
            "1x",
            "1 ",
            " 1",
            "1e",
            "1e+",
            "e5",
            "1.2.3",
            "--1",
            "0x1",
            "1_000",
            "NaN",
            "inf",
            "1e127",
            "1e-129",
            "1e99999999999999999999",
            "١",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
        assert!(!is_number(&"9".repeat(39)));
        assert!(!is_number(&format!("1{}", "0".repeat(127))));
        refused(
            "x",
            value("Number.int", "one"),
            "Can't cast the value of message (user) attribute 'x' to a number.",
        );
    }

    #[test]
    fn only_the_trace_header_is_a_system_attribute() {
        let one = |name: &str, value| check_system(vec![(name.into(), value)]);
        assert!(one(TRACE_HEADER, value("String", "Root=1")).is_ok());
        let text = "Message system attribute name 'SenderId' is invalid.";
        assert_eq!(
            one("SenderId", value("String", "x")),
            Err(SqsError::InvalidParameterValue(text.into()))
        );
        for bad in [value("Number", "1"), value("String", ""), binary(b"1")] {
            assert!(one(TRACE_HEADER, bad).is_err());
        }
    }
}
