//! Filters of a mapping: which messages its function gets.
//!
//! Source: esm-contract §5.

use crate::message_view::MessageView;
use crate::queues::attributes::MessageAttribute;

/// Filters of a mapping, ORed. No filter accepts everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filters {
    patterns: Vec<String>,
}

/// A pattern that is none. Says what AWS says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern definition.")]
pub struct InvalidFilter {
    detail: String,
}

impl InvalidFilter {
    /// What is wrong, and where, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// What a filter sees of a message.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The MessageId.
    pub message_id: &'a str,
    /// The body.
    pub body: &'a str,
    /// The system attributes.
    pub attributes: &'a [(&'static str, String)],
    /// The producer's attributes.
    pub message_attributes: &'a [MessageAttribute],
}

impl<'a> Subject<'a> {
    /// A message as its function would see it.
    pub fn new(message_id: &'a str, view: &'a MessageView<'_>) -> Self {
        Self {
            message_id,
            body: &view.body,
            attributes: &view.system_attributes,
            message_attributes: &view.user_attributes,
        }
    }
}

impl Filters {
    /// Reads patterns. Errors: one of them is none.
    pub fn parse(patterns: &[String]) -> Result<Self, InvalidFilter> {
        Ok(Self { patterns: patterns.to_vec() })
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether the function gets this message.
    pub fn accepts(&self, _subject: &Subject<'_>) -> bool {
        true
    }

    /// What in these filters AWS may not evaluate, for a warning.
    pub fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}
