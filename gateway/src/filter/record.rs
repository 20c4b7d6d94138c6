//! What filters see of a message: the record of the event, before the names of queue and region are
//! added to it.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use crate::{message_view::MessageView, queues::attributes::MessageAttribute};

/// The field that holds the body.
pub(super) const BODY: &str = "body";
/// The field that holds the MessageId.
pub(super) const MESSAGE_ID: &str = "messageId";
/// The field that holds the system attributes.
pub(super) const ATTRIBUTES: &str = "attributes";
/// The field that holds the producer's attributes.
pub(super) const MESSAGE_ATTRIBUTES: &str = "messageAttributes";

/// What a filter sees of a message.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The MessageId.
    pub message_id: &'a str,
    /// The body as the event has it.
    pub body: &'a str,
    /// The system attributes.
    pub attributes: &'a [(&'static str, String)],
    /// The producer's attributes.
    pub message_attributes: &'a [MessageAttribute],
}

impl<'a> Subject<'a> {
    /// A message as a function would get it.
    pub fn new(message_id: &'a str, view: &'a MessageView<'_>) -> Self {
        Self {
            message_id,
            body: &view.body,
            attributes: &view.system_attributes,
            message_attributes: &view.user_attributes,
        }
    }
}

/// A subject, and what was made of it so far.
#[derive(Debug)]
pub(super) struct Record<'a> {
    subject: &'a Subject<'a>,
    body: OnceCell<Option<Value>>,
    attributes: OnceCell<Value>,
    message_attributes: OnceCell<Value>,
}

impl<'a> Record<'a> {
    pub(super) fn new(subject: &'a Subject<'a>) -> Self {
        Self {
            subject,
            body: OnceCell::new(),
            attributes: OnceCell::new(),
            message_attributes: OnceCell::new(),
        }
    }

    pub(super) fn message_id(&self) -> &str {
        self.subject.message_id
    }

    pub(super) fn body(&self) -> &str {
        self.subject.body
    }

    /// The body, if it is a JSON object. Any other JSON is plain text.
    ///
    /// Source: esm-contract §5.
    pub(super) fn json_body(&self) -> Option<&Value> {
        let parse = || {
            let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
            let starts = self.subject.body.trim_start_matches(is_space).starts_with('{');
            starts.then(|| serde_json::from_str(self.subject.body).ok()).flatten()
        };
        self.body.get_or_init(parse).as_ref()
    }

    pub(super) fn attributes(&self) -> &Value {
        self.attributes.get_or_init(|| {
            let named = self.subject.attributes.iter();
            let named = named.map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
            Value::Object(named.collect())
        })
    }

    /// `stringValue` and `dataType` of each.
    ///
    /// Source: esm-contract §5.
    pub(super) fn message_attributes(&self) -> &Value {
        self.message_attributes.get_or_init(|| {
            let named = self.subject.message_attributes.iter().map(|attribute| {
                let mut shown = Map::new();
                if let Some(text) = text_of(attribute) {
                    shown.insert("stringValue".to_owned(), text.into());
                }
                shown.insert("dataType".to_owned(), attribute.data_type.as_str().into());
                (attribute.name.clone(), Value::Object(shown))
            });
            Value::Object(named.collect())
        })
    }
}

fn text_of(attribute: &MessageAttribute) -> Option<&str> {
    if attribute.is_binary() { None } else { std::str::from_utf8(&attribute.value).ok() }
}
