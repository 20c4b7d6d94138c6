//! What `--function` and `--map` say.

use std::{path::PathBuf, time::Duration};

use super::mapping_options::number;
use super::{ConfigError, MappingOptions};
use crate::filter::Filters;
use crate::queues::QueueName;

/// A local function's timeout unless told otherwise.
pub(crate) const FUNCTION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest a function may run, seconds; AWS's own limit.
pub(crate) const FUNCTION_TIMEOUT_SECONDS_MAX: u64 = 900;
/// The memory a function may have, megabytes; AWS's own limits.
pub(crate) const FUNCTION_MEMORY_MEGABYTES: std::ops::RangeInclusive<u32> = 128..=10_240;
/// The longest a function's process may wait for an event, seconds: a week.
pub(crate) const FUNCTION_IDLE_SECONDS_MAX: u64 = 604_800;
/// Records of one invocation unless told otherwise (BatchSize, esm-contract §2).
pub(crate) const BATCH_SIZE_DEFAULT: u32 = 10;
/// Most records of one invocation on a standard queue.
pub(crate) const BATCH_SIZE_MAX: u32 = 10_000;
/// Most records of one invocation on a FIFO queue.
pub(crate) const BATCH_SIZE_FIFO_MAX: u32 = 10;
/// Above this batch size AWS demands a window of at least a second.
pub(crate) const BATCH_SIZE_WITHOUT_WINDOW_MAX: u32 = 10;
/// The longest MaximumBatchingWindowInSeconds.
pub(crate) const WINDOW_SECONDS_MAX: u64 = 300;
/// Most invocations at the same time.
pub(crate) const CONCURRENCY_MAX: u32 = 1_000;
/// Longest name of a Lambda function.
pub(super) const FUNCTION_NAME_LENGTH_MAX: usize = 64;

/// A function run on this machine. What is `None` is as `function.toml` in its directory says, else
/// the runner's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// Where its code is, and its working directory.
    pub directory: PathBuf,
    /// How long one invocation may take.
    pub timeout: Option<Duration>,
    /// At most this many processes.
    pub concurrency: Option<u32>,
    /// The memory of a process, megabytes.
    pub memory: Option<u32>,
    /// How long a process may wait for its next event.
    pub idle: Option<Duration>,
    /// What to run. `None`: `bootstrap` in the directory.
    pub command: Option<String>,
}

impl FunctionSpec {
    /// A function of which nothing is said.
    pub(crate) fn new(name: &str, directory: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            directory,
            timeout: None,
            concurrency: None,
            memory: None,
            idle: None,
            command: None,
        }
    }
}

/// How a function says which messages failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReport {
    /// The batch succeeds or fails as one.
    WholeBatch,
    /// The answer may name messages (ReportBatchItemFailures).
    PerMessage,
    /// As [`FailureReport::PerMessage`] if the answer has `batchItemFailures`, else as
    /// [`FailureReport::WholeBatch`] (esm-contract §11, trap 2).
    Auto,
}

/// One queue's messages go to one function. What is `None` here is as AWS's mapping of the same
/// queue and function has it, if there is one, else the default.
#[derive(Debug, Clone, PartialEq)]
pub struct MappingSpec {
    /// The queue.
    pub queue: QueueName,
    /// A function's name or ARN.
    pub function: String,
    /// At most this many records in one invocation.
    pub batch_size: Option<u32>,
    /// How long to gather records; whole seconds.
    pub window: Option<Duration>,
    /// The function's timeout, if it is known here.
    pub timeout: Option<Duration>,
    /// At most this many invocations at a time.
    pub concurrency: Option<u32>,
    /// How failures are told.
    pub report_batch_item_failures: Option<FailureReport>,
    /// Which messages the function gets.
    pub filters: Option<Filters>,
    /// What AWS has no word for.
    pub options: MappingOptions,
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
    let mut spec = FunctionSpec::new(name, directory.into());
    spec.command = command.map(str::to_owned);
    for part in parts {
        match part.split_once('=') {
            Some(("timeout", value)) => spec.timeout = Some(timeout(value)?),
            Some(("concurrency", value)) => spec.concurrency = Some(concurrency(value)?),
            Some(("memory", value)) => {
                spec.memory = Some(number("memory", value, FUNCTION_MEMORY_MEGABYTES)?);
            }
            Some(("idle", value)) => {
                let seconds = number("idle", value, 1..=FUNCTION_IDLE_SECONDS_MAX)?;
                spec.idle = Some(Duration::from_secs(seconds));
            }
            _ => {
                return Err(format!(
                    "{part:?} is none of a function's options ({FUNCTION_OPTIONS})"
                ));
            }
        }
    }
    Ok(spec)
}

