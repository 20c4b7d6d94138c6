//! What becomes of messages that no filter accepts.
//!
//! Source: esm-contract §5; §11, trap 13.

use crate::actions::CopiedQueue;
use crate::config::Filtered;
use crate::lambda::poller::Poller;
use crate::queues::attributes::decode;
use crate::queues::{
    Demand, OutgoingMessage, QueueError, QueueName, ReceiptOutcome, ReceivedMessage,
};

/// What one command takes at most.
const RECEIPTS_MAX: usize = 1_000;
const MOVED_AT_ONCE: usize = 100;
/// How soon a kept message comes again at the earliest, seconds: with a VisibilityTimeout of 0
/// it would be taken again and again.
const KEPT_SECONDS_MIN: u64 = 1;

impl Poller {
    /// Does with messages that no filter accepts what the mapping says.
    pub(super) async fn put_aside(&self, messages: &[ReceivedMessage]) {
        if messages.is_empty() {
            return;
        }
        self.counters.filtered_out.add(messages.len());
        match &self.mapping.options.filtered {
            Filtered::Delete => self.delete_filtered(messages).await,
            Filtered::Move(target) if *target != self.mapping.queue => {
                for some in messages.chunks(MOVED_AT_ONCE) {
                    if let Err(error) = self.move_filtered(some, target).await {
                        let queue = &self.mapping.queue;
                        tracing::warn!(%queue, %target, %error, "filtered messages are not moved");
                        self.keep_filtered(some).await;
                    }
                }
            }
            // There is nowhere to move them.
            Filtered::Keep | Filtered::Move(_) => self.keep_filtered(messages).await,
        }
    }

    async fn delete_filtered(&self, messages: &[ReceivedMessage]) {
        let queue = &self.mapping.queue;
        for some in messages.chunks(RECEIPTS_MAX) {
            let receipts: Vec<&str> = some.iter().map(|m| m.receipt.as_str()).collect();
            match self.queues.acknowledge(queue, &receipts, Demand::Current).await {
                Ok(outcomes) => {
                    let late = outcomes.iter().filter(|o| **o == ReceiptOutcome::Stale).count();
                    if late > 0 {
                        tracing::warn!(%queue, late, "somebody else got filtered messages");
                    }
                }
                Err(error) => tracing::warn!(%queue, %error, "filtered messages will come again"),
            }
        }
    }

    /// Uncounted, and away for as long as a receive would hide them.
    async fn keep_filtered(&self, messages: &[ReceivedMessage]) {
        let queue = &self.mapping.queue;
        let visibility_timeout = match self.visibility.of(&self.queues, queue).await {
            Ok(timeout) => timeout,
            Err(error) => {
                tracing::warn!(%queue, %error, "filtered messages wait for their lease");
                return;
            }
        };
        let delay = visibility_timeout.as_secs().max(KEPT_SECONDS_MIN);
        let delay = u32::try_from(delay).unwrap_or(u32::MAX);
        for some in messages.chunks(RECEIPTS_MAX) {
            let receipts: Vec<&str> = some.iter().map(|m| m.receipt.as_str()).collect();
            if let Err(error) = self.queues.release(queue, &receipts, delay).await {
                tracing::warn!(%queue, %error, "filtered messages wait for their lease");
            }
        }
    }

    /// All or none are taken out of the queue. What had arrived before it failed arrives again, but
    /// for a FIFO queue, which knows it by its id.
    async fn move_filtered(
        &self,
        messages: &[ReceivedMessage],
        target: &QueueName,
    ) -> Result<(), QueueError> {
        let outgoing = || messages.iter().map(|message| moved(message, target)).collect();
        let results = match self.queues.send_batch(target, outgoing()).await {
            Err(QueueError::NoQueue) => {
                let ordinary = CopiedQueue::ordinary(target, &self.identity);
                match self.queues.create(target, &ordinary.for_new(), &[]).await {
                    Err(QueueError::Exists) | Ok(()) => {}
                    Err(error) => return Err(error),
                }
                self.queues.send_batch(target, outgoing()).await?
            }
            results => results?,
        };
        for result in results {
            result?;
        }
        self.delete_filtered(messages).await;
        Ok(())
    }
}

/// The message on its way to another queue. In a FIFO queue its own id is its deduplication id, so
/// that it arrives once however often it is sent, and never counts as another one's repetition.
fn moved(message: &ReceivedMessage, target: &QueueName) -> OutgoingMessage {
    let group = Some(message.group.clone()).filter(|group| !group.is_empty());
    let own_group = || target.is_fifo().then(|| message.id.clone());
    OutgoingMessage {
        body: message.body.clone(),
        delay_seconds: None,
        attributes: message.attributes.clone(),
        size_bytes: size_bytes(message),
        group: group.or_else(own_group),
        deduplication_id: target.is_fifo().then(|| message.id.clone()),
        body_sha256: None,
    }
}

/// As SQS counts: the body, and of each of the producer's attributes all three parts.
///
/// Source: sqs-contract §6.1.
fn size_bytes(message: &ReceivedMessage) -> usize {
    let attributes = decode(&message.attributes).unwrap_or_default().user;
    let sizes = attributes.iter().map(|a| a.name.len() + a.data_type.len() + a.value.len());
    message.body.len() + sizes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queues::attributes::{MessageAttribute, MessageAttributes, encode};

    fn message(group: &str) -> ReceivedMessage {
        let user = vec![MessageAttribute {
            name: "n".into(),
            data_type: "String".into(),
            value: b"abc".to_vec(),
        }];
        ReceivedMessage {
            id: "id-1".into(),
            body: "hello".into(),
            attributes: encode(&MessageAttributes { user, system: vec![] }).into(),
            group: group.into(),
            deduplication_id: "d".into(),
            ..ReceivedMessage::default()
        }
    }

    #[test]
    fn a_moved_message_takes_along_what_the_target_can_have() {
        let (standard, fifo) =
            (QueueName::parse("s").unwrap(), QueueName::parse("f.fifo").unwrap());
        let out = moved(&message(""), &standard);
        assert_eq!((out.size_bytes, out.group, out.deduplication_id), (15, None, None));
        assert_eq!(out.attributes, message("").attributes);
        assert_eq!(moved(&message("g"), &standard).group.as_deref(), Some("g"));
        let out = moved(&message("g"), &fifo);
        assert_eq!(out.group.as_deref(), Some("g"));
        assert_eq!(out.deduplication_id.as_deref(), Some("id-1"));
        assert_eq!(moved(&message(""), &fifo).group.as_deref(), Some("id-1"));
    }
}
