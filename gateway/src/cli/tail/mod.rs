//! `karin tail`: what happens to queues and mappings, a line for each change.
//!
//! It looks twice a second. What came and went between two looks is counted, not shown.

mod mappings;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use serde::Serialize;

use super::{
    CliError,
    colours::{Colours, Tone},
    place::{Place, connect},
    runtime,
    shown::{beginning, line, time_of_day},
    try_filter::queue_named,
};
use crate::{
    config::{Config, Options},
    epoch::now_ms,
    message_view::MessageView,
    queues::{QueueCounts, QueueError, QueueName, Queues},
};

use mappings::Mappings;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// New messages of one queue that are shown at one look.
const SHOWN_MAX: u32 = 20;

const ABOUT: &str = "\
Follow what happens to queues and mappings, one line per change

Looks twice a second, and shows new messages (the first 20 of a queue each time), how the counts \
of a queue changed, queues made and deleted, and what mappings did. The messages are looked at, \
and nothing happens to them. Ends when interrupted.";

#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT)]
pub(super) struct Arguments {
    /// The names of queues [default: all]
    #[arg(value_name = "QUEUE")]
    queues: Vec<String>,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Event {
    at_ms: u64,
    queue: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum What {
    /// A message came.
    Message { message_id: String, sequence: u64, body: String },
    /// The counts changed.
    Counts {
        /// How many came since the last look.
        sent: u64,
        /// How many were deleted, dead-lettered, or too old.
        gone: u64,
        ready: u64,
        delayed: u64,
        in_flight: u64,
        dead: u64,
    },
    /// A mapping of the queue does something else than before.
    Mapping { function: String, state: String, reason: String },
    /// A mapping of the queue invoked its function.
    Invoked { function: String, invocations: u64, errors: u64, throttles: u64, deleted: u64 },
    /// The queue is there.
    Created,
    /// The queue is not there any more.
    Deleted,
}

pub(super) fn run(arguments: Arguments, before: Options) -> Result<ExitCode, CliError> {
    let Arguments { queues, json, place } = arguments;
    let wanted = queues.iter().map(|name| queue_named(name)).collect::<Result<_, _>>()?;
    let config = place.config(before)?;
    let colours = Colours::for_stream(&io::stdout());
    runtime()?.block_on(async {
        let mut follower =
            Follower { queues: Some(connect(&config).await?), ..Follower::default() };
        follower.wanted = wanted;
        loop {
            let mut output = io::stdout().lock();
            for event in follower.look(&config).await {
                let text = if json { as_json(&event)? } else { as_line(&event, colours) };
                writeln!(output, "{text}")?;
            }
            output.flush()?;
            drop(output);
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// A queue as it was at the last look.
struct Seen {
    counts: QueueCounts,
    uid: String,
    sequence: u64,
}

impl Seen {
    /// Whether something happened since; that what is due comes nearer is nothing.
    fn differs_from(&self, now: &QueueCounts) -> bool {
        let QueueCounts { next_ms, .. } = self.counts;
        self.counts != QueueCounts { next_ms, ..now.clone() }
    }

    fn total(&self) -> u64 {
        let QueueCounts { ready, delayed, in_flight, dead, .. } = &self.counts;
        ready + delayed + in_flight + dead
    }
}

#[derive(Default)]
struct Follower {
    queues: Option<Queues>,
    /// None: all.
    wanted: BTreeSet<QueueName>,
    seen: BTreeMap<QueueName, Seen>,
    mappings: Mappings,
    /// Whether there was a first look, which shows nothing.
    has_looked: bool,
    is_away: bool,
}

impl Follower {
    /// What happened since the last look. While Redis is away: nothing.
    async fn look(&mut self, config: &Config) -> Vec<Event> {
        let looked = match self.queues.take() {
            Some(queues) => self.changes(queues).await.map_err(|error| error.to_string()),
            None => match connect(config).await {
                Ok(queues) => self.changes(queues).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        };
        match looked {
            Ok(events) => {
                if std::mem::take(&mut self.is_away) {
                    eprintln!("karin: Redis is back");
                }
                events
            }
            Err(why) => {
                if !std::mem::replace(&mut self.is_away, true) {
                    eprintln!("karin: {why}; waiting for Redis");
                }
                Vec::new()
            }
        }
    }

    async fn changes(&mut self, queues: Queues) -> Result<Vec<Event>, QueueError> {
        let mut events = Vec::new();
        let mut all = queues.all_counts().await?;
        all.retain(|counts| self.wanted.is_empty() || self.wanted.contains(&counts.queue));
        let there: BTreeSet<_> = all.iter().map(|counts| counts.queue.clone()).collect();
        for counts in all {
            let before = self.seen.get(&counts.queue);
            if before.is_some_and(|seen| !seen.differs_from(&counts)) {
                continue;
            }
            let name = counts.queue.clone();
            match self.queue(&queues, counts, before, &mut events).await {
                // It was deleted meanwhile, which the next look tells.
                Err(QueueError::NoQueue) => {}
                seen => drop(self.seen.insert(name, seen?)),
            }
        }
        let gone: Vec<_> = self.seen.keys().filter(|name| !there.contains(name)).cloned().collect();
        for name in gone {
            self.seen.remove(&name);
            events.push(event(&name, What::Deleted));
        }
        self.mappings.look(&queues, &self.wanted, &mut events).await;
        self.has_looked = true;
        self.queues = Some(queues);
        Ok(events)
    }

    /// What happened to a queue that is not as it was.
    async fn queue(
        &self,
        queues: &Queues,
        counts: QueueCounts,
        before: Option<&Seen>,
        events: &mut Vec<Event>,
    ) -> Result<Seen, QueueError> {
        let name = counts.queue.clone();
        let info = queues.info(&name).await?;
        let now = Seen { counts, uid: info.uid, sequence: info.sequence };
        let before = before.filter(|before| before.uid == now.uid);
        let (sequence, total) = match before {
            Some(before) => (before.sequence, before.total()),
            None if self.has_looked => {
                events.push(event(&name, What::Created));
                (0, 0)
            }
            None => return Ok(now),
        };
        if now.sequence > sequence {
            let peeked = queues.peek(&name, sequence, SHOWN_MAX).await?;
            for message in peeked.messages {
                let sequence = message.sequence;
                if sequence <= now.sequence {
                    let body = MessageView::new(&message).body.to_string();
                    let message_id = message.id.clone();
                    events.push(event(&name, What::Message { message_id, sequence, body }));
                }
            }
        }
        let sent = now.sequence.saturating_sub(sequence);
        let QueueCounts { ready, delayed, in_flight, dead, .. } = now.counts;
        let gone = (total + sent).saturating_sub(now.total());
        let numbers = |counts: &QueueCounts| {
            let QueueCounts { ready, delayed, in_flight, dead, .. } = *counts;
            (ready, delayed, in_flight, dead)
        };
        let is_other = before.is_none_or(|seen| numbers(&seen.counts) != numbers(&now.counts));
        if is_other || sent > 0 || gone > 0 {
            let counts = What::Counts { sent, gone, ready, delayed, in_flight, dead };
            events.push(event(&name, counts));
        }
        Ok(now)
    }
}

fn event(queue: &impl ToString, what: What) -> Event {
    Event { at_ms: now_ms(), queue: queue.to_string(), what }
}

fn as_json(event: &Event) -> Result<String, CliError> {
    Ok(serde_json::to_string(event).map_err(io::Error::from)?)
}

fn as_line(event: &Event, colours: Colours) -> String {
    let Event { at_ms, queue, what } = event;
    let time = colours.paint(Tone::Faint, &time_of_day(*at_ms));
    let rest = match what {
        What::Message { message_id, body, .. } => {
            format!("{} {message_id} {}", colours.paint(Tone::Good, "message"), beginning(body))
        }
        What::Counts { sent, gone, ready, delayed, in_flight, dead } => {
            let mut changes = String::new();
            for (count, sign) in [(*sent, "+"), (*gone, "-")] {
                if count > 0 {
                    changes.extend([" ", sign, &count.to_string()]);
                }
            }
            let dead = match dead {
                0 => String::new(),
                dead => colours.paint(Tone::Warning, &format!(", {dead} dead")),
            };
            format!("now{changes}: {ready} ready, {delayed} delayed, {in_flight} in flight{dead}")
        }
        What::Mapping { function, state, reason } => {
            let tone = if reason.is_empty() { Tone::Plain } else { Tone::Bad };
            let colon = if reason.is_empty() { "" } else { ": " };
            let what = colours.paint(tone, &format!("{state}{colon}{}", line(reason)));
            format!("-> {} {what}", line(function))
        }
        What::Invoked { function, invocations, errors, throttles, deleted } => {
            let bad = |count: &u64, what| match count {
                0 => String::new(),
                count => colours.paint(Tone::Bad, &format!(", {count} {what}")),
            };
            let (errors, throttles) = (bad(errors, "failed"), bad(throttles, "throttled"));
            let function = line(function);
            format!("-> {function} invoked {invocations}{errors}{throttles}; {deleted} deleted")
        }
        What::Created => colours.paint(Tone::Title, "created"),
        What::Deleted => colours.paint(Tone::Bad, "deleted"),
    };
    format!("{time} {queue} {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_what_is_due_comes_nearer_is_no_change() {
        let counts = QueueCounts {
            queue: QueueName::parse("q").unwrap(),
            ready: 0,
            delayed: 1,
            in_flight: 0,
            dead: 0,
            next_ms: Some(9_000),
            hint: 1,
            oldest_sent_ms: Some(1),
            sequence: 1,
        };
        let seen = Seen { counts: counts.clone(), uid: String::new(), sequence: 1 };
        assert!(!seen.differs_from(&QueueCounts { next_ms: Some(8_500), ..counts.clone() }));
        assert!(seen.differs_from(&QueueCounts { sequence: 2, ..counts.clone() }));
        assert!(seen.differs_from(&QueueCounts { delayed: 0, ready: 1, ..counts }));
    }

    #[test]
    fn an_event_is_a_line() {
        let of = |what| as_line(&Event { at_ms: 0, queue: "q".to_owned(), what }, Colours::none());
        let counts = What::Counts { sent: 2, gone: 1, ready: 3, delayed: 0, in_flight: 1, dead: 0 };
        assert_eq!(of(counts), "00:00:00Z q now +2 -1: 3 ready, 0 delayed, 1 in flight");
        let (message_id, body) = ("m".to_owned(), "a\nb".to_owned());
        let message = What::Message { message_id, sequence: 1, body };
        assert_eq!(of(message), r"00:00:00Z q message m a\nb");
    }
}