fn mapping(text: &str) -> Result<MappingSpec, String> {
    // The filter comes last, so that it can hold commas.
    let (text, filter) = match text.split_once(",filter=") {
        Some((text, filter)) => (text, Some(filter)),
        None => (text, None),
    };
    let mut parts = text.split(',');
    let (queue, function) = parts
        .next()
        .and_then(|first| first.split_once('='))
        .ok_or("it starts with QUEUE=FUNCTION")?;
    if !is_function_arn(function) && !is_function_name(function) {
        return Err(format!("{function:?} is neither a function's name nor an ARN"));
    }
    let mut spec = MappingSpec {
        queue: QueueName::parse(queue).ok_or(format!("{queue:?} is not a queue's name"))?,
        function: function.to_owned(),
        batch_size: None,
        window: None,
        timeout: None,
        concurrency: None,
        report_batch_item_failures: None,
        filters: filter.map(filters).transpose()?,
        options: MappingOptions::default(),
    };
    for part in parts {
        let known = match part.split_once('=') {
            Some((name, value)) => set(&mut spec, name, value)?,
            None => false,
        };
        if !known {
            return Err(format!("{part:?} is none of a mapping's options ({MAPPING_OPTIONS})"));
        }
    }
    check(&spec)?;
    Ok(spec)
}

const FUNCTION_OPTIONS: &str = "timeout=, concurrency=, memory=, idle=, command=";
const MAPPING_OPTIONS: &str = "batch_size=, window=, timeout=, concurrency=, \
     report_batch_item_failures=, retry=, isolate=, filtered=, acknowledge=, malformed_report=, \
     fifo_failure=, filter=";

fn set(spec: &mut MappingSpec, name: &str, value: &str) -> Result<bool, String> {
    match name {
        "batch_size" => spec.batch_size = Some(number(name, value, 1..=BATCH_SIZE_MAX)?),
        "window" => {
            let seconds = number(name, value, 0..=WINDOW_SECONDS_MAX)?;
            spec.window = Some(Duration::from_secs(seconds));
        }
        "timeout" => spec.timeout = Some(timeout(value)?),
        "concurrency" => spec.concurrency = Some(concurrency(value)?),
        "report_batch_item_failures" => {
            spec.report_batch_item_failures = Some(match value {
                "true" => FailureReport::PerMessage,
                "false" => FailureReport::WholeBatch,
                "auto" => FailureReport::Auto,
                _ => return Err(format!("{name}={value} is none of true, false, auto")),
            });
        }
        _ => return spec.options.set(name, value),
    }
    Ok(true)
}

/// A pattern, or a JSON list of patterns.
fn filters(text: &str) -> Result<Filters, String> {
    let patterns = match serde_json::from_str(text) {
        Ok(serde_json::Value::Array(patterns)) => {
            patterns.iter().map(serde_json::Value::to_string).collect()
        }
        _ => vec![text.to_owned()],
    };
    Filters::parse(&patterns).map_err(|error| format!("{error} {}", error.detail()))
}

fn check(spec: &MappingSpec) -> Result<(), String> {
    let batch_size = spec.batch_size.unwrap_or(BATCH_SIZE_DEFAULT);
    let window = spec.window.unwrap_or_default();
    if spec.queue.is_fifo() {
        if batch_size > BATCH_SIZE_FIFO_MAX {
            return Err(format!("a FIFO queue's batch_size is at most {BATCH_SIZE_FIFO_MAX}"));
        }
        if !window.is_zero() {
            return Err("a FIFO queue has no window".to_owned());
        }
    } else if batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX && window.is_zero() {
        return Err(format!(
            "a batch_size above {BATCH_SIZE_WITHOUT_WINDOW_MAX} needs a window of at least 1"
        ));
    }
    spec.options.check(&spec.queue)
}

pub(crate) fn is_function_name(name: &str) -> bool {
    (1..=FUNCTION_NAME_LENGTH_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether it is a function's ARN, with or without a qualifier.
fn is_function_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "lambda", _, _, "function", name]
        | ["arn", _, "lambda", _, _, "function", name, _] => is_function_name(name),
        _ => false,
    }
}

fn timeout(value: &str) -> Result<Duration, String> {
    number("timeout", value, 1..=FUNCTION_TIMEOUT_SECONDS_MAX).map(Duration::from_secs)
}

fn concurrency(value: &str) -> Result<u32, String> {
    number("concurrency", value, 1..=CONCURRENCY_MAX)
}
