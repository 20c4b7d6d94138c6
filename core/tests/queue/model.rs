//! Random commands against a naive model: a `Vec` and a scan. Beside the queue runs a replica that
//! is told effects only, and now and then the queue is saved and loaded; all must agree.
//!
//! More cases: `PROPTEST_CASES=100000 cargo test -p karin-core --test queue model`.

use karin_core::snapshot::{ENCODING_VERSION, encode_slot};
use karin_core::{
    Attributes, Demand, Extension, Outcome, PopOptions, Queue, Receipt, SendOptions, Tags,
};
use proptest::prelude::*;

const T0: u64 = 1_700_000_000_000;
const RETENTION_MS: u64 = 60_000;
const ATTRIBUTES: &[u8] = b"at";

#[derive(Debug, Clone)]
enum Transition {
    Send { delay_ms: u64, length: usize },
    Pop { count: usize, visibility_timeout_ms: u64, max_bytes: Option<u64>, holder: u32 },
    Acknowledge { pick: usize, demand: Demand },
    Extend { pick: usize, visibility_timeout_ms: u64, demand: Demand, unchanged: Option<bool> },
    Release { pick: usize, delay_ms: u64 },
    ReleaseHolder { holder: u32 },
    Purge,
    Advance { ms: u64 },
    StepBack { ms: u64 },
    Reload,
}

fn transitions() -> impl Strategy<Value = Transition> {
    let demand = prop_oneof![Just(Demand::Any), Just(Demand::Current)];
    let duration = prop_oneof![Just(0), 1_u64..5_000, Just(30_000)];
    prop_oneof![
        8 => (duration.clone(), 0_usize..20)
            .prop_map(|(delay_ms, length)| Transition::Send { delay_ms, length }),
        6 => (0_usize..6, duration.clone(), proptest::option::of(0_u64..40), 0_u32..3).prop_map(
            |(count, visibility_timeout_ms, max_bytes, holder)| Transition::Pop {
                count, visibility_timeout_ms, max_bytes, holder
            }
        ),
        4 => (any::<usize>(), demand.clone())
            .prop_map(|(pick, demand)| Transition::Acknowledge { pick, demand }),
        3 => (any::<usize>(), duration.clone(), demand, proptest::option::of(any::<bool>()))
            .prop_map(|(pick, visibility_timeout_ms, demand, unchanged)| Transition::Extend {
                pick, visibility_timeout_ms, demand, unchanged
            }),
        2 => (any::<usize>(), duration)
            .prop_map(|(pick, delay_ms)| Transition::Release { pick, delay_ms }),
        1 => (1_u32..3).prop_map(|holder| Transition::ReleaseHolder { holder }),
        1 => Just(Transition::Purge),
        6 => (0_u64..10_000).prop_map(|ms| Transition::Advance { ms }),
        1 => (0_u64..10_000).prop_map(|ms| Transition::StepBack { ms }),
        1 => Just(Transition::Reload),
    ]
}

#[derive(Debug, Clone)]
struct ModelMessage {
    sequence: u64,
    sent_ms: u64,
    due_ms: u64,
    at_once: bool,
    leased: bool,
    lease: u32,
    holder: u32,
    receive_count: u32,
    first_received_ms: u64,
    body: Vec<u8>,
}

/// The obvious implementation.
#[derive(Debug, Default)]
struct Model {
    messages: Vec<ModelMessage>,
    sequence: u64,
}

impl Model {
    fn is_due(message: &ModelMessage, now_ms: u64) -> bool {
        message.at_once || message.due_ms <= now_ms
    }

    /// Sequence numbers of what must be handed out, in order; expired ones disappear.
    fn pop(&mut self, now_ms: u64, count: usize, max_bytes: Option<u64>) -> Vec<u64> {
        let mut due: Vec<ModelMessage> =
            self.messages.iter().filter(|m| Self::is_due(m, now_ms)).cloned().collect();
        due.sort_by_key(|m| (m.due_ms, m.sequence));
        let (mut popped, mut bytes) = (Vec::new(), 0);
        for message in due {
            if popped.len() == count {
                break;
            }
            if message.sent_ms + RETENTION_MS <= now_ms {
                self.messages.retain(|m| m.sequence != message.sequence);
                continue;
            }
            bytes += (message.body.len() + ATTRIBUTES.len()) as u64;
            if !popped.is_empty() && max_bytes.is_some_and(|max| bytes > max) {
                break;
            }
            popped.push(message.sequence);
        }
        popped
    }

    fn find(&mut self, sequence: u64) -> Option<&mut ModelMessage> {
        self.messages.iter_mut().find(|m| m.sequence == sequence)
    }
}

struct World {
    queue: Queue,
    replica: Queue,
    model: Model,
    now_ms: u64,
    receipts: Vec<Receipt>,
    next_lease: u32,
}

