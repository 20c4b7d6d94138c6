//! What is asked of the value of one field.

use std::net::IpAddr;

use serde_json::{Map, Number, Value};

use super::{
    numeric::{self, Range},
    wildcard::Wildcard,
};

/// The names of operators.
const ANYTHING_BUT: &str = "anything-but";
const CIDR: &str = "cidr";
const EQUALS_IGNORE_CASE: &str = "equals-ignore-case";
const EXISTS: &str = "exists";
const NUMERIC: &str = "numeric";
const PREFIX: &str = "prefix";
const SUFFIX: &str = "suffix";
const WILDCARD: &str = "wildcard";

/// Fields that may have no such name within `$or`: with one of them directly in it, `$or` is the
/// name of a field.
pub(super) const RESERVED: [&str; 13] = [
    ANYTHING_BUT,
    CIDR,
    EQUALS_IGNORE_CASE,
    EXISTS,
    NUMERIC,
    PREFIX,
    SUFFIX,
    WILDCARD,
    "=",
    "<",
    "<=",
    ">",
    ">=",
];

/// A value that is neither an object nor an array.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(&'a Number),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(bool) => Some(Self::Bool(*bool)),
            Value::Number(number) => Some(Self::Number(number)),
            Value::String(text) => Some(Self::Text(text)),
            Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// What a field's value must be; one of it is enough.
#[derive(Debug, Default)]
pub(super) struct Rules {
    any_of: Vec<Rule>,
    /// Whether no value will do as well.
    pub(super) accept_absence: bool,
    /// The names of operators that Lambda does not promise.
    pub(super) unpromised: Vec<&'static str>,
}

impl Rules {
    /// Reads the array that stands at a field. Errors: what is wrong.
    pub(super) fn parse(written: &[Value]) -> Result<Self, String> {
        if written.is_empty() {
            return Err("the array is empty".to_owned());
        }
        let mut all = Self::default();
        for value in written {
            match value {
                Value::Object(operator) => all.add(operator)?,
                Value::Array(_) => {
                    return Err("an array within the array of what is accepted".to_owned());
                }
                value => all.any_of.extend(Rule::exact(value)),
            }
        }
        Ok(all)
    }

    fn add(&mut self, written: &Map<String, Value>) -> Result<(), String> {
        let mut members = written.iter();
        let (Some((name, value)), None) = (members.next(), members.next()) else {
            return Err(format!("{} operators in one object", written.len()));
        };
        if name == EXISTS {
            match value {
                Value::Bool(true) => self.any_of.push(Rule::Anything),
                Value::Bool(false) => self.accept_absence = true,
                _ => return Err(format!("{name:?}: it is neither true nor false")),
            }
            return Ok(());
        }
        let rule = Rule::parse(name, value).map_err(|why| format!("{name:?}: {why}"))?;
        self.unpromised.extend(rule.unpromised());
        self.any_of.push(rule);
        Ok(())
    }

    /// Whether this value will do.
    pub(super) fn accept(&self, value: Scalar<'_>) -> bool {
        self.any_of.iter().any(|rule| rule.accepts(value))
    }

    /// Whether nothing but numbers will do.
    pub(super) fn accept_only_numbers(&self) -> bool {
        let numbers = |rule: &Rule| matches!(rule, Rule::Number(_) | Rule::Numeric(_));
        !self.accept_absence && self.any_of.iter().all(numbers)
    }
}

#[derive(Debug)]
enum Rule {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// Whatever it is.
    Anything,
    EqualsIgnoreCase(Folded),
    Prefix(String),
    PrefixIgnoreCase(Folded),
    Suffix(String),
    SuffixIgnoreCase(Folded),
    Numeric(Range),
    Cidr(Cidr),
    Wildcard(Wildcard),
    /// None of these.
    AnythingBut(Vec<Rule>),
}

