//! What is kept of the tasks of one queue, in one hash. Pure.
//!
//! | field | value |
//! |---|---|
//! | `active` | the id of the task that is to be run |
//! | `task:<id>` | the task, as JSON |
//! | `moved:<id>` | messages moved so far |
//! | `cancel:<id>` | somebody wants it cancelled |
//! | `runs` | how often somebody began or went on running a task |
//! | `done` | the last run that left nothing to do |
//! | `batch:<run>:<n>` | the n-th batch of a run, as JSON, or `closed`: the run may do no more |

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// Tasks kept of one queue; SQS lists ten.
pub(super) const TASKS_MAX: usize = 20;
/// What closes a run.
pub(super) const CLOSED: &str = "closed";

/// Why a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveTaskFailure {
    /// A queue to move to does not exist, or not any more.
    NoDestination,
    /// A queue to move to is of another type.
    OtherType,
    /// A message does not say which queue it came from.
    NoSource,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    Completed,
    Cancelled,
    Failed(MoveTaskFailure),
}

/// A task as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    /// Of the queue it empties: one that is made anew under its name has no tasks.
    pub(super) uid: String,
    pub(super) source_arn: String,
    pub(super) destination_arn: Option<String>,
    pub(super) per_second: Option<u32>,
    /// The sequence numbers of the messages to move; empty: all there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) chosen: Vec<u64>,
    /// Receivable messages at the start.
    pub(super) to_move: u64,
    /// No more than so many are moved: all there were at the start. Else a queue whose messages
    /// come back at once would be emptied for ever.
    pub(super) limit: u64,
    pub(super) started_ms: u64,
    pub(super) end: Option<(End, u64)>,
}

/// Messages that are about to be moved. From the moment it is kept, number and message belong
/// together for ever, so whoever finds it can do it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Batch {
    pub(super) task: String,
    /// Messages the task had moved before.
    pub(super) moved: u64,
    /// The number of the first message; the others follow.
    pub(super) first: u64,
    /// The queue to move to; absent: each to where it came from.
    pub(super) destination: Option<String>,
    /// Sequence numbers and receipts.
    pub(super) entries: Vec<(u64, String)>,
}

/// A field of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Batch(Box<Batch>),
    Closed,
}

/// The hash, read.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) active: Option<String>,
    pub(super) records: Vec<Record>,
    moved: HashMap<String, u64>,
    cancelled: Vec<String>,
    pub(super) runs: u64,
    pub(super) done: u64,
    pub(super) batches: BTreeMap<(u64, u64), Entry>,
}

impl Tasks {
    /// Reads fields; those nobody can read count as none. Tasks are sorted, newest first.
    pub(super) fn read(fields: Vec<(String, String)>) -> Self {
        let mut tasks = Self::default();
        for (field, value) in fields {
            tasks.read_field(&field, &value);
        }
        tasks.records.sort_by(|a, b| (b.started_ms, &b.id).cmp(&(a.started_ms, &a.id)));
        tasks
    }

    fn read_field(&mut self, field: &str, value: &str) {
        match field.split_once(':') {
            Some(("task", _)) => self.records.extend(serde_json::from_str::<Record>(value)),
            Some(("moved", id)) => {
                self.moved.insert(id.to_owned(), value.parse().unwrap_or(0));
            }
            Some(("cancel", id)) => self.cancelled.push(id.to_owned()),
            Some(("batch", rest)) => {
                let place = rest.split_once(':');
                let place = place.and_then(|(run, n)| Some((run.parse().ok()?, n.parse().ok()?)));
                let entry = if value == CLOSED {
                    Some(Entry::Closed)
                } else {
                    serde_json::from_str(value).ok().map(Entry::Batch)
                };
                self.batches.extend(place.zip(entry));
            }
            _ => match field {
                "active" => self.active = Some(value.to_owned()),
                "runs" => self.runs = value.parse().unwrap_or(0),
                "done" => self.done = value.parse().unwrap_or(0),
                _ => {}
            },
        }
    }

    pub(super) fn record(&self, id: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.id == id)
    }

    /// The task that is to be run in the queue of this uid.
    pub(super) fn active_of(&self, uid: &str) -> Option<&Record> {
        let record = self.record(self.active.as_deref()?)?;
        (record.uid == uid).then_some(record)
    }

    /// The tasks of the queue of this uid that ended, and the one that is to be run. Another one
    /// came second when two were started at once, and nobody runs it.
    pub(super) fn shown(&self, uid: &str) -> impl Iterator<Item = &Record> {
        let is_active = |record: &Record| self.active.as_ref() == Some(&record.id);
        let ours = self.records.iter().filter(move |record| record.uid == uid);
        ours.filter(move |record| record.end.is_some() || is_active(record)).take(TASKS_MAX)
    }

    pub(super) fn moved(&self, id: &str) -> u64 {
        self.moved.get(id).copied().unwrap_or(0)
    }

    pub(super) fn is_cancelled(&self, id: &str) -> bool {
        self.cancelled.iter().any(|cancelled| cancelled == id)
    }

    /// The last field of a run and its place.
    pub(super) fn last_of(&self, run: u64) -> Option<(u64, &Entry)> {
        let mut fields = self.batches.range((run, 0)..=(run, u64::MAX));
        fields.next_back().map(|((_, n), entry)| (*n, entry))
    }

    /// The last batch of a run.
    pub(super) fn last_batch_of(&self, run: u64) -> Option<&Batch> {
        let fields = self.batches.range((run, 0)..=(run, u64::MAX)).rev();
        fields.into_iter().find_map(|(_, entry)| match entry {
            Entry::Batch(batch) => Some(&**batch),
            Entry::Closed => None,
        })
    }
}

