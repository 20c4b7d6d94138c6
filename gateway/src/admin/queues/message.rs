//! A message.

use askama::Template;
use axum::body::Body;
use axum::extract;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use karin_core::sequence_text;

use super::messages::badge;
use super::outgoing::{Draft, LineEnds};
use super::{NamedMessage, message_page, page_of, under, words};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::pretty::pretty;
use crate::admin::shown;
use crate::epoch::now_ms;
use crate::queues::attributes;
use crate::queues::{MessageState, QueueName, SeenMessage};

/// Bytes of a body that are shown; the whole can be downloaded.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Characters of an attribute's value that are shown.
const VALUE_CHARACTERS_MAX: usize = 1_024;

#[derive(Debug, Template)]
#[template(path = "message.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    seen: SeenMessage,
    now_ms: u64,
    /// Whether its dead letters come here, so that it can be moved back.
    is_dead_letter_queue: bool,
    body: String,
    is_utf8: bool,
    line_ends: LineEnds,
    pretty: Option<String>,
    attributes: Vec<(String, String, String)>,
    trace: String,
    can_edit: bool,
}

impl Page {
    fn sequence(&self) -> u64 {
        self.seen.message.sequence
    }

    fn id(&self) -> String {
        shown::text(&self.seen.message.id, VALUE_CHARACTERS_MAX).0
    }

    fn queue_page(&self) -> String {
        page_of(&self.queue)
    }

    fn messages(&self) -> String {
        under(&self.queue, "messages")
    }

    fn here(&self, page: &str) -> String {
        format!("{}/{page}", message_page(&self.queue, self.sequence()))
    }

    /// A page about several messages, for this one.
    fn about(&self, page: &str) -> String {
        under(&self.queue, &format!("{page}?sequence={}", self.sequence()))
    }

    fn is_waiting(&self) -> bool {
        matches!(self.seen.state, MessageState::InFlight | MessageState::Delayed)
    }

    fn is_whole(&self) -> bool {
        self.seen.message.body.len() <= BODY_BYTES_MAX
    }

    fn has_crlf(&self) -> bool {
        self.line_ends == LineEnds::CrLf
    }

    fn badge(&self) -> (&'static str, &'static str) {
        badge(self.frame.lang, self.seen.state)
    }

    fn size(&self) -> String {
        words::bytes(self.seen.body_bytes)
    }

    fn sent(&self) -> String {
        shown::when(self.seen.message.sent_ms)
    }

    fn first_received(&self) -> Option<String> {
        let at_ms = Some(self.seen.message.first_received_ms);
        at_ms.filter(|at_ms| *at_ms > 0).map(shown::when)
    }

    fn due(&self) -> String {
        let wait = self.seen.message.due_ms.saturating_sub(self.now_ms);
        (self.frame.t.queues.due_in)(&words::about(self.frame.lang, wait))
    }

    /// SQS's SequenceNumber, which FIFO queues have.
    fn sequence_number(&self) -> Option<String> {
        self.queue.is_fifo().then(|| sequence_text(self.sequence()))
    }

    #[allow(clippy::unused_self, reason = "templates call methods of what they show")]
    fn shown(&self, text: &str) -> String {
        shown::text(text, VALUE_CHARACTERS_MAX).0
    }
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    NamedMessage(queue, sequence): NamedMessage,
) -> Result<Response, Failure> {
    let seen = state.0.queues.look_at(&queue, sequence).await?.ok_or(Failure::NoMessage)?;
    let (sources, _more) = state.0.queues.sources(&queue, None, 1).await?;
    let body = &seen.message.body;
    let whole = std::str::from_utf8(body);
    let text = String::from_utf8_lossy(beginning(body, BODY_BYTES_MAX));
    let stored = attributes::decode(&seen.message.attributes).unwrap_or_default();
    let trace = stored.system.iter().find(|attribute| attribute.name == "AWSTraceHeader");
    let trace = trace.map(|trace| String::from_utf8_lossy(&trace.value).into_owned());
    let title = (visitor.lang.texts().messages.message_title)(sequence);
    Ok(html(&Page {
        frame: visitor.frame(Section::Queues, title),
        now_ms: now_ms(),
        is_dead_letter_queue: !sources.is_empty(),
        body: shown::text(&text, BODY_BYTES_MAX).0,
        is_utf8: whole.is_ok(),
        line_ends: LineEnds::of(&text),
        pretty: whole.ok().and_then(pretty).map(|text| shown::text(&text, BODY_BYTES_MAX * 2).0),
        attributes: stored.user.iter().map(attribute).collect(),
        trace: trace.unwrap_or_default(),
        can_edit: Draft::of(&seen.message, String::new).is_some(),
        queue,
        seen,
    }))
}

/// Name, type and value of an attribute, harmless.
fn attribute(attribute: &attributes::MessageAttribute) -> (String, String, String) {
    let value = if attribute.is_binary() {
        STANDARD.encode(&attribute.value)
    } else {
        String::from_utf8_lossy(&attribute.value).into_owned()
    };
    let shown = |text: &str| {
        let (text, is_all) = shown::text(text, VALUE_CHARACTERS_MAX);
        if is_all { text } else { format!("{text}…") }
    };
    (shown(&attribute.name), shown(&attribute.data_type), shown(&value))
}

/// The first bytes of a text, but no part of a character at their end.
pub(super) fn beginning(bytes: &[u8], most: usize) -> &[u8] {
    let Some(cut) = bytes.get(..most) else { return bytes };
    match std::str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() => cut.get(..error.valid_up_to()).unwrap_or(cut),
        _ => cut,
    }
}

/// The whole body, for a file. A browser must not take it for a page of ours.
pub(super) async fn download(
    extract::State(state): extract::State<State>,
    NamedMessage(queue, sequence): NamedMessage,
) -> Result<Response, Failure> {
    let seen = state.0.queues.look_at(&queue, sequence).await?.ok_or(Failure::NoMessage)?;
    let mut response = Response::new(Body::from(seen.message.body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let name = format!("attachment; filename=\"{queue}-{sequence}.bin\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn a_text_is_not_cut_within_a_character() {
        assert_eq!(beginning("가나".as_bytes(), 4), "가".as_bytes());
        assert_eq!(beginning(b"\xff\xff", 1), b"\xff");
        assert_eq!(beginning(b"ab", 9), b"ab");
    }
}
