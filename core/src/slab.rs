//! Where messages lie: numbered slots in chunks that never move.
//!
//! A growing `Vec` would copy everything on the server's main thread (22 ms at a million messages,
//! module-facts §4), so slots come in chunks: small ones first (8, 8, 16, 32 … 512) so that a tiny
//! queue is tiny, then 1,024 each. Receipts and replicas name slots by number, so a slot can also
//! be taken by number; hence the free list is linked both ways.

use crate::limits::SLOTS_MAX;
use crate::message::{Message, NO_SLOT};

/// Slots of a full-sized chunk.
const CHUNK_SLOTS: u32 = 1_024;
/// Slots of the first chunk.
const FIRST_CHUNK_SLOTS: u32 = 8;
/// Chunks that are smaller than [`CHUNK_SLOTS`] or the last of that size below it.
const SMALL_CHUNKS: u32 = CHUNK_SLOTS.ilog2() - FIRST_CHUNK_SLOTS.ilog2() + 1;

#[derive(Debug, Clone)]
enum Slot {
    Free { prev: u32, next: u32 },
    Used(Message),
}

const _: () = assert!(size_of::<Slot>() <= 80);

#[derive(Debug, Clone)]
struct Chunk {
    slots: Box<[Slot]>,
    used: u32,
}

/// The slots of one queue.
#[derive(Debug, Clone)]
pub(crate) struct Slab {
    chunks: Vec<Option<Chunk>>,
    free_head: u32,
    free_count: u32,
    used_count: u32,
}

