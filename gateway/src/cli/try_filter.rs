//! `karin try-filter`: what filters would do with the messages of a queue, which are looked at and
//! not received.
//!
//! Source: esm-contract §11, trap 13.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::{
    CliError,
    place::{Place, connect},
    runtime,
    shown::beginning,
};
use crate::{
    config::Options,
    filter::Filters,
    queues::{QueueName, Queues},
    try_filter::try_on,
};

const ABOUT: &str = "\
Show which messages of a queue filters of an event source mapping would let through

The messages are looked at, whether they are visible, delayed, in flight or dead; nothing happens \
to them. Each gets a line: its id, \"accepted\" or \"filtered\" as of its next receive, and the \
beginning of its body. Any of the patterns, written as in FilterCriteria, accepts a message.";
const EXAMPLE: &str = r#"Example: karin try-filter orders '{"body":{"kind":["order"]}}'"#;

#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// The queue's name
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// Filter patterns
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,
    /// How many messages to look at, from the oldest on
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: u32,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: Arguments, before: Options) -> Result<ExitCode, CliError> {
    let Arguments { queue, patterns, count, place } = arguments;
    let queue = queue_named(&queue)?;
    let filters = Filters::parse(&patterns)
        .map_err(|error| CliError::Wrong(format!("{error}\n  {}", error.detail())))?;
    for remark in filters.remarks() {
        eprintln!("karin: {remark}");
    }
    let config = place.config(before)?;
    runtime()?.block_on(async {
        let queues = connect(&config).await?;
        look(&queues, &queue, &filters, count).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The queue of this name, whether there is one or not.
pub(super) fn queue_named(name: &str) -> Result<QueueName, CliError> {
    let wrong = || CliError::Wrong(format!("QUEUE: {name:?} is not the name of a queue"));
    QueueName::parse(name).ok_or_else(wrong)
}

/// Looks at the messages, and says what was seen.
async fn look(
    queues: &Queues,
    queue: &QueueName,
    filters: &Filters,
    count: u32,
) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    let (mut accepted, mut filtered) = (0_u32, 0_u32);
    let mut failed = None;
    let looked = try_on(queues, queue, filters, count, |id, body, is_accepted| {
        let verdict = if is_accepted { "accepted" } else { "filtered" };
        *(if is_accepted { &mut accepted } else { &mut filtered }) += 1;
        failed = writeln!(output, "{id} {verdict} {}", beginning(body)).err();
        failed.is_none()
    });
    let has_more = looked.await.map_err(|why| CliError::Queue { queue: queue.clone(), why })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let seen = accepted + filtered;
    let more = if has_more { ", and there are more (--count)" } else { "" };
    writeln!(output, "{seen} messages: {accepted} accepted, {filtered} filtered{more}")?;
    Ok(())
}