impl World {
    fn new() -> Self {
        let mut attributes = Attributes::default();
        attributes.message_retention_period_ms = RETENTION_MS;
        let queue = Queue::new(42, T0, attributes, Tags::default());
        let replica = Queue::decode_header(&queue.encode_header()).unwrap();
        Self {
            queue,
            replica,
            model: Model::default(),
            now_ms: T0,
            receipts: Vec::new(),
            next_lease: 1,
        }
    }

    fn apply(&mut self, transition: &Transition) {
        match *transition {
            Transition::Send { delay_ms, length } => self.send(delay_ms, length),
            Transition::Pop { count, visibility_timeout_ms, max_bytes, holder } => {
                let visibility_timeout_ms = Some(visibility_timeout_ms);
                self.pop(&PopOptions { count, visibility_timeout_ms, max_bytes, holder });
            }
            Transition::Acknowledge { pick, demand } => self.acknowledge(pick, demand),
            Transition::Extend { pick, visibility_timeout_ms, demand, unchanged } => {
                self.extend(pick, visibility_timeout_ms, demand, unchanged);
            }
            Transition::Release { pick, delay_ms } => self.release(pick, delay_ms),
            Transition::ReleaseHolder { holder } => self.release_holder(holder),
            Transition::Purge => {
                let dropped = self.queue.purge().count();
                assert_eq!(dropped, self.model.messages.len() as u64);
                self.model.messages.clear();
                self.replica.apply_purge(self.queue.last_sequence());
            }
            Transition::Advance { ms } => self.now_ms += ms,
            Transition::StepBack { ms } => self.now_ms -= ms,
            Transition::Reload => self.reload(),
        }
    }

    fn send(&mut self, delay_ms: u64, length: usize) {
        let body = vec![b'x'; length];
        let options = SendOptions {
            body: &body,
            attributes: ATTRIBUTES,
            delay_ms: Some(delay_ms),
            size_bytes: None,
        };
        let sent = self.queue.send(self.now_ms, &options).unwrap();
        self.model.sequence += 1;
        assert_eq!(sent.sequence, self.model.sequence);
        // Only the ready list ignores a clock that stepped back; a message it cannot take in
        // order waits for its time.
        let at_once = delay_ms == 0
            && self.model.messages.iter().filter(|m| m.at_once).all(|m| m.due_ms <= self.now_ms);
        self.model.messages.push(ModelMessage {
            sequence: sent.sequence,
            sent_ms: self.now_ms,
            due_ms: self.now_ms + delay_ms,
            at_once,
            leased: false,
            lease: 0,
            holder: 0,
            receive_count: 0,
            first_received_ms: 0,
            body,
        });
        let meta = self.queue.encode_meta(sent.slot).unwrap();
        let put = [(meta.as_slice(), self.queue.payload(sent.slot).unwrap())];
        self.replica.apply_puts(&put).unwrap();
        self.replica.apply_puts(&put).unwrap();
    }

    fn pop(&mut self, options: &PopOptions) {
        let mut lease = self.next_lease;
        let expected = self.model.pop(self.now_ms, options.count, options.max_bytes);
        let popped = self.queue.pop_due(self.now_ms, options, &mut || {
            lease += 1;
            lease
        });
        self.next_lease = lease;
        let got: Vec<u64> =
            popped.leased.iter().map(|&slot| self.queue.view(slot).unwrap().sequence).collect();
        assert_eq!(got, expected);
        for &slot in &popped.leased {
            let receipt = self.queue.receipt(slot).unwrap();
            let now_ms = self.now_ms;
            let message = self.model.find(receipt.sequence).unwrap();
            message.at_once = false;
            message.leased = true;
            message.lease = receipt.lease;
            message.holder = options.holder;
            message.due_ms = now_ms + options.visibility_timeout_ms.unwrap();
            message.receive_count += 1;
            if message.first_received_ms == 0 {
                message.first_received_ms = now_ms;
            }
            self.receipts.push(receipt);
        }
        let mut dropped = Vec::new();
        for &(slot, sequence) in &popped.dropped {
            encode_slot(&mut dropped, slot, sequence);
        }
        self.replica.apply_delete(&dropped).unwrap();
        self.tell_states(&popped.leased);
    }

    fn tell_states(&mut self, slots: &[u32]) {
        let mut states = Vec::new();
        for &slot in slots {
            self.queue.encode_state(slot, &mut states);
        }
        self.replica.apply_states(&states).unwrap();
    }

    fn picked(&self, pick: usize) -> Option<Receipt> {
        self.receipts.get(pick % self.receipts.len().max(1)).copied()
    }

    /// What a receipt may do, by the model.
    fn expected(&mut self, receipt: &Receipt, demand: Demand) -> Outcome {
        match self.model.find(receipt.sequence) {
            None => Outcome::Gone,
            Some(m) if demand == Demand::Current && !(m.leased && m.lease == receipt.lease) => {
                Outcome::Stale
            }
            Some(_) => Outcome::Done,
        }
    }

