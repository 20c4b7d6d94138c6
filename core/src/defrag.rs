//! Moving what lies in memory, for servers that defragment it.

use crate::queue::Queue;

/// Payloads between two looks at whether to stop.
const STRIDE: u32 = 64;

impl Queue {
    /// Gives the payload of each slot from `from_slot` on to `move_box`, which returns the same
    /// bytes, maybe in another place. Asks `stop` now and then. Returns the slot to go on from;
    /// `None`: all are done.
    pub fn defrag_payloads(
        &mut self,
        from_slot: u32,
        move_box: &mut dyn FnMut(Box<[u8]>) -> Box<[u8]>,
        stop: &mut dyn FnMut() -> bool,
    ) -> Option<u32> {
        for slot in from_slot..self.slab.end() {
            if slot > from_slot && slot.is_multiple_of(STRIDE) && stop() {
                return Some(slot);
            }
            if let Some(message) = self.slab.get_mut(slot) {
                message.payload = move_box(std::mem::take(&mut message.payload));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, SendOptions, Tags};

    #[test]
    fn every_payload_is_moved_once_whenever_it_stops() {
        let mut queue = Queue::new(1, 0, Attributes::default(), Tags::default());
        for n in 0..1_000_u32 {
            let body = n.to_string();
            let options = SendOptions { body: body.as_bytes(), ..SendOptions::default() };
            queue.send(0, &options).unwrap();
        }
        queue.take(500);
        let (mut moved, mut stops, mut cursor) = (Vec::new(), 0, Some(0));
        while let Some(slot) = cursor {
            let mut record = |payload: Box<[u8]>| {
                moved.push(String::from_utf8(payload.to_vec()).unwrap());
                payload.to_vec().into_boxed_slice()
            };
            cursor = queue.defrag_payloads(slot, &mut record, &mut || true);
            stops += 1;
        }
        let expected: Vec<_> = (0..1_000).filter(|&n| n != 500).map(|n| n.to_string()).collect();
        assert_eq!(moved, expected);
        assert!(stops > 10, "{stops}");
        assert_eq!(queue.payload(999), Some(&b"999"[..]));
        queue.check().unwrap();
    }
}
