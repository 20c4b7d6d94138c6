//! A queue's states over time, and the series made of them.

use crate::history::log::{Reader, Record, write_number};
use crate::history::{Grid, Span, real};

/// When a state was changed, it was within so many seconds before its record: queues are looked at
/// each minute, and a change is seen for so long (`KARIN.LIST TOUCHED`).
pub(crate) const WATCHED_S: u64 = 90;
/// A queue that was made so long before its first record, or shorter, was empty when it was made;
/// seconds.
const MADE_S_MAX: u64 = 2 * WATCHED_S;
/// What happened between now and a record this long ago, in seconds, or less, says too little of
/// how much happens in a minute.
const SHORT_S: u64 = 30;

/// What `KARIN.LIST` says of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct QueueState {
    /// The queue's identity.
    pub(crate) uid: u64,
    /// When it was made, epoch milliseconds.
    pub(crate) created_ms: u64,
    /// The last sequence number given: how many messages were ever sent.
    pub(crate) sequence: u64,
    /// Messages to be received now.
    pub(crate) ready: u64,
    /// Delayed ones.
    pub(crate) delayed: u64,
    /// Those received and not yet deleted.
    pub(crate) in_flight: u64,
    /// Those in the dead list.
    pub(crate) dead: u64,
    /// When the oldest message was sent, epoch milliseconds.
    pub(crate) oldest_sent_ms: Option<u64>,
}

impl QueueState {
    /// Messages of all states.
    pub(crate) fn depth(&self) -> u64 {
        [self.ready, self.delayed, self.in_flight, self.dead]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// The age of the oldest message, in seconds.
    pub(crate) fn age_s(&self, now_ms: u64) -> Option<u64> {
        self.oldest_sent_ms.map(|sent_ms| now_ms.saturating_sub(sent_ms) / 1_000)
    }
}

/// A queue's state at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct QueueRecord {
    at_s: u64,
    /// A part of the queue's identity: what was kept of a queue of the same name that is gone is
    /// told by it.
    tag: u16,
    /// Whether nobody looked for some time before.
    is_unwatched: bool,
    sequence: u64,
    ready: u64,
    delayed: u64,
    in_flight: u64,
    dead: u64,
    age_s: Option<u64>,
    /// The most that were ready since the record before, this one included.
    peak_ready: u64,
    /// The same of the age.
    peak_age_s: u64,
}

const UNWATCHED: u8 = 1;
const READY: u8 = 1 << 1;
const DELAYED: u8 = 1 << 2;
const IN_FLIGHT: u8 = 1 << 3;
const DEAD: u8 = 1 << 4;
const AGE: u8 = 1 << 5;
const PEAKS: u8 = 1 << 6;

impl QueueRecord {
    /// The record of a state now.
    pub(crate) fn of(state: &QueueState, now_ms: u64, is_unwatched: bool) -> Self {
        let age_s = state.age_s(now_ms);
        Self {
            at_s: now_ms / 1_000,
            tag: tag(state.uid),
            is_unwatched,
            sequence: state.sequence,
            ready: state.ready,
            delayed: state.delayed,
            in_flight: state.in_flight,
            dead: state.dead,
            age_s,
            peak_ready: state.ready,
            peak_age_s: age_s.unwrap_or(0),
        }
    }

    /// Whether it is of the queue with this uid.
    pub(crate) fn is_of(&self, uid: u64) -> bool {
        self.tag == tag(uid)
    }

    /// The queue when it was made.
    fn made(state: &QueueState) -> Self {
        Self { at_s: state.created_ms / 1_000, tag: tag(state.uid), ..Self::default() }
    }

    fn depth(&self) -> u64 {
        [self.ready, self.delayed, self.in_flight, self.dead]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Whether the oldest message is still that of an earlier record; ages are whole seconds.
    fn has_same_oldest(&self, before: &Self) -> bool {
        let since_s = self.at_s.saturating_sub(before.at_s);
        match (before.age_s, self.age_s) {
            (Some(before), Some(now)) => now.abs_diff(before.saturating_add(since_s)) <= 1,
            _ => false,
        }
    }
}

fn tag(uid: u64) -> u16 {
    (uid & 0xffff) as u16
}

impl Record for QueueRecord {
    fn at_s(&self) -> u64 {
        self.at_s
    }

