//! The messages of a queue, and what is done with several of them.

use askama::Template;
use axum::extract;
use axum::response::Response;

use super::form::{Fields, Form, Query, number};
use super::message::beginning;
use super::{Named, ROWS_MAX, message_page, page_of, under, words};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, done, html};
use crate::admin::shown;
use crate::admin::texts::Lang;
use crate::epoch::now_ms;
use crate::queues::{DropOutcome, MessageState, QueueInfo, QueueName, SeenMessage};

/// Bytes of a body that are fetched for the list.
const EXCERPT_BYTES: u32 = 512;
/// Characters of a body that are shown in the list.
const EXCERPT_CHARACTERS: usize = 120;
/// Characters of a group that are shown there.
const GROUP_CHARACTERS: usize = 128;

#[derive(Debug, Template)]
#[template(path = "messages.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    info: QueueInfo,
    state: Option<MessageState>,
    is_continued: bool,
    rows: Vec<Row>,
    /// The sequence number to go on after.
    next: Option<u64>,
    is_dead_letter_queue: bool,
}

/// The badge of a state: its class and word.
pub(super) fn badge(lang: Lang, state: MessageState) -> (&'static str, &'static str) {
    let t = &lang.texts().queues;
    match state {
        MessageState::Ready => ("good", t.ready),
        MessageState::Delayed => ("info", t.delayed),
        MessageState::InFlight => ("warn", t.in_flight),
        MessageState::Dead => ("bad", t.dead),
    }
}

impl Page {
    fn queue_page(&self) -> String {
        page_of(&self.queue)
    }

    fn to(&self, page: &str) -> String {
        under(&self.queue, page)
    }

    /// The tabs: address, word, how many, whether it is this one.
    fn tabs(&self) -> Vec<(String, &'static str, u64, bool)> {
        let t = &self.frame.t.queues;
        let QueueInfo { ready, delayed, in_flight, dead, .. } = self.info;
        let all = ready + delayed + in_flight + dead;
        let tab = |state: Option<MessageState>, word, count| {
            (self.link(state, None), word, count, state == self.state)
        };
        vec![
            tab(None, t.all, all),
            tab(Some(MessageState::Ready), t.ready, ready),
            tab(Some(MessageState::Delayed), t.delayed, delayed),
            tab(Some(MessageState::InFlight), t.in_flight, in_flight),
            tab(Some(MessageState::Dead), t.dead, dead),
        ]
    }

    fn link(&self, state: Option<MessageState>, after: Option<u64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(state) = state {
            query.append_pair("state", state.word());
        }
        if let Some(after) = after {
            query.append_pair("after", &after.to_string());
        }
        let query = query.finish();
        let page = self.to("messages");
        if query.is_empty() { page } else { format!("{page}?{query}") }
    }

    fn first_page(&self) -> String {
        self.link(self.state, None)
    }

    fn next_page(&self) -> Option<String> {
        self.next.map(|next| self.link(self.state, Some(next)))
    }
}

/// A message in the list.
#[derive(Debug)]
struct Row {
    sequence: u64,
    url: String,
    choose: String,
    excerpt: String,
    /// Class and word.
    badge: (&'static str, &'static str),
    /// In how long it can be received, where that is not now.
    wait: String,
    sent: String,
    receives: u64,
    group: String,
    size: String,
}

fn row(lang: Lang, queue: &QueueName, now_ms: u64, seen: &SeenMessage) -> Row {
    let message = &seen.message;
    let wait = match seen.state {
        MessageState::Delayed | MessageState::InFlight => {
            let wait = words::about(lang, message.due_ms.saturating_sub(now_ms));
            (lang.texts().queues.due_in)(&wait)
        }
        MessageState::Ready | MessageState::Dead => String::new(),
    };
    Row {
        sequence: message.sequence,
        url: message_page(queue, message.sequence),
        choose: (lang.texts().messages.choose_one)(message.sequence),
        excerpt: excerpt(seen),
        badge: badge(lang, seen.state),
        wait,
        sent: shown::when(message.sent_ms),
        receives: message.receive_count,
        group: shown::text(&message.group, GROUP_CHARACTERS).0,
        size: words::bytes(seen.body_bytes),
    }
}

fn excerpt(seen: &SeenMessage) -> String {
    let body = &seen.message.body;
    // What was cut off by the server may end within a character.
    let is_cut = u64::try_from(body.len()).unwrap_or(u64::MAX) < seen.body_bytes;
    let body = if is_cut { beginning(body, body.len()) } else { body };
    let (text, is_all) = shown::text(&String::from_utf8_lossy(body), EXCERPT_CHARACTERS);
    if is_all && !is_cut { text } else { format!("{text}…") }
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Query(query): Query,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let wanted = MessageState::of_word(query.get("state"));
    let after = number(query.get("after"));
    let look = state.0.queues.look(&queue, wanted, after.unwrap_or(0), ROWS_MAX, EXCERPT_BYTES);
    let seen = look.await?;
    let (sources, _more) = state.0.queues.sources(&queue, None, 1).await?;
    let title = (visitor.lang.texts().messages.title)(queue.as_str());
    let now_ms = now_ms();
    let rows = seen.messages.iter().map(|seen| row(visitor.lang, &queue, now_ms, seen));
    Ok(html(&Page {
        frame: visitor.frame(Section::Queues, title),
        rows: rows.collect(),
        state: wanted,
        is_continued: after.is_some(),
        next: seen.after,
        is_dead_letter_queue: !sources.is_empty(),
        info,
        queue,
    }))
}

#[derive(Debug, Template)]
#[template(path = "messages_delete.html")]
struct DeletePage {
    frame: Frame,
    queue: QueueName,
    uid: String,
    sequences: Vec<u64>,
}

impl DeletePage {
    fn action(&self) -> String {
        under(&self.queue, "messages/delete")
    }

    fn back(&self) -> String {
        match self.sequences[..] {
            [one] => message_page(&self.queue, one),
            _ => under(&self.queue, "messages"),
        }
    }
}

/// The messages that were ticked. Errors: none was.
pub(super) fn ticked(lang: Lang, fields: &Fields) -> Result<Vec<u64>, Failure> {
    let sequences = fields.sequences(ROWS_MAX);
    let nothing = || Failure::Refused(lang.texts().messages.none_ticked.to_owned());
    if sequences.is_empty() { Err(nothing()) } else { Ok(sequences) }
}

pub(super) async fn delete_page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Query(query): Query,
) -> Result<Response, Failure> {
    let sequences = ticked(visitor.lang, &query)?;
    let uid = state.0.queues.info(&queue).await?.uid;
    let t = &visitor.lang.texts().messages;
    let frame = visitor.frame(Section::Queues, (t.delete_title)(sequences.len()));
    Ok(html(&DeletePage { frame, queue, uid, sequences }))
}

pub(super) async fn delete(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    let sequences = ticked(visitor.lang, &form)?;
    state.same_queue(&queue, form.get("uid")).await?;
    let force = form.has("force");
    let outcomes = state.0.queues.drop_messages(&queue, &sequences, force).await?;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let (deleted, in_flight) = (count(DropOutcome::Done), count(DropOutcome::InFlight));
    tracing::info!(%queue, deleted, in_flight, force, "messages deleted on the admin page");
    let code = match (deleted, in_flight) {
        (_, 1..) => "messages-some-stayed",
        (0, 0) => "messages-gone",
        _ => "messages-deleted",
    };
    Ok(done(&under(&queue, "messages"), code))
}
