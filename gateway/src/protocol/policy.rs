//! A queue's access policy: JSON in the language of IAM.
//!
//! Source: sqs-contract §§4.6 and 5.3.

use serde_json::{Map, Value, json};

use super::error::SqsError;

/// The attribute's name.
pub const POLICY: &str = "Policy";
/// Length of a policy.
const BYTES_MAX: usize = 8_192;
/// Statements of a policy.
const STATEMENTS_MAX: usize = 20;
/// Principals of a policy, over all statements.
const PRINCIPALS_MAX: usize = 50;
/// Conditions of a policy, over all statements.
const CONDITIONS_MAX: usize = 10;
/// Actions of a statement.
pub const ACTIONS_MAX: usize = 7;

/// A policy whose form is right.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy(Map<String, Value>);

impl Policy {
    /// Reads a policy and holds it against the quotas.
    ///
    /// # Errors
    /// [`SqsError::InvalidAttributeValue`], [`SqsError::OverLimit`].
    pub fn parse(text: &str) -> Result<Self, SqsError> {
        check_quota("Bytes", text.len(), BYTES_MAX)?;
        let Ok(Value::Object(map)) = serde_json::from_str(text) else {
            return Err(SqsError::invalid_attribute(POLICY));
        };
        let policy = Self(map);
        policy.check()?;
        Ok(policy)
    }

    /// The policy that AddPermission begins.
    pub fn begin(queue_arn: &str) -> Self {
        let mut map = Map::new();
        map.insert("Version".to_owned(), json!("2008-10-17"));
        map.insert("Id".to_owned(), json!(format!("{queue_arn}/SQSDefaultPolicy")));
        Self(map)
    }

    /// Whether there is a statement of this name.
    pub fn has_statement(&self, label: &str) -> bool {
        self.statements().any(|statement| is_labelled(statement, label))
    }