    fn join(self, later: Self) -> Self {
        if self.tag != later.tag {
            return later;
        }
        Self {
            is_unwatched: self.is_unwatched || later.is_unwatched,
            peak_ready: self.peak_ready.max(later.peak_ready),
            peak_age_s: self.peak_age_s.max(later.peak_age_s),
            ..later
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let has_peaks = self.peak_ready != self.ready || self.peak_age_s != self.age_s.unwrap_or(0);
        let counts = [
            (READY, self.ready),
            (DELAYED, self.delayed),
            (IN_FLIGHT, self.in_flight),
            (DEAD, self.dead),
        ];
        let mut flags = 0;
        for (flag, is_set) in
            [(UNWATCHED, self.is_unwatched), (AGE, self.age_s.is_some()), (PEAKS, has_peaks)]
        {
            flags |= if is_set { flag } else { 0 };
        }
        for (flag, count) in counts {
            flags |= if count > 0 { flag } else { 0 };
        }
        out.push(flags);
        out.extend(self.tag.to_le_bytes());
        write_number(self.sequence, out);
        for (_, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            write_number(count, out);
        }
        if let Some(age_s) = self.age_s {
            write_number(age_s, out);
        }
        if has_peaks {
            write_number(self.peak_ready, out);
            write_number(self.peak_age_s, out);
        }
    }

    fn read(at_s: u64, reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.byte()?;
        let has = |flag| flags & flag != 0;
        let tag = u16::from_le_bytes(reader.bytes()?);
        let sequence = reader.number()?;
        let [ready, delayed, in_flight, dead] = [
            reader.number_if(has(READY))?,
            reader.number_if(has(DELAYED))?,
            reader.number_if(has(IN_FLIGHT))?,
            reader.number_if(has(DEAD))?,
        ];
        let age_s = if has(AGE) { Some(reader.number()?) } else { None };
        let (peak_ready, peak_age_s) = if has(PEAKS) {
            (reader.number()?, reader.number()?)
        } else {
            (ready, age_s.unwrap_or(0))
        };
        let is_unwatched = has(UNWATCHED);
        Some(Self {
            at_s,
            tag,
            is_unwatched,
            sequence,
            ready,
            delayed,
            in_flight,
            dead,
            age_s,
            peak_ready,
            peak_age_s,
        })
    }
}

/// A queue in one step of a span.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct QueueStep {
    /// Messages to be received: the most there were.
    pub(crate) ready: u64,
    /// Delayed ones at the end.
    pub(crate) delayed: u64,
    /// Those received and not yet deleted, at the end.
    pub(crate) in_flight: u64,
    /// Those in the dead list at the end.
    pub(crate) dead: u64,
    /// The greatest age of the oldest message, in seconds; 0: there was none.
    pub(crate) age_s: u64,
    /// Messages sent, a minute.
    pub(crate) sent: f64,
    /// Messages deleted, expired or moved away, a minute.
    pub(crate) gone: f64,
}

/// A queue over a span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueSeries {
    /// When the steps are.
    pub(crate) grid: Grid,
    /// The steps; `None`: nobody knows.
    pub(crate) steps: Vec<Option<QueueStep>>,
    /// The queue as it is, with the rates of the last step.
    pub(crate) now: QueueStep,
}

impl QueueSeries {
    /// The series of a queue that has this state now, of its records, the earliest first.
    pub(crate) fn new(
        records: &[QueueRecord],
        state: &QueueState,
        now_ms: u64,
        span: Span,
    ) -> Self {
        let grid = Grid { span, now_s: now_ms / 1_000 };
        let now = QueueRecord::of(state, now_ms, false);
        let ours = records.iter().filter(|r| r.is_of(state.uid) && r.at_s <= grid.now_s);
        let mut records = with_now(ours.copied().collect(), now);
        let made = QueueRecord::made(state);
        if let Some(first) = records.first_mut()
            && first.at_s.saturating_sub(made.at_s) <= MADE_S_MAX
            && first.at_s >= made.at_s
        {
            // Somebody began to look, and nothing was missed.
            first.is_unwatched = false;
            records.insert(0, made);
        }
        let mut series = Self { grid, steps: vec![None; span.steps()], now: QueueStep::default() };
        for (index, record) in records.iter().enumerate() {
            series.paint(record, records.get(index + 1));
        }
        for (before, after) in records.iter().zip(records.iter().skip(1)) {
            series.add_flow(before, after);
        }
        series.now = QueueStep {
            ready: state.ready,
            age_s: now.age_s.unwrap_or(0),
            ..series.steps.last().copied().flatten().unwrap_or_default()
        };
        series
    }

