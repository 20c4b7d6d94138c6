//! Records in Redis: two hashes, `karin:runs` with an entry for each invocation that failed or was
//! asked for by hand, and `karin:runs:payloads` with what is kept of events, answers and logs.
//!
//! All gateways write them, each what it ran itself, and whoever writes removes what is too much:
//! more than 50 of one mapping, more than 1,000 or 4 MiB in all, what is older than a week. Their
//! loss costs nothing but the look back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::epoch::now_ms;
use crate::lambda::records::memory::RUNS_MAX;
use crate::lambda::records::run::{Outcome, Payload, Run};
use crate::queues::{KeptRun, QueueError, Queues};

/// What is gathered before it is written.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// The same after much was written, or nothing could be.
pub(super) const PAUSE_LONG: Duration = Duration::from_secs(10);
/// What much is, bytes.
const MUCH_BYTES: usize = 64 << 10;
/// How long what is known of Redis's entries is believed: others write too.
const KNOWN_MAX: Duration = Duration::from_secs(10);
/// Entries in all.
const ENTRIES_MAX: usize = 1_000;
/// Their bytes in all, payloads included.
const BYTES_MAX: usize = 4 << 20;
/// How long something can run: what Lambda allows, and the wait for its turn.
const RUNNING_MAX: Duration = Duration::from_mins(16);
/// How long they are kept.
pub(super) const AGE_MAX: Duration = Duration::from_hours(7 * 24);

/// What is known of the entries in Redis.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// By id.
    entries: HashMap<String, Entry>,
    /// When they were read.
    read: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    list: String,
    ended_ms: u64,
    bytes: usize,
}

/// The pause before the next writing.
pub(super) fn pause_after(saved: &Result<usize, QueueError>) -> Duration {
    match saved {
        Ok(bytes) if *bytes <= MUCH_BYTES => PAUSE,
        _ => PAUSE_LONG,
    }
}

/// An entry as it was written; `None`: another version's, or somebody else's.
pub(super) fn read(text: &str) -> Option<Run> {
    let mut run: Run = serde_json::from_str(text).ok()?;
    let now_ms = now_ms();
    let is_older = |age: Duration| run.ended_ms().saturating_add(milliseconds(age)) < now_ms;
    if is_older(AGE_MAX) {
        return None;
    }
    if run.outcome == Outcome::Running && is_older(RUNNING_MAX) {
        // Its gateway ended before it did.
        run.outcome = Outcome::Lost;
    }
    Some(run)
}

impl Keeper {
    /// Writes these, the newest first, and removes what is too much then.
    pub(super) async fn save(
        &mut self,
        queues: &Queues,
        runs: &[Arc<Run>],
    ) -> Result<(), QueueError> {
        if self.read.is_none_or(|read| read.elapsed() > KNOWN_MAX) {
            let entries = queues.read_runs().await?;
            self.entries = entries.into_iter().map(|(id, text)| Entry::of(id, &text)).collect();
            self.read = Some(Instant::now());
        }
        let mut kept = Vec::with_capacity(runs.len());
        for run in runs.iter().rev() {
            let summary = serde_json::to_string(&**run)
                .map_err(|error| QueueError::Unexpected(error.to_string()))?;
            let (id, payloads) = (run.id.to_string(), run.payloads());
            let bytes = id.len() + summary.len() + payloads.len();
            let entry = Entry { list: run.list().to_owned(), ended_ms: run.ended_ms(), bytes };
            self.entries.insert(id.clone(), entry);
            kept.push(KeptRun { id, summary, payloads });
        }
        let surplus = self.surplus(now_ms());
        for id in &surplus {
            self.entries.remove(id);
        }
        kept.retain(|run| self.entries.contains_key(&run.id));
        // First, so that there is never too much.
        let result = async {
            queues.remove_runs(&surplus).await?;
            queues.write_runs(&kept, AGE_MAX).await
        };
        let result = result.await;
        if result.is_err() {
            self.read = None;
        }
        result
    }

