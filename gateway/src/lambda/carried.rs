//! What was taken and found no room in an event: it goes into the next one, its lease running.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::lambda::batch::{Batch, Fit, Held};

/// A message with its record, ready for an event.
#[derive(Debug)]
pub(super) struct Carried {
    /// The message.
    pub(super) held: Held,
    /// Its record, JSON.
    pub(super) record: Vec<u8>,
    /// When its lease ends at the earliest.
    pub(super) lease_ends: Instant,
    /// When the window ended or ends in which it was taken.
    pub(super) window_ends: Instant,
}

/// Messages on their way to the next event.
#[derive(Debug)]
pub(super) struct Carriage {
    /// How long before its lease ends a message must be on its way to the function.
    patience: Duration,
    overflow: VecDeque<Carried>,
    suspects: VecDeque<Carried>,
}

impl Carriage {
    /// Empty. A message must be on its way to the function `patience` before its lease ends.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, overflow: VecDeque::new(), suspects: VecDeque::new() }
    }

    /// The same with another patience.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Takes a message for which there was no room.
    pub(super) fn add(&mut self, message: Carried) {
        self.overflow.push_back(message);
    }

    /// Takes a message that goes alone.
    pub(super) fn add_suspect(&mut self, message: Carried) {
        self.suspects.push_back(message);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.overflow.is_empty() && self.suspects.is_empty()
    }

    /// How many go alone.
    pub(super) fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// The next that goes alone.
    pub(super) fn take_suspect(&mut self) -> Option<Carried> {
        self.suspects.pop_front()
    }

    /// Moves into the batch what it has room for. Returns when its window ends, if it has one now.
    pub(super) fn fill(&mut self, batch: &mut Batch) -> Option<Instant> {
        let mut window_ends: Option<Instant> = None;
        while let Some(next) = self.overflow.pop_front() {
            if batch.fit(next.record.len()) != Fit::Taken {
                self.overflow.push_front(next);
                batch.close();
                break;
            }
            let ends = window_ends.unwrap_or(next.window_ends);
            window_ends = Some(ends.min(next.window_ends));
            batch.push(next.held, next.record, next.lease_ends);
        }
        window_ends
    }

    /// When the first one can no longer be invoked in time; `None` if there is none.
    pub(super) fn expires(&self) -> Option<Instant> {
        let all = self.overflow.iter().chain(&self.suspects);
        all.filter_map(|message| message.lease_ends.checked_sub(self.patience)).min()
    }

    /// Takes those out that can no longer be invoked in time.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Held> {
        let patience = self.patience;
        let mut expired = Vec::new();
        for queue in [&mut self.overflow, &mut self.suspects] {
            for message in std::mem::take(queue) {
                if now + patience >= message.lease_ends {
                    expired.push(message.held);
                } else {
                    queue.push_back(message);
                }
            }
        }
        expired
    }

    /// Takes all out.
    pub(super) fn take_all(&mut self) -> Vec<Held> {
        let all = self.overflow.drain(..).chain(self.suspects.drain(..));
        all.map(|message| message.held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::batch::EVENT_BYTES_MAX;
    use crate::queues::ReceivedMessage;

    fn message(id: u32, bytes: usize, lease_ends: Instant) -> Carried {
        let message = ReceivedMessage { id: id.to_string(), ..ReceivedMessage::default() };
        let now = Instant::now();
        let held = Held::new(&message, now);
        Carried { held, record: vec![b'1'; bytes], lease_ends, window_ends: lease_ends }
    }

    fn ids(messages: &[Held]) -> Vec<&str> {
        messages.iter().map(|message| message.id.as_str()).collect()
    }

    #[test]
    fn a_batch_is_filled_in_order_and_what_has_no_room_stays_for_the_next() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut carriage = Carriage::new(Duration::ZERO);
        carriage.add(message(1, 3, at(9)));
        carriage.add(message(2, EVENT_BYTES_MAX / 2, at(8)));
        carriage.add(message(3, EVENT_BYTES_MAX / 2, at(7)));
        carriage.add(message(4, 3, at(6)));
        carriage.add_suspect(message(5, 3, at(1)));
        let mut batch = Batch::new(10, EVENT_BYTES_MAX);
        assert_eq!(carriage.fill(&mut batch), Some(at(8)), "the earliest window counts");
        assert_eq!(ids(batch.messages()), ["1", "2"], "the fourth does not overtake the third");
        assert!(batch.is_full());
        let mut batch = Batch::new(10, EVENT_BYTES_MAX);
        assert_eq!(carriage.fill(&mut batch), Some(at(6)));
        assert_eq!(ids(batch.messages()), ["3", "4"]);
        assert!(!batch.is_full(), "what comes in meanwhile can go with them");
        let mut batch = Batch::new(10, EVENT_BYTES_MAX);
        assert_eq!(carriage.fill(&mut batch), None);
        assert_eq!(carriage.take_suspect().unwrap().held.id, "5");
        assert!(batch.is_empty() && carriage.is_empty());
    }

    #[test]
    fn what_cannot_start_in_time_is_taken_out_and_the_rest_stays() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut carriage = Carriage::new(Duration::from_secs(10));
        assert_eq!(carriage.expires(), None);
        carriage.add(message(1, 3, at(20)));
        carriage.add(message(2, 3, at(13)));
        carriage.add_suspect(message(3, 3, at(12)));
        assert_eq!(carriage.expires(), Some(at(2)));
        assert!(carriage.take_expired(at(1)).is_empty());
        assert_eq!(ids(&carriage.take_expired(at(3))), ["2", "3"]);
        assert_eq!(carriage.expires(), Some(at(10)));
        assert_eq!(ids(&carriage.take_all()), ["1"]);
        assert!(carriage.is_empty());
    }
}