    /// From a record to the next the queue was as the record says.
    fn paint(&mut self, record: &QueueRecord, next: Option<&QueueRecord>) {
        let grid = self.grid;
        if let Some(step) = grid.step_of(record.at_s).and_then(|step| self.steps.get_mut(step)) {
            let step = step.get_or_insert_default();
            step.ready = step.ready.max(record.peak_ready);
            step.age_s = step.age_s.max(record.peak_age_s);
        }
        let known_until_s = match next {
            Some(next) if next.is_unwatched => record.at_s + 1,
            Some(next) => next.at_s.max(record.at_s + 1),
            None => grid.now_s + 1,
        };
        // What was the oldest message may be gone since then.
        let aged_until_s = match next.filter(|next| !next.has_same_oldest(record)) {
            Some(next) => changed_from(record, next),
            None => known_until_s,
        };
        for number in grid.steps_of(record.at_s, known_until_s) {
            let end_s = grid.step_end_s(number).min(aged_until_s).saturating_sub(1);
            let Some(step) = self.steps.get_mut(number) else { continue };
            let step = step.get_or_insert_default();
            step.ready = step.ready.max(record.ready);
            step.delayed = record.delayed;
            step.in_flight = record.in_flight;
            step.dead = record.dead;
            let since_s = end_s.saturating_sub(record.at_s);
            let age_s = record.age_s.map_or(0, |age_s| age_s.saturating_add(since_s));
            step.age_s = step.age_s.max(age_s);
        }
    }

    /// What came and went between two records, spread over the time in which it did.
    fn add_flow(&mut self, before: &QueueRecord, after: &QueueRecord) {
        let sent = after.sequence.saturating_sub(before.sequence);
        let gone = sent.saturating_add(before.depth()).saturating_sub(after.depth());
        if sent == 0 && gone == 0 {
            return;
        }
        let grid = self.grid;
        let (from_s, until_s) = (changed_from(before, after), after.at_s);
        let length_s = real(until_s.saturating_sub(from_s).max(1));
        // A second belongs to the step in which it ends.
        for number in grid.steps_of(from_s + 1, until_s + 1) {
            let (start_s, end_s) = (grid.step_start_s(number), grid.step_end_s(number));
            let within_s = (until_s + 1).min(end_s).saturating_sub((from_s + 1).max(start_s));
            let share = real(within_s) / length_s;
            let minutes = real(end_s.saturating_sub(start_s).max(1)) / 60.0;
            let Some(Some(step)) = self.steps.get_mut(number) else { continue };
            step.sent += real(sent) * share / minutes;
            step.gone += real(gone) * share / minutes;
        }
    }
}

/// The records, and what is now instead of one of a moment ago.
fn with_now(mut records: Vec<QueueRecord>, now: QueueRecord) -> Vec<QueueRecord> {
    let last = records.pop_if(|last| now.at_s - last.at_s < SHORT_S);
    if records.is_empty() {
        records.extend(last);
        records.push(now);
    } else {
        records.push(last.map_or(now, |last| last.join(now)));
    }
    records
}

/// Since when at the earliest what is between two records changed, epoch seconds.
fn changed_from(before: &QueueRecord, after: &QueueRecord) -> u64 {
    let earliest_s = if after.is_unwatched {
        before.at_s
    } else {
        before.at_s.max(after.at_s.saturating_sub(WATCHED_S))
    };
    earliest_s.min(after.at_s.saturating_sub(1))
}