    fn acknowledge(&mut self, pick: usize, demand: Demand) {
        let Some(receipt) = self.picked(pick) else { return };
        let expected = self.expected(&receipt, demand);
        assert_eq!(self.queue.acknowledge(&receipt, demand), expected);
        if expected == Outcome::Done {
            self.model.messages.retain(|m| m.sequence != receipt.sequence);
            let mut deleted = Vec::new();
            encode_slot(&mut deleted, receipt.slot, receipt.sequence);
            self.replica.apply_delete(&deleted).unwrap();
        }
    }

    fn extend(&mut self, pick: usize, ms: u64, demand: Demand, unchanged: Option<bool>) {
        let Some(receipt) = self.picked(pick) else { return };
        let due_ms = self.model.find(receipt.sequence).map_or(0, |m| m.due_ms);
        let unless_changed_due_ms = unchanged.map(|same| if same { due_ms } else { due_ms + 1 });
        let mut expected = self.expected(&receipt, demand);
        if expected == Outcome::Done && unchanged == Some(false) {
            expected = Outcome::Changed;
        }
        let extension = Extension { visibility_timeout_ms: ms, demand, unless_changed_due_ms };
        assert_eq!(self.queue.extend(self.now_ms, &receipt, &extension), expected);
        if expected == Outcome::Done {
            let now_ms = self.now_ms;
            let message = self.model.find(receipt.sequence).unwrap();
            message.due_ms = now_ms + ms;
            message.at_once = false;
            self.tell_states(&[receipt.slot]);
        }
    }

    fn release(&mut self, pick: usize, delay_ms: u64) {
        let Some(receipt) = self.picked(pick) else { return };
        let expected = self.expected(&receipt, Demand::Current);
        assert_eq!(self.queue.release(self.now_ms, &receipt, delay_ms), expected);
        if expected == Outcome::Done {
            let now_ms = self.now_ms;
            give_back(self.model.find(receipt.sequence).unwrap(), now_ms + delay_ms);
            self.tell_states(&[receipt.slot]);
        }
    }

    fn release_holder(&mut self, holder: u32) {
        let slots = self.queue.release_holder(self.now_ms, holder, 1_000);
        let now_ms = self.now_ms;
        let mut count = 0;
        for message in self.model.messages.iter_mut().filter(|m| m.leased && m.holder == holder) {
            give_back(message, now_ms);
            count += 1;
        }
        assert_eq!(slots.len(), count);
        self.tell_states(&slots);
    }

    fn reload(&mut self) {
        assert_eq!(ENCODING_VERSION, self.queue.encode_header()[0]);
        let mut loaded = Queue::decode_header(&self.queue.encode_header()).unwrap();
        let slots: Vec<u32> = self.queue.slots().collect();
        for part in slots.chunks(3) {
            let mut chunk = Vec::new();
            for &slot in part {
                self.queue.encode_record(slot, &mut chunk);
            }
            loaded.load_messages(&chunk).unwrap();
        }
        loaded.finish_load();
        self.queue = loaded;
    }

    fn check(&mut self) {
        self.queue.check().unwrap();
        self.replica.check().unwrap();
        assert_eq!(digest(&self.queue), digest(&self.replica));
        assert_eq!(self.queue.len(), self.model.messages.len());
        let now_ms = self.now_ms;
        let counts = self.queue.counts(now_ms);
        let ready = self.model.messages.iter().filter(|m| Model::is_due(m, now_ms)).count();
        let in_flight =
            self.model.messages.iter().filter(|m| m.leased && m.due_ms > now_ms).count();
        assert_eq!((counts.ready, counts.in_flight), (ready as u64, in_flight as u64));
        let earliest = self.model.messages.iter().map(|m| m.due_ms).min();
        assert_eq!(self.queue.next_due_ms(), earliest);
        for slot in self.queue.slots().collect::<Vec<_>>() {
            let view = self.queue.view(slot).unwrap();
            let message = self.model.messages.iter().find(|m| m.sequence == view.sequence).unwrap();
            assert_eq!(view.due_ms, message.due_ms);
            assert_eq!(view.receive_count, message.receive_count);
            assert_eq!(view.first_received_ms, message.first_received_ms);
            assert_eq!((view.body, view.attributes), (&message.body[..], ATTRIBUTES));
        }
    }
}

fn give_back(message: &mut ModelMessage, due_ms: u64) {
    message.leased = false;
    message.due_ms = due_ms;
    message.receive_count -= 1;
    if message.receive_count == 0 {
        message.first_received_ms = 0;
    }
}

fn digest(queue: &Queue) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    queue.digest_items(&mut |item| items.push(item.to_vec()));
    items
}

proptest! {
    #[test]
    fn a_queue_its_replica_and_its_reloaded_self_do_what_the_naive_model_does(
        transitions in proptest::collection::vec(transitions(), 1..120)
    ) {
        let mut world = World::new();
        for transition in &transitions {
            world.apply(transition);
            world.check();
        }
    }
}
