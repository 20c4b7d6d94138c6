//! Numbers: when two are one, and in which range one is.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The numbers that ranges know are not further from zero.
///
/// Source: esm-contract §5.
const MAGNITUDE_MAX: f64 = 5e9;

/// Whether two numbers are the same, however they are written: 300 is 300.0.
///
/// Source: esm-contract §5.
pub(super) fn is_same(one: &Number, other: &Number) -> bool {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// One end of a range.
#[derive(Debug, Clone, Copy)]
struct End {
    number: f64,
    is_inside: bool,
}

impl End {
    /// The end that a sign sets.
    fn new(sign: &str, number: f64) -> Self {
        Self { number, is_inside: sign.ends_with('=') }
    }

    /// Whether a number that compares so with the end is on the right side of it.
    fn allows(self, number: f64, side: Ordering) -> bool {
        match number.partial_cmp(&self.number) {
            Some(Ordering::Equal) => self.is_inside,
            other => other == Some(side),
        }
    }
}

/// The numbers between two ends.
#[derive(Debug)]
pub(super) struct Range {
    lower: Option<End>,
    upper: Option<End>,
}

impl Range {
    /// Reads `["=", n]`, `["<", n]`, `[">", a, "<=", b]` and their like. Errors: what is wrong.
    pub(super) fn parse(written: &Value) -> Result<Self, String> {
        let shape = "it is not an array such as [\">\", 0, \"<=\", 100]";
        let terms = written.as_array().ok_or(shape)?;
        let mut ends = Vec::new();
        for term in terms.chunks(2) {
            match term {
                [Value::String(sign), number] => ends.push((sign.as_str(), limit(number)?)),
                _ => return Err(shape.to_owned()),
            }
        }
        let (lower, upper) = match ends.as_slice() {
            [("=", n)] => (Some(End::new("=", *n)), Some(End::new("=", *n))),
            [(sign @ ("<" | "<="), n)] => (None, Some(End::new(sign, *n))),
            [(sign @ (">" | ">="), n)] => (Some(End::new(sign, *n)), None),
            [(low @ (">" | ">="), a), (high @ ("<" | "<="), b)] if a < b => {
                (Some(End::new(low, *a)), Some(End::new(high, *b)))
            }
            [(">" | ">=", _), ("<" | "<=", _)] => {
                return Err("the lower end is not below the upper one".to_owned());
            }
            _ => return Err(shape.to_owned()),
        };
        Ok(Self { lower, upper })
    }

    /// Whether a number is in it.
    pub(super) fn holds(&self, number: &Number) -> bool {
        let Some(number) = number.as_f64().filter(|n| n.abs() <= MAGNITUDE_MAX) else {
            return false;
        };
        self.lower.is_none_or(|end| end.allows(number, Ordering::Greater))
            && self.upper.is_none_or(|end| end.allows(number, Ordering::Less))
    }
}

/// A number that may be compared with. Errors: what is wrong.
pub(super) fn limit(written: &Value) -> Result<f64, String> {
    let number = written.as_f64().ok_or_else(|| format!("{written} is not a number"))?;
    if number.abs() > MAGNITUDE_MAX {
        return Err(format!("{written} is not between -{MAGNITUDE_MAX:e} and {MAGNITUDE_MAX:e}"));
    }
    Ok(number)
}