    /// Allows `actions` (with `SQS:` before them) to `principals` (ARNs).
    ///
    /// # Errors
    /// [`SqsError::OverLimit`].
    pub fn add_statement(
        &mut self,
        label: &str,
        principals: Vec<String>,
        actions: Vec<String>,
        queue_arn: &str,
    ) -> Result<(), SqsError> {
        let statement = json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": queue_arn,
        });
        let statements = self.0.entry("Statement").or_insert_with(|| json!([]));
        match statements {
            Value::Array(list) => list.push(statement),
            single => *single = Value::Array(vec![single.take(), statement]),
        }
        self.check()?;
        check_quota("Bytes", self.to_string().len(), BYTES_MAX)
    }

    /// Takes out the statement of this name. Returns whether there was one.
    pub fn remove_statement(&mut self, label: &str) -> bool {
        let had = self.has_statement(label);
        match self.0.get_mut("Statement") {
            Some(Value::Array(list)) => list.retain(|statement| !is_labelled(statement, label)),
            Some(single) if is_labelled(single, label) => *single = json!([]),
            _ => {}
        }
        had
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.statements().next().is_none()
    }

    fn statements(&self) -> impl Iterator<Item = &Value> {
        let (list, single) = match self.0.get("Statement") {
            Some(Value::Array(list)) => (list.as_slice(), None),
            single => (&[][..], single),
        };
        list.iter().chain(single)
    }

    fn check(&self) -> Result<(), SqsError> {
        check_quota("Statements", self.statements().count(), STATEMENTS_MAX)?;
        let (mut principals, mut conditions) = (0, 0);
        for statement in self.statements() {
            let statement =
                statement.as_object().ok_or_else(|| SqsError::invalid_attribute(POLICY))?;
            check_quota("Actions", statement.get("Action").map_or(0, count), ACTIONS_MAX)?;
            principals += statement.get("Principal").map_or(0, count_all);
            conditions += statement.get("Condition").map_or(0, count_keys);
        }
        check_quota("Principals", principals, PRINCIPALS_MAX)?;
        check_quota("Conditions", conditions, CONDITIONS_MAX)
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

/// A quota. Errors: [`SqsError::OverLimit`].
pub(crate) fn check_quota(what: &str, found: usize, maximum: usize) -> Result<(), SqsError> {
    if found <= maximum {
        return Ok(());
    }
    let text = format!("{found} {what} were found, maximum allowed is {maximum}.");
    Err(SqsError::OverLimit(text))
}

fn is_labelled(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    match (texts.pop(), texts.is_empty()) {
        (Some(single), true) => json!(single),
        (last, _) => {
            texts.extend(last);
            json!(texts)
        }
    }
}

/// How many a text or a list of texts is.
fn count(value: &Value) -> usize {
    value.as_array().map_or(1, Vec::len)
}

/// The same for a map of them.
fn count_all(value: &Value) -> usize {
    value.as_object().map_or_else(|| count(value), |map| map.values().map(count).sum())
}

/// How many keys the maps in a map have.
fn count_keys(value: &Value) -> usize {
    let keys = |value: &Value| value.as_object().map_or(1, Map::len);
    value.as_object().map_or(1, |map| map.values().map(keys).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[track_caller]
    fn refused(statements: &Value, expected: &str) {
        let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let error = Policy::parse(&text).expect_err("refused");
        let message = error.message(Protocol::Json).into_owned();
        assert_eq!(format!("{} {message}", error.code().json), expected);
    }

    #[test]
    fn permissions_make_the_policy_that_was_recorded() {
        let mut policy = Policy::begin(ARN);
        let root = "arn:aws:iam::123456789012:root";
        policy.add_statement("one", texts(&[root]), texts(&["SQS:ReceiveMessage"]), ARN).unwrap();
        assert_eq!(
            policy.to_string(),
            format!(
                "{{\"Version\":\"2008-10-17\",\"Id\":\"{ARN}/SQSDefaultPolicy\",\
                 \"Statement\":[{{\"Sid\":\"one\",\"Effect\":\"Allow\",\"Principal\":\
                 {{\"AWS\":\"{root}\"}},\"Action\":\"SQS:ReceiveMessage\",\
                 \"Resource\":\"{ARN}\"}}]}}"
            )
        );
        policy.add_statement("two", texts(&["a", "b"]), texts(&["SQS:*", "SQS:x"]), ARN).unwrap();
        let text = policy.to_string();
        assert!(text.contains(r#""Principal":{"AWS":["a","b"]},"Action":["SQS:*","SQS:x"]"#));
        assert_eq!(Policy::parse(&text), Ok(Policy(policy.0.clone())));
        assert!(policy.remove_statement("one") && !policy.remove_statement("one"));
        assert!(!policy.has_statement("one") && policy.has_statement("two"));
        assert!(policy.remove_statement("two") && policy.is_empty());
    }

    #[test]
    fn a_permission_joins_the_policy_somebody_wrote() {
        let written = r#"{"Statement":{"Sid":"mine","Effect":"Deny"},"Version":"2012-10-17"}"#;
        let mut policy = Policy::parse(written).unwrap();
        assert!(policy.has_statement("mine"));
        policy.add_statement("more", texts(&["a"]), texts(&["SQS:*"]), ARN).unwrap();
        let text = policy.to_string();
        let start = r#"{"Statement":[{"Sid":"mine","Effect":"Deny"},{"Sid":"more","#;
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with(r#","Version":"2012-10-17"}"#), "{text}");
        let mut single = Policy::parse(written).unwrap();
        assert!(single.remove_statement("mine") && single.is_empty());
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in ["x", "[]", "\"{}\"", "{", "{\"Statement\":5}", "{\"Statement\":[1]}"] {
            let expected = Err(SqsError::invalid_attribute(POLICY));
            assert_eq!(Policy::parse(text), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Policy::parse(&deep).is_err());
        assert!(Policy::parse(&"[".repeat(8_000)).is_err());
    }

    #[test]
    fn the_quotas_are_exact() {
        let fits = |statements: Value| {
            let text = json!({ "Statement": statements }).to_string();
            assert!(Policy::parse(&text).is_ok(), "{text}");
        };
        let over = |found: &str, maximum: &str| {
            format!("OverLimit {found} were found, maximum allowed is {maximum}.")
        };
        let statements = |n: usize| json!(vec![json!({}); n]);
        fits(statements(20));
        refused(&statements(21), &over("21 Statements", "20"));
        let actions = |n: usize| json!([{ "Action": vec!["SQS:*"; n] }]);
        fits(actions(7));
        refused(&actions(8), &over("8 Actions", "7"));
        let principals = |n: usize| {
            let several = json!({ "AWS": vec!["a"; n], "Service": "s" });
            json!([{ "Principal": "*" }, { "Principal": several }])
        };
        fits(principals(48));
        refused(&principals(49), &over("51 Principals", "50"));
        let conditions = |n: usize| {
            let keys: Map<String, Value> = (0..n).map(|n| (n.to_string(), json!("v"))).collect();
            json!([{ "Condition": { "ArnEquals": keys, "Bool": { "b": "true" } } }])
        };
        fits(conditions(9));
        refused(&conditions(10), &over("11 Conditions", "10"));
        let long = |n: usize| format!("{{\"Id\":\"{}\"}}", "x".repeat(n - 9));
        assert!(Policy::parse(&long(8_192)).is_ok());
        let error = Policy::parse(&long(8_193)).expect_err("too long");
        assert_eq!(error.code().status, 403);
    }
}
