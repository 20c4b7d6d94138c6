//! `karin status`: the queues and the mappings, as tables or as JSON, once or again and again.

mod tables;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use serde::Serialize;

use super::{
    CliError,
    colours::{Colours, Tone},
    place::{Place, connect},
    runtime,
    shown::{line, time_of_day},
};
use crate::{
    config::{Config, Options},
    epoch::now_ms,
    lambda::{self, FleetStatus, GatewayInfo, MappingStatus},
    queues::{QueueCounts, QueueError, Queues},
};

/// Moves the cursor to the beginning of the terminal.
const HOME: &str = "\u{1b}[H";
/// Deletes the rest of a line.
const REST_OF_LINE: &str = "\u{1b}[K";
/// Deletes everything below.
const REST: &str = "\u{1b}[J";
/// Deletes everything.
const ALL: &str = "\u{1b}[2J";

const ABOUT: &str = "\
Show the queues and the mappings of a karin that runs

Asks Redis, so that queues are shown while karin is away, too. Messages are counted as SQS counts \
them: ready, delayed, and in flight; dead are those on their way to a dead-letter queue. Ends with \
1 if Redis is away.";

#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT)]
pub(super) struct Arguments {
    /// Print JSON: one object, or with --watch one a line
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds, in place, until interrupted [default: 2]
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    watch: Option<u64>,
    #[command(flatten)]
    place: Place,
}

/// What there is at one moment, as JSON.
#[derive(Debug, Serialize)]
struct Document<'a> {
    at_ms: u64,
    queues: &'a [QueueLine],
    mappings: &'a [MappingStatus],
    gateways: &'a [GatewayInfo],
    /// Gateways that are there and do not answer.
    silent: &'a [String],
    /// What people should know about.
    remarks: Vec<&'a str>,
    /// Why mappings and gateways are not known, if they are not.
    problem: Option<&'a str>,
}

impl Snapshot {
    fn document(&self) -> Document<'_> {
        let mut document = Document {
            at_ms: self.at_ms,
            queues: &self.queues,
            mappings: &[],
            gateways: &[],
            silent: &[],
            remarks: Vec::new(),
            problem: self.fleet.as_ref().err().map(String::as_str),
        };
        if let Ok(FleetStatus { gateways, silent, trigger, .. }) = &self.fleet {
            let remarks = trigger.not_served.iter().chain(&trigger.remarks);
            document.remarks = remarks.map(String::as_str).collect();
            (document.mappings, document.gateways) = (&trigger.mappings, gateways);
            document.silent = silent;
        }
        document
    }
}

/// What there is at one moment.
#[derive(Debug)]
struct Snapshot {
    at_ms: u64,
    queues: Vec<QueueLine>,
    /// The gateways and their mappings, or why they are not known.
    fleet: Result<FleetStatus, String>,
}

/// A queue.
#[derive(Debug, Serialize)]
struct QueueLine {
    name: String,
    ready: u64,
    delayed: u64,
    in_flight: u64,
    dead: u64,
    /// How long ago its oldest message was sent.
    oldest_ms: Option<u64>,
    /// In how long the next message can be received.
    next_due_ms: Option<u64>,
}

pub(super) fn run(arguments: Arguments, before: Options) -> Result<ExitCode, CliError> {
    let Arguments { json, watch, place } = arguments;
    let config = place.config(before)?;
    let view = View { json, in_place: watch.is_some() && !json && io::stdout().is_terminal() };
    runtime()?.block_on(async {
        let mut queues = Some(connect(&config).await?);
        loop {
            let seen = see(&mut queues, &config).await;
            match (seen, watch) {
                (Ok(snapshot), _) => view.show(&snapshot)?,
                (Err(error), None) => return Err(error),
                (Err(error), Some(_)) => view.tell(&error)?,
            }
            let Some(seconds) = watch else { return Ok(ExitCode::SUCCESS) };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    })
}

/// Looks; connects anew if Redis went away.
async fn see(queues: &mut Option<Queues>, config: &Config) -> Result<Snapshot, CliError> {
    let connected = match queues.take() {
        Some(connected) => connected,
        None => connect(config).await?,
    };
    let snapshot = look(&connected).await.map_err(|error| CliError::Failed(error.to_string()))?;
    *queues = Some(connected);
    Ok(snapshot)
}

async fn look(queues: &Queues) -> Result<Snapshot, QueueError> {
    let at_ms = now_ms();
    let lines = queues.all_counts().await?.into_iter().map(|counts| line_of(counts, at_ms));
    let lines = lines.collect();
    let fleet = lambda::read_fleet(queues).await.map_err(|error| error.to_string());
    Ok(Snapshot { at_ms, queues: lines, fleet })
}

fn line_of(counts: QueueCounts, now_ms: u64) -> QueueLine {
    let QueueCounts { queue, ready, delayed, in_flight, dead, next_ms, oldest_sent_ms, .. } =
        counts;
    QueueLine {
        name: queue.to_string(),
        ready,
        delayed,
        in_flight,
        dead,
        oldest_ms: oldest_sent_ms.map(|sent| now_ms.saturating_sub(sent)),
        next_due_ms: next_ms,
    }
}

/// How it is shown.
struct View {
    json: bool,
    in_place: bool,
}

impl View {
    fn show(&self, snapshot: &Snapshot) -> Result<(), CliError> {
        if self.json {
            let text = serde_json::to_string(&snapshot.document()).map_err(io::Error::from)?;
            return print(&(text + "\n"));
        }
        let mut lines = tables::lines(snapshot, Colours::for_stream(&io::stdout()));
        if self.in_place {
            lines.insert(0, time_of_day(snapshot.at_ms));
        }
        self.print(&lines)
    }

    fn tell(&self, error: &CliError) -> Result<(), CliError> {
        if self.json {
            eprintln!("karin: {error}");
            return Ok(());
        }
        let why = format!("no Redis: {}", line(&error.to_string()));
        let why = Colours::for_stream(&io::stdout()).paint(Tone::Bad, &why);
        self.print(&[time_of_day(now_ms()), why])
    }

    /// In place no more lines than the terminal has.
    fn print(&self, lines: &[String]) -> Result<(), CliError> {
        if !self.in_place {
            return print(&(lines.join("\n") + "\n"));
        }
        let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_row);
        let rows = if rows < 3 { usize::MAX } else { usize::from(rows) };
        let mut text = String::from(if lines.len() >= rows { ALL } else { "" }) + HOME;
        let shown = if lines.len() < rows { lines.len() } else { rows - 2 };
        for line in lines.iter().take(shown) {
            text.extend([line, REST_OF_LINE, "\n"]);
        }
        if shown < lines.len() {
            let more = lines.len() - shown;
            text.extend(["… and ", &more.to_string(), " lines more", REST_OF_LINE, "\n"]);
        }
        print(&(text + REST))
    }
}

fn print(text: &str) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    Ok(output.write_all(text.as_bytes()).and_then(|()| output.flush())?)
}
