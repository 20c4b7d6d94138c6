//! A message as replies show it.

use karin_core::{MessageView, Queue, Receipt, State};

use crate::reply::Reply;

/// The words for the states, as `STATE` takes them.
const STATES: [(State, &str); 4] = [
    (State::Ready, "ready"),
    (State::Delayed, "delayed"),
    (State::InFlight, "inflight"),
    (State::Dead, "dead"),
];

/// The state of that name, in any case of letters.
pub(super) fn parse_state(name: &[u8]) -> Option<State> {
    let mut states = STATES.into_iter();
    states.find(|(_, word)| word.as_bytes().eq_ignore_ascii_case(name)).map(|(state, _)| state)
}

/// A message that was handed out.
pub(super) fn reply_delivery(reply: Reply<'_>, queue: &Queue, view: &MessageView<'_>) {
    let receipt =
        Receipt { uid: queue.uid(), slot: view.slot, sequence: view.sequence, lease: view.lease };
    reply.array(12);
    reply.bulk(&queue.message_id(view.sequence));
    reply.bulk(&receipt.to_text());
    reply_rest(reply, view);
}

/// A message that was looked at: of its body and its attributes at most `bytes_max` each.
pub(super) fn reply_look(
    reply: Reply<'_>,
    queue: &Queue,
    view: &MessageView<'_>,
    state: State,
    bytes_max: u64,
) {
    let word = STATES.into_iter().find(|&(other, _)| other == state).map_or("", |(_, word)| word);
    let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let begin = |bytes| <[u8]>::get(bytes, ..most).unwrap_or(bytes);
    let cut = MessageView { body: begin(view.body), attributes: begin(view.attributes), ..*view };
    reply.array(14);
    reply.bulk(&queue.message_id(view.sequence));
    reply.bulk(word.as_bytes());
    reply_rest(reply, &cut);
    reply.number(view.dead_number);
    reply.count(view.body.len());
}

/// What both have.
fn reply_rest(reply: Reply<'_>, view: &MessageView<'_>) {
    reply.bulk(view.body);
    reply.bulk(view.attributes);
    reply.number(u64::from(view.receive_count));
    reply.number(view.sent_ms);
    reply.number(view.first_received_ms);
    reply.number(view.due_ms);
    reply.number(view.sequence);
    reply.bulk(view.group);
    reply.bulk(view.dedup_id);
    reply.bulk(view.source);
}