impl Slab {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free_head: NO_SLOT, free_count: 0, used_count: 0 }
    }

    /// Messages in it.
    pub(crate) const fn len(&self) -> u32 {
        self.used_count
    }

    /// All messages are in slots below this.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.chunks.len()).map_or(SLOTS_MAX, chunk_start)
    }

    /// Memory of the slots themselves, without what messages point to.
    pub(crate) fn memory_bytes(&self) -> usize {
        let slots = usize::try_from(self.free_count.saturating_add(self.used_count)).unwrap_or(0);
        slots * size_of::<Slot>() + self.chunks.capacity() * size_of::<Option<Chunk>>()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Message> {
        match self.slot(slot)? {
            Slot::Used(message) => Some(message),
            Slot::Free { .. } => None,
        }
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Message> {
        match self.slot_mut(slot)? {
            Slot::Used(message) => Some(message),
            Slot::Free { .. } => None,
        }
    }

    /// The slot the next [`Slab::insert`] takes; makes room for it. `None`: all slots are taken.
    pub(crate) fn reserve(&mut self) -> Option<u32> {
        if self.free_head == NO_SLOT {
            let chunk = self.chunks.iter().position(Option::is_none).unwrap_or(self.chunks.len());
            let chunk = u32::try_from(chunk).ok()?;
            if chunk_start(chunk) >= SLOTS_MAX {
                return None;
            }
            self.add_chunk(chunk);
        }
        Some(self.free_head)
    }

    /// Puts a message into a free slot, making the slot's chunk if needed. Gives the message back
    /// if the slot is taken or out of range.
    pub(crate) fn insert(&mut self, slot: u32, message: Message) -> Result<(), Message> {
        if slot >= SLOTS_MAX {
            return Err(message);
        }
        let chunk = locate(slot).0;
        if self.chunk(chunk).is_none() {
            self.add_chunk(chunk);
        }
        let Some(&Slot::Free { prev, next }) = self.slot(slot) else {
            return Err(message);
        };
        self.unlink_free(prev, next);
        if let Some(place) = self.slot_mut(slot) {
            *place = Slot::Used(message);
        }
        self.used_count += 1;
        if let Some(chunk) = self.chunk_mut(chunk) {
            chunk.used += 1;
        }
        Ok(())
    }

    /// Takes a message out; its slot is the first to be used again.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Message> {
        self.get(slot)?;
        let free = Slot::Free { prev: NO_SLOT, next: self.free_head };
        let Slot::Used(message) = std::mem::replace(self.slot_mut(slot)?, free) else {
            return None;
        };
        self.link_free_head(slot);
        self.used_count -= 1;
        let (chunk_index, _) = locate(slot);
        let chunk = self.chunk_mut(chunk_index)?;
        chunk.used -= 1;
        let emptied = chunk.used == 0;
        if emptied && self.free_count >= chunk_slots(chunk_index).saturating_add(CHUNK_SLOTS) {
            self.drop_chunk(chunk_index);
        }
        Some(message)
    }

    /// All messages with their slots, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Message)> {
        self.chunks.iter().zip(0_u32..).flat_map(|(chunk, index)| {
            let slots = chunk.as_ref().map_or(&[][..], |chunk| &chunk.slots);
            slots.iter().zip(chunk_start(index)..).filter_map(|(slot, number)| match slot {
                Slot::Used(message) => Some((number, message)),
                Slot::Free { .. } => None,
            })
        })
    }

    /// Recounts the free list and the chunks. Errors: what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut free_count = 0;
        let (mut slot, mut before) = (self.free_head, NO_SLOT);
        while slot != NO_SLOT {
            let Some(&Slot::Free { prev, next }) = self.slot(slot) else {
                return Err(format!("slot {slot} is in the free list and not free"));
            };
            if prev != before || free_count > self.free_count {
                return Err(format!("the free list is broken at slot {slot}"));
            }
            free_count += 1;
            (before, slot) = (slot, next);
        }
        let used: u32 = self.chunks.iter().flatten().map(|chunk| chunk.used).sum();
        let counted = u32::try_from(self.iter().count()).unwrap_or(u32::MAX);
        let slots: usize = self.chunks.iter().flatten().map(|chunk| chunk.slots.len()).sum();
        let expected = [self.used_count, self.used_count, self.free_count];
        let all = usize::try_from(free_count + counted).unwrap_or(usize::MAX);
        if [used, counted, free_count] != expected || slots != all {
            return Err(format!(
                "slots: {used} used by chunks, {counted} counted, {} noted; \
                 {free_count} free, {} noted; {slots} in all",
                self.used_count, self.free_count
            ));
        }
        Ok(())
    }

    fn add_chunk(&mut self, index: u32) {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if self.chunks.len() <= at {
            self.chunks.resize_with(at + 1, || None);
        }
        let (start, count) = (chunk_start(index), chunk_slots(index));
        let mut slots = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        for slot in start..start + count {
            let prev = if slot == start { NO_SLOT } else { slot - 1 };
            let next = if slot + 1 == start + count { self.free_head } else { slot + 1 };
            slots.push(Slot::Free { prev, next });
        }
        if let Some(place) = self.chunks.get_mut(at) {
            *place = Some(Chunk { slots: slots.into_boxed_slice(), used: 0 });
        }
        self.set_prev(self.free_head, start + count - 1);
        self.free_head = start;
        self.free_count += count;
    }

    fn drop_chunk(&mut self, index: u32) {
        for slot in chunk_start(index)..chunk_start(index) + chunk_slots(index) {
            if let Some(&Slot::Free { prev, next }) = self.slot(slot) {
                self.unlink_free(prev, next);
            }
        }
        if let Some(place) = self.chunks.get_mut(usize::try_from(index).unwrap_or(usize::MAX)) {
            *place = None;
        }
        while matches!(self.chunks.last(), Some(None)) {
            self.chunks.pop();
        }
    }

    fn link_free_head(&mut self, slot: u32) {
        self.set_prev(self.free_head, slot);
        self.free_head = slot;
        self.free_count += 1;
    }

    fn unlink_free(&mut self, before: u32, after: u32) {
        match self.slot_mut(before) {
            Some(Slot::Free { next, .. }) => *next = after,
            _ => self.free_head = after,
        }
        self.set_prev(after, before);
        self.free_count -= 1;
    }

    fn set_prev(&mut self, slot: u32, before: u32) {
        if let Some(Slot::Free { prev, .. }) = self.slot_mut(slot) {
            *prev = before;
        }
    }

    fn chunk(&self, index: u32) -> Option<&Chunk> {
        self.chunks.get(usize::try_from(index).ok()?)?.as_ref()
    }

    fn chunk_mut(&mut self, index: u32) -> Option<&mut Chunk> {
        self.chunks.get_mut(usize::try_from(index).ok()?)?.as_mut()
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        let (chunk, offset) = locate(slot);
        self.chunk(chunk)?.slots.get(offset)
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        let (chunk, offset) = locate(slot);
        self.chunk_mut(chunk)?.slots.get_mut(offset)
    }
}

