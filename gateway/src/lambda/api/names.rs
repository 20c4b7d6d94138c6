//! Names of functions, in all the forms Lambda takes them.

use crate::config::specs::is_function_name;
use crate::lambda::api::error::ApiError;
use crate::protocol::echo;

/// The longest FunctionName. Source: esm-contract §7.2.
const BYTES_MAX: usize = 256;
/// The only version a local function has.
pub(super) const LATEST: &str = "$LATEST";
/// The form, as Lambda tells it.
const PATTERN: &str = concat!(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?",
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
);

/// A function, named by `f`, `f:live`, `111122223333:function:f` or an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionName {
    /// As it was written.
    pub(super) written: String,
    /// The bare name.
    pub(super) name: String,
    /// `$LATEST`, a version or an alias.
    pub(super) qualifier: Option<String>,
}

impl FunctionName {
    /// Reads a name.
    ///
    /// Errors: the constraint that is broken, for [`ApiError::constraints`].
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let broken = |constraint: &str| {
            let value = echo(written);
            format!("Value '{value}' at 'functionName' failed to satisfy constraint: {constraint}")
        };
        if written.is_empty() {
            return Err(broken("Member must have length greater than or equal to 1"));
        }
        if written.len() > BYTES_MAX {
            let text = "Member must have length less than or equal to 256";
            return Err(broken(text));
        }
        Self::read(written).ok_or_else(|| {
            broken(&format!("Member must satisfy regular expression pattern: {PATTERN}"))
        })
    }

    fn read(written: &str) -> Option<Self> {
        let parts: Vec<&str> = written.split(':').collect();
        let (name, qualifier) = match parts.as_slice() {
            [name] => (name, None),
            [name, qualifier] | ["function", name, qualifier] => (name, Some(qualifier)),
            [account, "function", rest @ ..] if is_account(account) => name_in(rest)?,
            ["arn", partition, "lambda", region, account, "function", rest @ ..]
                if partition.starts_with("aws") && !region.is_empty() && is_account(account) =>
            {
                name_in(rest)?
            }
            _ => return None,
        };
        let valid = is_function_name(name) && qualifier.is_none_or(|q| is_qualifier(q));
        valid.then(|| Self {
            written: written.to_owned(),
            name: (*name).to_owned(),
            qualifier: qualifier.map(|q| (*q).to_owned()),
        })
    }

    /// The same with the parameter Qualifier.
    ///
    /// Errors: the name has another one.
    pub(super) fn qualified(self, qualifier: Option<&str>) -> Result<Self, ApiError> {
        let Some(given) = qualifier else { return Ok(self) };
        if !is_qualifier(given) {
            let value = echo(given);
            return Err(ApiError::constraints(&[format!(
                "Value '{value}' at 'qualifier' failed to satisfy constraint: Member must satisfy \
                 regular expression pattern: (|[a-zA-Z0-9$_-]+)"
            )]));
        }
        match &self.qualifier {
            Some(own) if own != given => Err(ApiError::invalid(
                "The derived qualifier from the function name does not match the specified \
                 qualifier.",
            )),
            _ => Ok(Self { qualifier: Some(given.to_owned()), ..self }),
        }
    }

    /// Whether it can mean a local function.
    pub(super) fn is_latest(&self) -> bool {
        self.qualifier.as_deref().is_none_or(|qualifier| qualifier == LATEST)
    }

    /// The ARN, where this is the unqualified one.
    pub(super) fn arn(&self, unqualified: String) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{unqualified}:{qualifier}"),
            None => unqualified,
        }
    }
}

/// Name and qualifier.
type Named<'a> = (&'a &'a str, Option<&'a &'a str>);

fn name_in<'a>(parts: &'a [&'a str]) -> Option<Named<'a>> {
    match parts {
        [name] => Some((name, None)),
        [name, qualifier] => Some((name, Some(qualifier))),
        _ => None,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_qualifier(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text == LATEST || ((1..=128).contains(&text.len()) && text.bytes().all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Option<(String, Option<String>)> {
        FunctionName::parse(written).ok().map(|name| (name.name, name.qualifier))
    }

    #[test]
    fn a_function_is_known_by_all_its_names() {
        let named = |qualifier: Option<&str>| Some(("f".to_owned(), qualifier.map(str::to_owned)));
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f";
        for (written, expected) in [
            ("f", named(None)),
            ("f:live", named(Some("live"))),
            ("f:$LATEST", named(Some("$LATEST"))),
            ("111122223333:function:f", named(None)),
            ("111122223333:function:f:7", named(Some("7"))),
            (arn, named(None)),
            (&format!("{arn}:live"), named(Some("live"))),
            ("arn:aws-cn:lambda:cn-north-1:111122223333:function:f", named(None)),
        ] {
            assert_eq!(read(written), expected, "{written}");
        }
    }

    #[test]
    fn what_is_no_name_is_told_with_the_form_names_have() {
        for written in [
            "a b",
            "../f",
            "f:a:b:c:d",
            "f:",
            "1:function:f",
            "arn:aws:lambda:eu-west-1:111122223333:function",
            "arn:aws:sqs:eu-west-1:111122223333:f",
            "arn:aws:lambda:eu-west-1:111122223333:function:f:a:b",
            "f:$OLDEST",
        ] {
            let broken = FunctionName::parse(written).unwrap_err();
            assert!(broken.contains("regular expression pattern"), "{written}: {broken}");
        }
        assert!(FunctionName::parse("").unwrap_err().contains("greater than or equal to 1"));
        let long = "x".repeat(300);
        assert!(FunctionName::parse(&long).unwrap_err().contains("less than or equal to 256"));
    }

    #[test]
    fn two_qualifiers_must_agree() {
        let name = FunctionName::parse("f:live").unwrap();
        assert!(name.clone().qualified(Some("live")).is_ok());
        let error = name.clone().qualified(Some("dead")).unwrap_err();
        assert!(error.text.contains("derived qualifier"), "{error:?}");
        assert!(name.qualified(Some("a b")).is_err());
        let latest = FunctionName::parse("f").unwrap().qualified(Some(LATEST)).unwrap();
        assert!(latest.is_latest());
        assert_eq!(latest.arn("arn:f".into()), "arn:f:$LATEST");
    }
}
