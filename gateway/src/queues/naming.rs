//! How a queue's name, its key and its channel hang together.

use std::io::Write as _;

use redis::{RedisWrite, ToRedisArgs};

use super::QueueName;

/// What the module puts before the key to name the channel of its hints.
const CHANNEL_PREFIX: &str = "karin:due:";

/// The key of queue `orders` is `<prefix>{orders}`: the braces keep all that belongs to one queue
/// in one slot of a cluster.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    prefix: std::sync::Arc<str>,
}

/// A key on its way into a command; written there without a string of its own.
pub(super) struct Key<'a> {
    prefix: &'a str,
    queue: &'a str,
}

impl Naming {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    pub(super) fn key<'a>(&'a self, queue: &'a QueueName) -> Key<'a> {
        Key { prefix: &self.prefix, queue: queue.as_str() }
    }

    /// The key of something that is remembered about a queue, in the queue's slot.
    pub(super) fn marker(&self, queue: &QueueName, what: &str) -> String {
        format!("{}{{{queue}}}:{what}", self.prefix)
    }

    /// The key of something of ours that belongs to no queue.
    pub(super) fn own(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }

    /// What the keys of queues whose names start with `start` start with.
    pub(super) fn key_start(&self, start: &str) -> String {
        format!("{}{{{start}", self.prefix)
    }

    pub(super) fn channel(&self, queue: &QueueName) -> String {
        format!("{CHANNEL_PREFIX}{}{{{queue}}}", self.prefix)
    }

    pub(super) fn queue_of_key(&self, key: &str) -> Option<QueueName> {
        let name = key.strip_prefix(&*self.prefix)?.strip_prefix('{')?.strip_suffix('}')?;
        QueueName::parse(name)
    }

    /// The same, and the queue of move tasks, which only gateways know.
    pub(super) fn any_queue_of_key(&self, key: &str) -> Option<QueueName> {
        let own = QueueName::of_move_tasks();
        let is_own = key.strip_prefix(&*self.prefix).is_some_and(|rest| {
            rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(own.as_str())
        });
        if is_own { Some(own) } else { self.queue_of_key(key) }
    }

    pub(super) fn queue_of_channel(&self, channel: &str) -> Option<QueueName> {
        self.any_queue_of_key(channel.strip_prefix(CHANNEL_PREFIX)?)
    }
}

impl ToRedisArgs for Key<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut argument = out.writer_for_next_arg();
        for part in [self.prefix, "{", self.queue, "}"] {
            // Into memory: it does not fail.
            let _ = argument.write_all(part.as_bytes());
        }
    }
}

impl redis::ToSingleRedisArg for Key<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keys_and_channels_lead_to_each_other() {
        let naming = Naming::new("karin:");
        let queue = QueueName::parse("orders.fifo").unwrap();
        assert_eq!(naming.key(&queue).to_redis_args(), [b"karin:{orders.fifo}".to_vec()]);
        assert_eq!(naming.queue_of_key("karin:{orders.fifo}"), Some(queue.clone()));
        assert_eq!(naming.marker(&queue, "gone"), "karin:{orders.fifo}:gone");
        assert_eq!(naming.channel(&queue), "karin:due:karin:{orders.fifo}");
        assert_eq!(naming.queue_of_channel("karin:due:karin:{orders.fifo}"), Some(queue));
        for foreign in ["karin:orders", "other:{orders}", "karin:{or ders}", "karin:{orders}:gone"]
        {
            assert_eq!(naming.queue_of_key(foreign), None, "{foreign}");
        }
        let own = QueueName::of_move_tasks();
        let (key, channel) = (format!("karin:{{{own}}}"), naming.channel(&own));
        assert_eq!(naming.queue_of_key(&key), None, "no client sees it");
        assert_eq!(naming.any_queue_of_key(&key).as_ref(), Some(&own));
        assert_eq!(naming.queue_of_channel(&channel), Some(own));
    }
}