    /// What has to go, by id.
    fn surplus(&self, now_ms: u64) -> Vec<String> {
        let mut surplus = Vec::new();
        let mut lists: HashMap<&str, Vec<(&String, &Entry)>> = HashMap::new();
        for (id, entry) in &self.entries {
            if entry.ended_ms.saturating_add(milliseconds(AGE_MAX)) < now_ms {
                surplus.push(id.clone());
            } else {
                lists.entry(&entry.list).or_default().push((id, entry));
            }
        }
        for list in lists.values_mut() {
            // The oldest last.
            list.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.ended_ms));
            let over = list.len().min(RUNS_MAX);
            surplus.extend(list.drain(over..).map(|(id, _)| id.clone()));
        }
        let size = |list: &Vec<(&String, &Entry)>| list.iter().map(|(_, e)| e.bytes).sum::<usize>();
        let mut lists: Vec<(usize, Vec<_>)> =
            lists.into_values().map(|list| (size(&list), list)).collect();
        let mut bytes: usize = lists.iter().map(|(bytes, _)| bytes).sum();
        let mut count: usize = lists.iter().map(|(_, list)| list.len()).sum();
        while bytes > BYTES_MAX || count > ENTRIES_MAX {
            let largest = lists.iter_mut().max_by_key(|(bytes, _)| *bytes);
            let Some((size, (id, entry))) =
                largest.and_then(|(size, list)| list.pop().map(|oldest| (size, oldest)))
            else {
                break;
            };
            *size -= entry.bytes;
            bytes -= entry.bytes;
            count -= 1;
            surplus.push(id.clone());
        }
        surplus
    }
}

impl Entry {
    fn of(id: String, text: &str) -> (String, Self) {
        let bytes = id.len() + text.len();
        let entry = match serde_json::from_str::<Run>(text) {
            Ok(run) => Self {
                list: run.list().to_owned(),
                ended_ms: run.ended_ms(),
                bytes: bytes + run.kept_bytes(),
            },
            // Whatever it is, it is the first to go.
            Err(_) => Self { list: String::new(), ended_ms: 0, bytes },
        };
        (id, entry)
    }
}

impl Run {
    fn parts(&mut self) -> [&mut Payload; 3] {
        [&mut self.event, &mut self.answer, &mut self.log]
    }

    /// Whether anything is kept of event, answer and log.
    pub(super) fn keeps_any(&self) -> bool {
        self.kept_bytes() > 0
    }

    /// Whether it was written where payloads were kept, so that its words may have some of them.
    pub(super) fn is_telling(&self) -> bool {
        [&self.event, &self.answer, &self.log].iter().any(|part| part.kept.is_some())
    }

    fn kept_bytes(&self) -> usize {
        let parts = [&self.event, &self.answer, &self.log];
        let kept = parts.iter().map(|part| part.kept.unwrap_or(0));
        usize::try_from(kept.fold(0, u64::saturating_add)).unwrap_or(usize::MAX)
    }

    /// What is kept of event, answer and log, one after the other.
    fn payloads(&self) -> Bytes {
        let mut all = BytesMut::new();
        for part in [&self.event, &self.answer, &self.log] {
            all.extend_from_slice(&part.content);
        }
        all.freeze()
    }

    /// Nothing of them is kept.
    pub(super) fn forget_payloads(&mut self) {
        for part in self.parts() {
            (part.kept, part.content) = (None, Bytes::new());
        }
    }

