//! The filters of a mapping: which messages a function gets.
//!
//! Pure, as [`crate::protocol`] is. A pattern is read into the ways it can be fulfilled
//! ([`pattern`]), which are put into trees of fields ([`tree`]) whose leaves have rules
//! ([`rules`]). There are no regular expressions: what a message costs is bounded by its size times
//! the size of the patterns.
//!
//! Source: esm-contract §5.

mod numeric;
mod pattern;
mod record;
mod rules;
mod tree;
mod wildcard;

pub use record::Subject;

use std::sync::Arc;

use pattern::Pattern;
use record::Record;

/// Filters of one mapping.
///
/// Source: esm-contract §5.
pub const FILTERS_MAX: usize = 5;
/// Characters of one pattern.
///
/// Source: esm-contract §5.
pub const PATTERN_CHARACTERS_MAX: usize = 4_096;

/// Filters of a mapping, ORed. No filter accepts everything. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    written: Arc<[String]>,
    patterns: Arc<[Pattern]>,
}

/// What is read depends on nothing but what was written.
impl PartialEq for Filters {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Filters {}

/// A filter that AWS refuses. The text is AWS's.
///
/// Source: esm-contract §7.3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern definition.")]
pub struct InvalidFilter {
    detail: String,
}

impl InvalidFilter {
    /// What is wrong, and where; for people, in one line.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl Filters {
    /// Reads patterns, each a JSON text. Errors: [`InvalidFilter`] for what AWS refuses.
    pub fn parse(patterns: &[String]) -> Result<Self, InvalidFilter> {
        if patterns.len() > FILTERS_MAX {
            let detail = format!("{} filters; a mapping has at most {FILTERS_MAX}", patterns.len());
            return Err(InvalidFilter { detail });
        }
        let read = |(number, text): (usize, &String)| {
            Pattern::parse(text)
                .map_err(|why| InvalidFilter { detail: line(&format!("filter {number}: {why}")) })
        };
        let read = (1..).zip(patterns).map(read).collect::<Result<Arc<[_]>, _>>()?;
        Ok(Self { written: patterns.into(), patterns: read })
    }

    /// Whether there are none, so that everything is accepted.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.written
    }

    /// Whether a function gets this message. The body is parsed at most once, and only if it can
    /// be an object that a pattern asks about.
    pub fn accepts(&self, subject: &Subject<'_>) -> bool {
        let record = Record::new(subject);
        self.is_empty() || self.patterns.iter().any(|pattern| pattern.accepts(&record))
    }

    /// What AWS may not evaluate as karin does, or what never accepts anything: a line each.
    pub fn remarks(&self) -> Vec<String> {
        let numbered = (1..).zip(&*self.patterns).flat_map(|(number, pattern)| {
            pattern.remarks().iter().map(move |remark| line(&format!("filter {number}: {remark}")))
        });
        numbered.collect()
    }
}

/// The names of a pattern's fields may hold line feeds.
fn line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
