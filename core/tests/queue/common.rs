//! What the tests share: a queue with a clock, whose messages are called by their bodies.

use std::collections::BTreeMap;

use karin_core::{
    AttributeName, Attributes, Counts, Demand, Error, Extension, Outcome, PopOptions, Popped,
    Queue, Receipt, SendOptions, Sent, Tags,
};

pub(crate) const T0: u64 = 1_700_000_000_000;
pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// A queue and the time. Every step recounts the queue.
pub(crate) struct Scene {
    pub(crate) queue: Queue,
    pub(crate) now_ms: u64,
    sent: u32,
    leases: u32,
    receipts: BTreeMap<String, Receipt>,
}

impl Scene {
    pub(crate) fn new(attributes: Attributes) -> Self {
        let queue = Queue::new(7, T0, attributes, Tags::default());
        Self { queue, now_ms: T0, sent: 0, leases: 0, receipts: BTreeMap::new() }
    }

    pub(crate) fn standard() -> Self {
        Self::new(Attributes::default())
    }

    pub(crate) fn fifo() -> Self {
        let mut attributes = Attributes::default();
        attributes.fifo = true;
        Self::new(attributes)
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub(crate) fn set(&mut self, name: AttributeName, value: &str) {
        let mut attributes = self.queue.attributes().clone();
        attributes.set(name, value.as_bytes()).unwrap();
        self.queue.set_attributes(self.now_ms, attributes);
        self.queue.check().unwrap();
    }

    /// Lets messages die when they were received that often.
    pub(crate) fn let_die_after(&mut self, receives: u32) {
        self.set(AttributeName::DeadLetterTargetArn, "elsewhere");
        self.set(AttributeName::MaxReceiveCount, &receives.to_string());
    }

    pub(crate) fn send_with(&mut self, options: &SendOptions) -> Result<Sent, Error> {
        let sent = self.queue.send(self.now_ms, options);
        self.queue.check().unwrap();
        sent
    }

    /// Sends messages named "group-name", or "name" without a group. Each has a deduplication id
    /// of its own in a FIFO queue.
    pub(crate) fn send(&mut self, bodies: &str) {
        for body in bodies.split_whitespace() {
            self.sent += 1;
            let dedup_id = self.sent.to_string();
            let options = SendOptions {
                body: body.as_bytes(),
                group: body.split_once('-').map(|(group, _)| group.as_bytes()),
                dedup_id: self.queue.attributes().fifo.then_some(dedup_id.as_bytes()),
                ..SendOptions::default()
            };
            assert!(self.send_with(&options).unwrap().slot.is_some(), "{body} is no duplicate");
        }
    }

    pub(crate) fn pop_with(&mut self, options: &PopOptions) -> Popped {
        let leases = &mut self.leases;
        let popped = self.queue.pop_due(self.now_ms, options, &mut || {
            *leases += 1;
            *leases
        });
        self.queue.check().unwrap();
        for &slot in &popped.leased {
            self.receipts.insert(self.body(slot), self.queue.receipt(slot).unwrap());
        }
        popped
    }

    /// The names of what was handed out.
    pub(crate) fn names(&self, popped: &Popped) -> String {
        self.names_of(&popped.leased)
    }

    pub(crate) fn names_of(&self, slots: &[u32]) -> String {
        slots.iter().map(|&slot| self.body(slot)).collect::<Vec<_>>().join(" ")
    }

    fn body(&self, slot: u32) -> String {
        String::from_utf8(self.queue.view(slot).unwrap().body.to_vec()).unwrap()
    }

    /// Receives up to `count` messages for 30 s.
    pub(crate) fn pop(&mut self, count: usize) -> String {
        self.pop_for(count, 30_000)
    }

    pub(crate) fn pop_for(&mut self, count: usize, visibility_timeout_ms: u64) -> String {
        let visibility_timeout_ms = Some(visibility_timeout_ms);
        let popped =
            self.pop_with(&PopOptions { count, visibility_timeout_ms, ..PopOptions::default() });
        self.names(&popped)
    }

    /// The receipt of a message's last receive.
    pub(crate) fn receipt(&self, body: &str) -> Receipt {
        self.receipts[body]
    }

    pub(crate) fn slot(&self, body: &str) -> u32 {
        self.receipt(body).slot
    }

    pub(crate) fn ack_each(&mut self, bodies: &str) {
        for body in bodies.split_whitespace() {
            assert_eq!(self.ack(body), Outcome::Done, "{body}");
        }
    }

    pub(crate) fn ack(&mut self, body: &str) -> Outcome {
        let receipt = self.receipt(body);
        let outcome = self.queue.acknowledge(self.now_ms, &receipt, Demand::Any);
        self.queue.check().unwrap();
        outcome
    }

    pub(crate) fn extend(&mut self, body: &str, visibility_timeout_ms: u64) -> Outcome {
        let receipt = self.receipt(body);
        let extension =
            Extension { visibility_timeout_ms, demand: Demand::Any, unless_changed_due_ms: None };
        let outcome = self.queue.extend(self.now_ms, &receipt, &extension);
        self.queue.check().unwrap();
        outcome
    }

    pub(crate) fn release(&mut self, body: &str, delay_ms: u64) -> Outcome {
        let receipt = self.receipt(body);
        let outcome = self.queue.release(self.now_ms, &receipt, delay_ms);
        self.queue.check().unwrap();
        outcome
    }

    pub(crate) fn counts(&mut self) -> Counts {
        self.queue.counts(self.now_ms)
    }

    /// Saves the queue and loads it.
    pub(crate) fn reload(&mut self) {
        self.queue = reloaded(&self.queue, usize::MAX);
        self.queue.check().unwrap();
    }
}

/// The queue as it is after a save in chunks of `entries` and a load.
pub(crate) fn reloaded(queue: &Queue, entries: usize) -> Queue {
    let mut loaded = Queue::decode_header(&queue.encode_header()).unwrap();
    let slots: Vec<u32> = queue.slots().collect();
    for part in slots.chunks(entries.min(slots.len()).max(1)) {
        let mut chunk = Vec::new();
        for &slot in part {
            queue.encode_record(slot, &mut chunk);
        }
        loaded.load_messages(&chunk).unwrap();
    }
    queue.encode_dedup(entries, &mut |chunk| loaded.apply_dedup(chunk).unwrap());
    queue.encode_attempts(&mut |attempt| loaded.apply_attempt(attempt).unwrap());
    loaded.finish_load();
    loaded
}

/// The queue as it is after a rewrite of the append-only file, which has effects only.
pub(crate) fn rewritten(queue: &Queue) -> Queue {
    let mut other = Queue::decode_header(&queue.encode_header()).unwrap();
    for slot in queue.slots() {
        let meta = queue.encode_meta(slot).unwrap();
        other.apply_puts(&[(meta.as_slice(), queue.payload(slot).unwrap())]).unwrap();
    }
    queue.encode_dedup(100, &mut |chunk| other.apply_dedup(chunk).unwrap());
    queue.encode_attempts(&mut |attempt| other.apply_attempt(attempt).unwrap());
    other
}

pub(crate) fn digest(queue: &Queue) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    queue.digest_items(&mut |item| items.push(item.to_vec()));
    items
}

pub(crate) fn counts(ready: u64, delayed: u64, in_flight: u64, dead: u64) -> Counts {
    Counts { ready, delayed, in_flight, dead }
}
