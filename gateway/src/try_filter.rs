//! The subcommand `karin try-filter`: what filters would do with the messages of a queue, which
//! are looked at and not received.
//!
//! Source: esm-contract §11, trap 13.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser as _;

use crate::{
    config::{Config, ConfigError, Options},
    embedded::Embedded,
    filter::{Filters, InvalidFilter, Subject},
    message_view::MessageView,
    queues::{
        ArnMaker, ConnectError, QueueError, QueueName, Queues, QueuesOptions, ReceivedMessage,
        RedisAddress,
    },
    run::module,
    shutdown,
};

/// The name of the subcommand.
pub const TRY_FILTER_SUBCOMMAND: &str = "try-filter";
/// What a wrong command line or pattern ends with, as clap has it.
const EXIT_USAGE: u8 = 2;
/// Messages that are held in memory at a time: they may have a megabyte each.
const PAGE: u32 = 10;
/// How much of a body is shown, in characters.
const SHOWN_CHARACTERS: usize = 60;

const NAME: &str = "karin try-filter";
const EXAMPLE: &str = r#"Example: karin try-filter orders '{"body":{"kind":["order"]}}'"#;

/// Shows which messages of a queue filters of an event source mapping would let through.
///
/// The messages are looked at, whether they are visible, delayed, in flight or dead; nothing
/// happens to them. Each gets a line: its id, "accepted" or "filtered" as of its next receive, and
/// the beginning of its body. Any of the patterns, written as in FilterCriteria, accepts a message.
#[derive(Debug, clap::Parser)]
#[command(name = NAME, bin_name = NAME, max_term_width = 100, after_help = EXAMPLE)]
struct Arguments {
    /// The queue's name
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// Filter patterns
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,
    /// How many messages to look at, from the oldest on
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: u32,
    /// The configuration file (TOML) [default: karin.toml, if there is one]
    #[arg(long, env = "KARIN_CONFIG", value_name = "FILE")]
    config: Option<String>,
    /// The Redis with the queues [default: that of the karin that runs on the data directory]
    #[arg(long, env = "KARIN_REDIS_URL", hide_env_values = true, value_name = "URL")]
    redis_url: Option<String>,
    /// Where the running karin's own Redis keeps the queues [default: ./karin-data]
    #[arg(long, env = "KARIN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<String>,
    /// Queue "orders" is the Redis key "<prefix>{orders}" [default: karin:]
    #[arg(long, env = "KARIN_KEY_PREFIX", value_name = "PREFIX")]
    key_prefix: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum TryFilterError {
    #[error("QUEUE: {0:?} is not the name of a queue")]
    Name(String),
    #[error("{0}\n  {detail}", detail = .0.detail())]
    Filter(#[from] InvalidFilter),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "{data_dir}: {why}; karin must be running on this --data-dir, or its Redis be named with \
         --redis-url"
    )]
    NoData { data_dir: String, why: String },
    #[error(transparent)]
    Redis(#[from] ConnectError),
    #[error("{queue}: {why}")]
    Queue { queue: QueueName, why: QueueError },
    #[error(transparent)]
    System(#[from] io::Error),
}

impl TryFilterError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Name(_) | Self::Filter(_) | Self::Config(_) => ExitCode::from(EXIT_USAGE),
            Self::NoData { .. } | Self::Redis(_) | Self::Queue { .. } | Self::System(_) => {
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs the subcommand with what follows its name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let name = OsString::from(TRY_FILTER_SUBCOMMAND);
    let arguments = match Arguments::try_parse_from(std::iter::once(name).chain(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match try_filter(arguments) {
        // Whoever read it has seen enough.
        Err(TryFilterError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("karin: {error}");
            error.exit_code()
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn try_filter(arguments: Arguments) -> Result<(), TryFilterError> {
    let Arguments { queue, patterns, count, config, redis_url, data_dir, key_prefix } = arguments;
    let queue = QueueName::parse(&queue).ok_or(TryFilterError::Name(queue))?;
    let filters = Filters::parse(&patterns)?;
    for remark in filters.remarks() {
        eprintln!("karin: {remark}");
    }
    let options = Options { config, redis_url, data_dir, key_prefix, ..Options::default() };
    let config = Config::of_queues(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_stop, shutdown) = shutdown::channel();
        let queues = Queues::connect_to_look(queues_options(&config)?, shutdown).await?;
        look(&queues, &queue, &filters, count).await
    })
}

fn queues_options(config: &Config) -> Result<QueuesOptions, TryFilterError> {
    let address = match &config.redis_url {
        Some(url) => RedisAddress::Url(url.clone()),
        None => RedisAddress::Socket(socket(&config.data_dir)?),
    };
    let module = module(config, &std::env::current_exe()?);
    // No dead letter is brought anywhere, so none asks where it came from.
    let arns = ArnMaker::new(QueueName::to_string);
    Ok(QueuesOptions { address, key_prefix: config.key_prefix.clone(), module, arns })
}

fn socket(data_dir: &Path) -> Result<std::path::PathBuf, TryFilterError> {
    let no_data = |why: &io::Error| TryFilterError::NoData {
        data_dir: data_dir.display().to_string(),
        why: why.to_string(),
    };
    let socket = Embedded::socket_in(data_dir).map_err(|error| no_data(&error))?;
    // One that was killed leaves its socket behind; that is found out by connecting.
    socket.metadata().map_err(|error| no_data(&error))?;
    Ok(socket)
}

/// Looks at the messages, and says what was seen.
async fn look(
    queues: &Queues,
    queue: &QueueName,
    filters: &Filters,
    count: u32,
) -> Result<(), TryFilterError> {
    let mut output = io::stdout().lock();
    let (mut accepted, mut filtered) = (0_u32, 0_u32);
    let mut failed = None;
    let looked = try_on(queues, queue, filters, count, |id, body, is_accepted| {
        let verdict = if is_accepted { "accepted" } else { "filtered" };
        *(if is_accepted { &mut accepted } else { &mut filtered }) += 1;
        failed = writeln!(output, "{id} {verdict} {}", beginning(body)).err();
        failed.is_none()
    });
    let has_more =
        looked.await.map_err(|why| TryFilterError::Queue { queue: queue.clone(), why })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let seen = accepted + filtered;
    let more = if has_more { ", and there are more (--count)" } else { "" };
    writeln!(output, "{seen} messages: {accepted} accepted, {filtered} filtered{more}")?;
    Ok(())
}

/// Tries filters on the messages of a queue, from the oldest on, at most `count`: tells `each` id,
/// body, and whether it is accepted, for as long as `each` wants more. Returns whether there are
/// more.
pub(crate) async fn try_on(
    queues: &Queues,
    queue: &QueueName,
    filters: &Filters,
    count: u32,
    mut each: impl FnMut(&str, &str, bool) -> bool,
) -> Result<bool, QueueError> {
    let (mut seen, mut after) = (0, Some(0));
    while let Some(start) = after.filter(|_| seen < count) {
        let peeked = queues.peek(queue, start, PAGE.min(count - seen)).await?;
        after = peeked.after;
        for message in peeked.messages {
            seen += 1;
            let message = as_received(message);
            let view = MessageView::new(&message);
            if !each(&message.id, &view.body, filters.accepts(&Subject::new(&message.id, &view))) {
                return Ok(after.is_some());
            }
        }
    }
    Ok(after.is_some())
}

/// The message as its next receive shows it.
fn as_received(mut message: ReceivedMessage) -> ReceivedMessage {
    message.receive_count += 1;
    if message.first_received_ms == 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        message.first_received_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    }
    message
}

/// The beginning of a body, in one line.
fn beginning(body: &str) -> String {
    let mut shown = String::new();
    let mut characters = body.chars();
    for character in characters.by_ref().take(SHOWN_CHARACTERS) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_body_is_one_line() {
        assert_eq!(beginning("a\nb\tü\u{1b}"), r"a\nb\tü\u{1b}");
        assert_eq!(beginning(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(beginning(&"ü".repeat(61)), "ü".repeat(60) + "…");
        assert_eq!(beginning(""), "");
    }

    #[test]
    fn the_next_receive_is_counted() {
        let message = as_received(ReceivedMessage::default());
        assert!(message.receive_count == 1 && message.first_received_ms > 0);
        let before = ReceivedMessage { first_received_ms: 7, ..ReceivedMessage::default() };
        assert_eq!(as_received(before).first_received_ms, 7);
    }
}
