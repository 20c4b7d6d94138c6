//! What `--function` and `--map` say.

use std::{path::PathBuf, time::Duration};

use super::ConfigError;
use crate::queues::QueueName;

/// A local function's timeout unless told otherwise.
pub(super) const FUNCTION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest a function may run, seconds; AWS's own limit.
pub(super) const FUNCTION_TIMEOUT_SECONDS_MAX: u64 = 900;
/// Records of one invocation unless told otherwise (BatchSize, esm-contract §2).
pub(super) const BATCH_SIZE_DEFAULT: u32 = 10;
/// Most records of one invocation on a standard queue.
pub(super) const BATCH_SIZE_MAX: u32 = 10_000;
/// From this batch size on AWS demands a window of at least a second.
pub(super) const BATCH_SIZE_WITHOUT_WINDOW_MAX: u32 = 10;
/// The longest MaximumBatchingWindowInSeconds.
pub(super) const WINDOW_SECONDS_MAX: u64 = 300;
/// Most invocations at the same time.
pub(super) const CONCURRENCY_MAX: u32 = 1_000;
/// Longest name of a Lambda function.
pub(super) const FUNCTION_NAME_LENGTH_MAX: usize = 64;

/// A function run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// Where its code is, and its working directory.
    pub directory: PathBuf,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// At most this many processes. `None`: the runner decides.
    pub concurrency: Option<u32>,
    /// What to run. `None`: `bootstrap` in the directory.
    pub command: Option<String>,
}

/// How a function says which messages failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReport {
    /// The batch succeeds or fails as one.
    WholeBatch,
    /// The answer may name messages (ReportBatchItemFailures).
    PerMessage,
}

/// One queue's messages go to one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingSpec {
    /// The queue.
    pub queue: QueueName,
    /// A function's name or ARN.
    pub function: String,
    /// At most this many records in one invocation.
    pub batch_size: u32,
    /// How long to gather records; whole seconds.
    pub window: Duration,
    /// The function's timeout, if it is known here.
    pub timeout: Option<Duration>,
    /// At most this many invocations at a time.
    pub concurrency: Option<u32>,
    /// How failures are told.
    pub report_batch_item_failures: FailureReport,
}

pub(super) fn functions(written: &[String]) -> Result<Vec<FunctionSpec>, ConfigError> {
    let mut specs: Vec<FunctionSpec> = Vec::new();
    for text in written {
        let spec = function(text).map_err(|e| refused("function", text, &e))?;
        if specs.iter().any(|s| s.name == spec.name) {
            return Err(refused("function", text, "there is another function of that name"));
        }
        specs.push(spec);
    }
    Ok(specs)
}

pub(super) fn mappings(written: &[String]) -> Result<Vec<MappingSpec>, ConfigError> {
    let mut specs: Vec<MappingSpec> = Vec::new();
    for text in written {
        let spec = mapping(text).map_err(|e| refused("map", text, &e))?;
        if specs.iter().any(|s| s.queue == spec.queue && s.function == spec.function) {
            return Err(refused("map", text, "the queue is mapped to that function already"));
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn refused(option: &str, text: &str, why: &str) -> ConfigError {
    ConfigError::value(option, format_args!("{text:?}: {why}"))
}

fn function(text: &str) -> Result<FunctionSpec, String> {
    // The command comes last, so that it can hold commas.
    let (text, command) = match text.split_once(",command=") {
        Some((text, command)) => (text, Some(command)),
        None => (text, None),
    };
    let mut parts = text.split(',');
    let (name, directory) = parts
        .next()
        .and_then(|first| first.split_once('='))
        .ok_or("it starts with NAME=DIRECTORY")?;
    if !is_function_name(name) {
        return Err(format!("{name:?} is not a function's name"));
    }
    if directory.is_empty() {
        return Err("the directory is missing".to_owned());
    }
    if command.is_some_and(|c| c.trim().is_empty()) {
        return Err("the command is empty".to_owned());
    }
    let mut spec = FunctionSpec {
        name: name.to_owned(),
        directory: directory.into(),
        timeout: FUNCTION_TIMEOUT_DEFAULT,
        concurrency: None,
        command: command.map(str::to_owned),
    };
    for part in parts {
        match part.split_once('=') {
            Some(("timeout", value)) => spec.timeout = timeout(value)?,
            Some(("concurrency", value)) => spec.concurrency = Some(concurrency(value)?),
            _ => return Err(format!("{part:?} is none of timeout=, concurrency=, command=")),
        }
    }
    Ok(spec)
}

fn mapping(text: &str) -> Result<MappingSpec, String> {
    let mut parts = text.split(',');
    let (queue, function) = parts
        .next()
        .and_then(|first| first.split_once('='))
        .ok_or("it starts with QUEUE=FUNCTION")?;
    if !function.starts_with("arn:") && !is_function_name(function) {
        return Err(format!("{function:?} is neither a function's name nor an ARN"));
    }
    let mut spec = MappingSpec {
        queue: QueueName::parse(queue).ok_or(format!("{queue:?} is not a queue's name"))?,
        function: function.to_owned(),
        batch_size: BATCH_SIZE_DEFAULT,
        window: Duration::ZERO,
        timeout: None,
        concurrency: None,
        report_batch_item_failures: FailureReport::WholeBatch,
    };
    for part in parts {
        match part.split_once('=') {
            Some(("batch_size", value)) => {
                spec.batch_size = number(value, "batch_size", 1..=BATCH_SIZE_MAX)?;
            }
            Some(("window", value)) => {
                let seconds = number(value, "window", 0..=WINDOW_SECONDS_MAX)?;
                spec.window = Duration::from_secs(seconds);
            }
            Some(("timeout", value)) => spec.timeout = Some(timeout(value)?),
            Some(("concurrency", value)) => spec.concurrency = Some(concurrency(value)?),
            Some(("report_batch_item_failures", "true")) => {
                spec.report_batch_item_failures = FailureReport::PerMessage;
            }
            Some(("report_batch_item_failures", "false")) => {
                spec.report_batch_item_failures = FailureReport::WholeBatch;
            }
            _ => {
                return Err(format!(
                    "{part:?} is none of batch_size=, window=, timeout=, concurrency=, \
                     report_batch_item_failures=true|false"
                ));
            }
        }
    }
    if spec.batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX && spec.window.is_zero() {
        return Err(format!(
            "a batch_size above {BATCH_SIZE_WITHOUT_WINDOW_MAX} needs a window of at least 1"
        ));
    }
    Ok(spec)
}

fn is_function_name(name: &str) -> bool {
    (1..=FUNCTION_NAME_LENGTH_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn timeout(value: &str) -> Result<Duration, String> {
    number(value, "timeout", 1..=FUNCTION_TIMEOUT_SECONDS_MAX).map(Duration::from_secs)
}

fn concurrency(value: &str) -> Result<u32, String> {
    number(value, "concurrency", 1..=CONCURRENCY_MAX)
}

fn number<T>(value: &str, name: &str, range: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    value.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
        format!("{name}={value} is not a whole number from {} to {}", range.start(), range.end())
    })
}