    /// Takes them apart; if they are gone, or others than they were, nothing is kept.
    pub(super) fn take_payloads(&mut self, mut all: Bytes) {
        if all.len() != self.kept_bytes() {
            return self.forget_payloads();
        }
        for part in self.parts() {
            let length = usize::try_from(part.kept.unwrap_or(0)).unwrap_or(usize::MAX);
            part.content = all.split_to(length.min(all.len()));
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::records::run::sample;

    fn keeper(entries: impl IntoIterator<Item = (String, Entry)>) -> Keeper {
        Keeper { entries: entries.into_iter().collect(), read: None }
    }

    fn entry(list: &str, ended_ms: u64, bytes: usize) -> (String, Entry) {
        (format!("{list}{ended_ms}"), Entry { list: list.into(), ended_ms, bytes })
    }

    #[test]
    fn of_a_mapping_the_last_fifty_stay() {
        let keeper = keeper((0..60).map(|n| entry("a", n, 100)).chain([entry("b", 0, 100)]));
        let mut surplus = keeper.surplus(1_000);
        surplus.sort();
        let expected: Vec<String> = (0..10).map(|n| format!("a{n}")).collect();
        assert_eq!(surplus, expected);
    }

    #[test]
    fn where_bytes_run_out_the_largest_list_gives_up_its_oldest() {
        let large = (0..40).map(|n| entry("large", n, 130_000));
        let keeper = keeper(large.chain((0..40).map(|n| entry("small", n, 1_000))));
        let surplus = keeper.surplus(1_000);
        assert!(surplus.iter().all(|id| id.starts_with("large")), "{surplus:?}");
        let left = 40 * 130_000 + 40 * 1_000 - surplus.len() * 130_000;
        assert!(left <= BYTES_MAX && left + 130_000 > BYTES_MAX, "{left}");
        assert!(surplus.contains(&"large0".to_owned()) && !surplus.contains(&"large39".to_owned()));
    }

    #[test]
    fn a_thousand_are_enough_and_what_is_older_than_a_week_goes() {
        let keeper_of_many = keeper(
            (0..40).flat_map(|list| (0..30).map(move |n| entry(&format!("list {list} "), n, 100))),
        );
        assert_eq!(keeper_of_many.surplus(1_000).len(), 200);
        let now = milliseconds(AGE_MAX) + 5;
        let keeper = keeper([entry("a", 4, 1), entry("a", 5, 1)]);
        assert_eq!(keeper.surplus(now), ["a4"]);
    }

    #[test]
    fn a_record_comes_back_as_it_was_written_with_its_payloads() {
        let kept = |text: &'static str| Payload::kept(&Bytes::from_static(text.as_bytes()), true);
        let now = now_ms();
        let mut run = sample(7, "a");
        run.at_ms = now;
        (run.event, run.answer, run.log) = (kept("{}"), Payload::default(), kept("log\n"));
        let text = serde_json::to_string(&run).unwrap();
        assert!(!text.contains("log\\n"), "payloads stand elsewhere: {text}");
        let mut back = read(&text).unwrap();
        back.take_payloads(run.payloads());
        assert_eq!(back, run);
        let mut spoilt = read(&text).unwrap();
        spoilt.take_payloads(Bytes::from_static(b"{}log"));
        assert!(!spoilt.keeps_any(), "what does not fit together is not shown");
        let (_, entry) = Entry::of("id".into(), &text);
        assert_eq!(entry.bytes, 2 + text.len() + 6);
        run.at_ms = now - milliseconds(AGE_MAX) - 10_000;
        assert_eq!(read(&serde_json::to_string(&run).unwrap()), None, "older than a week");
        assert_eq!(read("{"), None);
        (run.at_ms, run.outcome) = (now - 30_000, Outcome::Running);
        let outcome = |run: &Run| read(&serde_json::to_string(run).unwrap()).unwrap().outcome;
        assert_eq!(outcome(&run), Outcome::Running);
        run.at_ms = now - milliseconds(RUNNING_MAX) - 10_000;
        assert_eq!(outcome(&run), Outcome::Lost, "its gateway is gone");
    }

    #[test]
    fn what_nobody_understands_is_the_first_to_go() {
        let (id, entry) = Entry::of("x".into(), "{}");
        assert_eq!(keeper([(id, entry)]).surplus(now_ms()), ["x"]);
    }
}