pub(super) fn task_field(id: &str) -> String {
    format!("task:{id}")
}

pub(super) fn moved_field(id: &str) -> String {
    format!("moved:{id}")
}

pub(super) fn cancel_field(id: &str) -> String {
    format!("cancel:{id}")
}

pub(super) fn batch_field(run: u64, n: u64) -> String {
    format!("batch:{run}:{n}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, started_ms: u64) -> Record {
        Record {
            id: id.to_owned(),
            uid: "00".to_owned(),
            source_arn: "arn:aws:sqs:us-east-1:000000000000:dlq".to_owned(),
            destination_arn: None,
            per_second: Some(7),
            chosen: Vec::new(),
            to_move: 3,
            limit: 4,
            started_ms,
            end: None,
        }
    }

    fn batch(first: u64) -> Batch {
        let entries = vec![(1, "receipt".to_owned())];
        Batch { task: "b".to_owned(), moved: 0, first, destination: None, entries }
    }

    fn read(fields: &[(&str, String)]) -> Tasks {
        Tasks::read(fields.iter().map(|(f, v)| ((*f).to_owned(), v.clone())).collect())
    }

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).expect("JSON")
    }

    #[test]
    fn what_was_kept_is_read() {
        let ended =
            Record { end: Some((End::Failed(MoveTaskFailure::NoSource), 5)), ..record("a", 1) };
        let tasks = read(&[
            ("task:a", json(&ended)),
            ("task:b", json(&record("b", 2))),
            ("active", "b".to_owned()),
            ("moved:b", "9".to_owned()),
            ("cancel:b", "1".to_owned()),
            ("runs", "3".to_owned()),
            ("done", "2".to_owned()),
        ]);
        assert_eq!(tasks.records, [record("b", 2), ended]);
        assert_eq!((tasks.runs, tasks.done, tasks.moved("b"), tasks.moved("a")), (3, 2, 9, 0));
        assert!(tasks.is_cancelled("b") && !tasks.is_cancelled("a"));
        assert_eq!(tasks.active_of("00").map(|record| record.id.as_str()), Some("b"));
        assert_eq!(tasks.active_of("01"), None, "another queue of this name");
    }

    #[test]
    fn a_task_that_neither_ended_nor_is_to_be_run_is_not_shown() {
        let ended = Record { end: Some((End::Completed, 3)), ..record("a", 1) };
        let foreign = Record { uid: "01".to_owned(), ..ended.clone() };
        let tasks = read(&[
            ("task:a", json(&ended)),
            ("task:b", json(&record("b", 2))),
            ("task:c", json(&record("c", 3))),
            ("task:d", json(&Record { id: "d".to_owned(), ..foreign })),
            ("active", "b".to_owned()),
        ]);
        let ids: Vec<&str> = tasks.shown("00").map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["b", "a"]);
    }

    #[test]
    fn the_last_batch_of_a_run_is_that_before_it_was_closed() {
        let tasks = read(&[
            ("batch:7:9", json(&batch(90))),
            ("batch:7:10", json(&batch(100))),
            ("batch:7:11", CLOSED.to_owned()),
            ("batch:8:0", CLOSED.to_owned()),
        ]);
        assert_eq!(tasks.last_of(7), Some((11, &Entry::Closed)));
        assert_eq!(tasks.last_batch_of(7), Some(&batch(100)));
        assert_eq!((tasks.last_of(8), tasks.last_batch_of(8)), (Some((0, &Entry::Closed)), None));
        assert_eq!(tasks.last_of(6), None);
    }

    #[test]
    fn what_nobody_can_read_counts_as_none() {
        let tasks = read(&[
            ("task:a", "{".to_owned()),
            ("active", "a".to_owned()),
            ("runs", "many".to_owned()),
            ("batch:x:1", CLOSED.to_owned()),
            ("batch:1", CLOSED.to_owned()),
            ("batch:1:1", "[]".to_owned()),
            ("else", "1".to_owned()),
        ]);
        assert_eq!((tasks.records.len(), tasks.runs, tasks.batches.len()), (0, 0, 0));
        assert_eq!(tasks.active_of("00"), None);
    }
}
