//! Trying filters on the messages of a queue, which are looked at and not received.
//!
//! Source: esm-contract §11, trap 13.

use crate::epoch::now_ms;
use crate::filter::{Filters, Subject};
use crate::message_view::MessageView;
use crate::queues::{QueueError, QueueName, Queues, ReceivedMessage};

/// Messages that are held in memory at a time: they may have a megabyte each.
const PAGE: u32 = 10;

/// Tries filters on the messages of a queue, from the oldest on, at most `count`: tells `each` id,
/// body, and whether it is accepted, for as long as `each` wants more. Returns whether there are
/// more.
pub(crate) async fn try_on(
    queues: &Queues,
    queue: &QueueName,
    filters: &Filters,
    count: u32,
    mut each: impl FnMut(&str, &str, bool) -> bool,
) -> Result<bool, QueueError> {
    let (mut seen, mut after) = (0, Some(0));
    while let Some(start) = after.filter(|_| seen < count) {
        let peeked = queues.peek(queue, start, PAGE.min(count - seen)).await?;
        after = peeked.after;
        for message in peeked.messages {
            seen += 1;
            let message = as_received(message);
            let view = MessageView::new(&message);
            if !each(&message.id, &view.body, filters.accepts(&Subject::new(&message.id, &view))) {
                return Ok(after.is_some());
            }
        }
    }
    Ok(after.is_some())
}

/// The message as its next receive shows it.
fn as_received(mut message: ReceivedMessage) -> ReceivedMessage {
    message.receive_count += 1;
    if message.first_received_ms == 0 {
        message.first_received_ms = now_ms();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_receive_is_counted() {
        let message = as_received(ReceivedMessage::default());
        assert!(message.receive_count == 1 && message.first_received_ms > 0);
        let before = ReceivedMessage { first_received_ms: 7, ..ReceivedMessage::default() };
        assert_eq!(as_received(before).first_received_ms, 7);
    }
}