/// The chunk of a slot and its place in it.
fn locate(slot: u32) -> (u32, usize) {
    let chunk = if slot < FIRST_CHUNK_SLOTS {
        0
    } else if slot < CHUNK_SLOTS {
        slot.ilog2() + 1 - FIRST_CHUNK_SLOTS.ilog2()
    } else {
        SMALL_CHUNKS - 1 + slot / CHUNK_SLOTS
    };
    (chunk, usize::try_from(slot - chunk_start(chunk)).unwrap_or(usize::MAX))
}

fn chunk_start(chunk: u32) -> u32 {
    match chunk {
        0 => 0,
        _ if chunk < SMALL_CHUNKS => FIRST_CHUNK_SLOTS << (chunk - 1),
        _ => (chunk - SMALL_CHUNKS).saturating_add(1).saturating_mul(CHUNK_SLOTS),
    }
}

fn chunk_slots(chunk: u32) -> u32 {
    match chunk {
        0 => FIRST_CHUNK_SLOTS,
        _ => chunk_start(chunk).min(CHUNK_SLOTS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u64) -> Message {
        Message::new(sequence, 0, 0, Box::default(), 0, false)
    }

    #[test]
    fn every_slot_has_one_place() {
        let mut expected = 0;
        for chunk in 0..12 {
            assert_eq!(chunk_start(chunk), expected, "chunk {chunk}");
            for offset in 0..chunk_slots(chunk) {
                assert_eq!(locate(expected + offset), (chunk, offset as usize));
            }
            expected += chunk_slots(chunk);
        }
        assert_eq!(expected, 5 * CHUNK_SLOTS);
    }

    #[test]
    fn slots_are_used_again_and_memory_comes_back() {
        let mut slab = Slab::new();
        for n in 0..10_000 {
            let slot = slab.reserve().unwrap();
            slab.insert(slot, message(n)).unwrap();
        }
        slab.check().unwrap();
        let full = slab.memory_bytes();
        for slot in 0..10_000 {
            assert!(slab.remove(slot).is_some());
        }
        slab.check().unwrap();
        assert_eq!(slab.len(), 0);
        assert!(slab.memory_bytes() < full / 2, "{} of {full}", slab.memory_bytes());
        assert!(slab.remove(0).is_none());
    }

    #[test]
    fn a_replica_can_take_any_slot_by_number() {
        let mut slab = Slab::new();
        for slot in [5_000, 3, 1_023, 1_024, 4] {
            slab.insert(slot, message(u64::from(slot))).unwrap();
            slab.check().unwrap();
        }
        assert!(slab.insert(3, message(9)).is_err());
        assert!(slab.insert(SLOTS_MAX, message(9)).is_err());
        let found: Vec<_> = slab.iter().map(|(slot, _)| slot).collect();
        assert_eq!(found, [3, 4, 1_023, 1_024, 5_000]);
        for _ in 0..20_000 {
            let slot = slab.reserve().unwrap();
            slab.insert(slot, message(1)).unwrap();
        }
        slab.check().unwrap();
        assert_eq!(slab.len(), 20_005);
    }
}