impl Rule {
    /// The value itself; `None` for one that is no scalar.
    fn exact(value: &Value) -> Option<Self> {
        Scalar::of(value).map(|scalar| match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(bool) => Self::Bool(bool),
            Scalar::Number(number) => Self::Number(number.clone()),
            Scalar::Text(text) => Self::Text(text.to_owned()),
        })
    }

    fn parse(name: &str, value: &Value) -> Result<Self, String> {
        match (name, value) {
            (PREFIX | SUFFIX, Value::Object(nested)) => {
                let mut members = nested.iter();
                let folded = match (members.next(), members.next()) {
                    (Some((name, value)), None) if name == EQUALS_IGNORE_CASE => {
                        Folded::new(text(value)?)
                    }
                    _ => return Err(format!("it may hold {EQUALS_IGNORE_CASE:?} only")),
                };
                let is_prefix = name == PREFIX;
                Ok(if is_prefix {
                    Self::PrefixIgnoreCase(folded)
                } else {
                    Self::SuffixIgnoreCase(folded)
                })
            }
            (CIDR, value) => Cidr::parse(text(value)?).map(Self::Cidr),
            (NUMERIC, value) => Range::parse(value).map(Self::Numeric),
            (ANYTHING_BUT, Value::Object(nested)) => Self::anything_but_nested(nested),
            (ANYTHING_BUT, value) => Self::anything_but(value),
            (name, value) => Self::of_text(name, value),
        }
    }

    /// The operators that compare with a text, also within `anything-but`.
    fn of_text(name: &str, value: &Value) -> Result<Self, String> {
        match name {
            EQUALS_IGNORE_CASE => Ok(Self::EqualsIgnoreCase(Folded::new(text(value)?))),
            PREFIX => Ok(Self::Prefix(text(value)?.to_owned())),
            SUFFIX => Ok(Self::Suffix(text(value)?.to_owned())),
            WILDCARD => Wildcard::parse(text(value)?).map(Self::Wildcard),
            _ => Err("there is no such operator".to_owned()),
        }
    }

    fn anything_but(value: &Value) -> Result<Self, String> {
        let values = one_or_many(value)?;
        let texts = values.iter().filter(|value| value.is_string()).count();
        let numbers = values.iter().filter(|value| value.is_number());
        let numbers = numbers.map(numeric::limit).collect::<Result<Vec<_>, _>>()?.len();
        if texts.max(numbers) < values.len() {
            return Err("it takes texts or numbers, all of one kind".to_owned());
        }
        Ok(Self::AnythingBut(values.iter().filter_map(Self::exact).collect()))
    }

    fn anything_but_nested(nested: &Map<String, Value>) -> Result<Self, String> {
        let mut members = nested.iter();
        let (Some((name, value)), None) = (members.next(), members.next()) else {
            return Err(format!("{} operators in one object", nested.len()));
        };
        let within = |why: String| format!("{name:?}: {why}");
        let mut rules = Vec::new();
        for value in one_or_many(value).map_err(within)? {
            let is_empty = value.as_str() == Some("");
            if is_empty && [PREFIX, SUFFIX].contains(&name.as_str()) {
                return Err(within("an empty text would leave nothing".to_owned()));
            }
            rules.push(Self::of_text(name, value).map_err(within)?);
        }
        Ok(Self::AnythingBut(rules))
    }

    fn accepts(&self, value: Scalar<'_>) -> bool {
        match (self, value) {
            (Self::Anything, _) | (Self::Null, Scalar::Null) => true,
            (Self::Bool(wanted), Scalar::Bool(bool)) => *wanted == bool,
            (Self::Number(wanted), Scalar::Number(number)) => numeric::is_same(wanted, number),
            (Self::Numeric(range), Scalar::Number(number)) => range.holds(number),
            (Self::AnythingBut(rules), value) => !rules.iter().any(|rule| rule.accepts(value)),
            (this, Scalar::Text(text)) => this.accepts_text(text),
            _ => false,
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => text == wanted,
            Self::EqualsIgnoreCase(wanted) => wanted.is(text),
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::PrefixIgnoreCase(prefix) => prefix.starts(text),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
            Self::SuffixIgnoreCase(suffix) => suffix.ends(text),
            Self::Cidr(cidr) => text.parse().is_ok_and(|address| cidr.holds(address)),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            _ => false,
        }
    }

    /// The operator's name, if it is EventBridge's and not in Lambda's list.
    ///
    /// Source: esm-contract §5.
    fn unpromised(&self) -> Option<&'static str> {
        match self {
            Self::PrefixIgnoreCase(_) => Some("equals-ignore-case in prefix"),
            Self::SuffixIgnoreCase(_) => Some("equals-ignore-case in suffix"),
            Self::Cidr(_) => Some(CIDR),
            Self::Wildcard(_) => Some(WILDCARD),
            Self::AnythingBut(rules) => {
                let is_exact = |rule: &Rule| matches!(rule, Self::Text(_) | Self::Number(_));
                (!rules.iter().all(is_exact)).then_some("an operator in anything-but")
            }
            _ => None,
        }
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "it is not a text".to_owned())
}

/// The values of an array, or the value.
fn one_or_many(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Array(values) if values.is_empty() => Err("the array is empty".to_owned()),
        Value::Array(values) => Ok(values),
        value => Ok(std::slice::from_ref(value)),
    }
}

/// A text without its case, character by character.
#[derive(Debug)]
struct Folded(Vec<char>);

impl Folded {
    fn new(text: &str) -> Self {
        Self(text.chars().flat_map(char::to_lowercase).collect())
    }

    fn is(&self, text: &str) -> bool {
        text.chars().flat_map(char::to_lowercase).eq(self.0.iter().copied())
    }

    fn starts(&self, text: &str) -> bool {
        let mut folded = text.chars().flat_map(char::to_lowercase);
        self.0.iter().all(|wanted| folded.next() == Some(*wanted))
    }

    fn ends(&self, text: &str) -> bool {
        let mut folded = text.chars().flat_map(char::to_lowercase).rev();
        self.0.iter().rev().all(|wanted| folded.next() == Some(*wanted))
    }
}

/// A block of addresses.
#[derive(Debug)]
struct Cidr {
    network: IpAddr,
    prefix_bits: u32,
}

impl Cidr {
    fn parse(written: &str) -> Result<Self, String> {
        let wrong = || format!("{written:?} is not a block of addresses such as 10.0.0.0/24");
        let (network, bits) = written.split_once('/').ok_or_else(wrong)?;
        let network: IpAddr = network.parse().map_err(|_| wrong())?;
        let bits_max = if network.is_ipv4() { u32::BITS } else { u128::BITS };
        let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| is_number && *bits <= bits_max);
        Ok(Self { network, prefix_bits: bits.ok_or_else(wrong)? })
    }

    /// An address of the other family is never in it.
    fn holds(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            _ => false,
        }
    }
}
