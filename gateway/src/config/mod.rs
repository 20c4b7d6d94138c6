//! The configuration: command line over environment over file, checked once, at start.
//!
//! [`Options`] is what was written, every option as text, whichever of the three it came from.
//! [`Config`] is what it means. Nothing below reads the environment or the file again.

mod file;
mod lambda_profile;
mod mapping_options;
mod options;
pub(crate) mod specs;

pub(crate) use file::parse_toml;
pub use lambda_profile::LambdaProfile;
pub use mapping_options::{
    Acknowledge, FifoFailure, Filtered, MalformedReport, MappingOptions, Retry,
};
pub use options::Options;
pub use specs::{FailureReport, FunctionSpec, MappingSpec};

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::auth::{KeySpec, Secret, TokenSpec};
use crate::queues::RedisUrl;

/// Where karin listens unless told otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:9324";
/// What stands before `{queue}` in the key of a queue.
pub const KEY_PREFIX_DEFAULT: &str = "karin:";
/// Where the embedded Redis and the instance's number live.
pub const DATA_DIR_DEFAULT: &str = "./karin-data";
/// The file read when `--config` names none and it exists.
pub const CONFIG_FILE_DEFAULT: &str = "karin.toml";
/// How often mappings are read from AWS where AWS can be reached.
pub const SYNC_INTERVAL_DEFAULT: Duration = Duration::from_mins(5);
/// A shorter interval would spend AWS's own rate limit on Lambda's control plane.
pub const SYNC_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How long a queue's name is blocked after its deletion, and purges after a purge: as long as AWS
/// does (sqs-contract §§4.2 and 4.3).
pub const QUEUE_COOLDOWN_DEFAULT: Duration = Duration::from_mins(1);
/// Longest `--queue-cooldown`, a day.
pub const QUEUE_COOLDOWN_MAX: Duration = Duration::from_hours(24);
/// How often a chain of messages may run one function: about as often as AWS lets it (esm-contract
/// §11, trap 22).
pub const MAX_HOPS_DEFAULT: u32 = 16;
/// Most `--max-hops`: no counter in a trace header is larger.
pub const MAX_HOPS_MAX: u32 = 30_000;
/// Longest `--sync-interval`, a week.
pub const SYNC_INTERVAL_MAX: Duration = Duration::from_hours(168);
/// Shorter passwords of the admin page can be guessed.
const ADMIN_PASSWORD_CHARACTERS_MIN: usize = 8;

/// Longest `--shutdown-grace`: longer than any load balancer takes to notice.
pub const SHUTDOWN_GRACE_MAX: Duration = Duration::from_mins(5);

/// Everything karin was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The Redis to use, as a URL. `None`: the embedded one.
    pub redis_url: Option<RedisUrl>,
    /// The `redis-server` program of the embedded Redis.
    pub redis_server: PathBuf,
    /// The module's file. `None`: `libkarin.so` next to the binary.
    pub module: Option<PathBuf>,
    /// The directory for everything that is kept on this machine.
    pub data_dir: PathBuf,
    /// What stands before `{queue}` in a key.
    pub key_prefix: String,
    /// The region in URLs and ARNs. `None`: of the first mapping read from AWS, else us-east-1.
    pub region: Option<String>,
    /// The 12-digit account in URLs and ARNs. `None`: as the region, else 000000000000.
    pub account: Option<String>,
    /// Scheme, host and port of QueueUrls, without a slash at the end. `None`: the Host header's.
    pub base_url: Option<String>,
    /// Whether only the own account's QueueUrls and ARNs name queues.
    pub strict_account: bool,
    /// How long a deleted queue cannot be created and a purged one not be purged; zero: not at
    /// all.
    pub queue_cooldown: Duration,
    /// The Lambda endpoint to use instead of AWS's.
    pub lambda_endpoint: Option<String>,
    /// What answers there. `None`: AWS where there is no other endpoint, else found out by asking.
    pub lambda_profile: Option<LambdaProfile>,
    /// How often a chain of messages may run one function; 0: without end.
    pub max_hops: u32,
    /// Functions run on this machine.
    pub functions: Vec<FunctionSpec>,
    /// A folder of such functions.
    pub functions_folder: Option<PathBuf>,
    /// Mappings given here, besides those read from AWS.
    pub mappings: Vec<MappingSpec>,
    /// Whether functions elsewhere can be invoked: there is an endpoint, or there are AWS
    /// credentials.
    pub has_aws: bool,
    /// How often mappings are read from AWS. `None`: never.
    pub sync_interval: Option<Duration>,
    /// When a queue takes over what its namesake on AWS has.
    pub sync_attributes: SyncAttributes,
    /// Where that is read instead of AWS's SQS.
    pub sync_sqs_endpoint: Option<String>,
    /// Access keys.
    pub keys: Vec<KeySpec>,
    /// Endpoint tokens.
    pub tokens: Vec<TokenSpec>,
    /// The password of the admin page.
    pub admin_password: Option<Secret>,
    /// Of which invocations the payloads are kept.
    pub keep_payloads: KeepPayloads,
    /// How long karin goes on answering once it was told to end, so that clients find another
    /// gateway.
    pub shutdown_grace: Duration,
    /// Whether anybody may be let in from anywhere.
    pub insecure: bool,
    /// What to log, as tracing-subscriber's EnvFilter reads it.
    pub log: String,
    /// How the log is written.
    pub log_format: LogFormat,
}

/// Of which invocations events and answers are kept, to be looked at and run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepPayloads {
    /// Of none.
    None,
    /// Of those that failed.
    #[default]
    Failed,
    /// Of all.
    All,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// When a queue takes over the attributes, tags and dead-letter queue of its namesake on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncAttributes {
    /// When a mapping makes it.
    #[default]
    Once,
    /// Then, and whenever AWS is read.
    Always,
    /// Not at all.
    Never,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line's shape is wrong, or help was asked for; clap has the words.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// One option has a value it cannot have; the text is one line.
    #[error("--{option}: {text}")]
    Value {
        /// The option's long name, without dashes.
        option: String,
        /// What is wrong with it.
        text: String,
    },
}

impl ConfigError {
    fn value(option: &str, text: impl std::fmt::Display) -> Self {
        Self::Value { option: option.to_owned(), text: text.to_string() }
    }
}

impl Config {
    /// What the command line and the environment gave, and the file.
    pub fn load(given: Options) -> Result<Self, ConfigError> {
        Self::of_process(Self::with_file(given)?)
    }

    /// `given`, and what the file has besides.
    pub(crate) fn with_file(given: Options) -> Result<Options, ConfigError> {
        let file = file::read(given.config.as_deref())?;
        Ok(given.or(file))
    }

    /// What the options mean in this process: with its environment and its directories.
    pub(crate) fn of_process(options: Options) -> Result<Self, ConfigError> {
        let config = Self::from_options(options, |name| std::env::var_os(name))?;
        for function in &config.functions {
            if !function.directory.is_dir() {
                let directory = function.directory.display();
                return Err(ConfigError::value(
                    "function",
                    format_args!("{}: {directory} is not a directory", function.name),
                ));
            }
        }
        if let Some(folder) = config.functions_folder.as_ref().filter(|f| !f.is_dir()) {
            let why = format_args!("{} is not a directory", folder.display());
            return Err(ConfigError::value("functions", why));
        }
        Ok(config)
    }

    /// Whether requests need keys or tokens.
    pub fn is_protected(&self) -> bool {
        !(self.keys.is_empty() && self.tokens.is_empty())
    }

    /// Whether karin may be reached there: anybody who reaches it could read and delete messages.
    pub(crate) fn may_listen_on(&self, address: SocketAddr) -> bool {
        address.ip().is_loopback() || self.insecure || self.is_protected()
    }

    /// The configuration as far as it says where the queues are, for who only looks at them:
    /// `given`, and the file it names. Nothing else of the file is checked for what it means.
    pub fn of_queues(given: Options) -> Result<Self, ConfigError> {
        let file = file::read(given.config.as_deref())?;
        let Options { redis_url, data_dir, key_prefix, .. } = given.or(file);
        let options = Options { redis_url, data_dir, key_prefix, ..Options::default() };
        Self::from_options(options, |_| None)
    }

    /// Where karin listens, for who only asks it. Nothing else is checked.
    pub(crate) fn of_listener(given: Options) -> Result<SocketAddr, ConfigError> {
        let options = Self::with_file(given)?.without_empty();
        listen(options.listen.as_deref().unwrap_or(LISTEN_DEFAULT))
    }

    /// Checks what was written. `environment` is asked for AWS's own variables only.
    pub fn from_options(
        options: Options,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let options = options.without_empty();
        let listen = listen(options.listen.as_deref().unwrap_or(LISTEN_DEFAULT))?;
        let (keys, tokens) = (keys(&options.key)?, tokens(&options.token)?);
        let lambda_endpoint = optional(options.lambda_endpoint, "lambda-endpoint", web_address)?;
        let aws = lambda_endpoint.is_some() || has_aws_credentials(&environment);
        let config = Self {
            listen,
            redis_url: optional(options.redis_url, "redis-url", RedisUrl::parse)?,
            redis_server: options.redis_server.unwrap_or_else(|| "redis-server".to_owned()).into(),
            module: options.module.map(PathBuf::from),
            data_dir: options.data_dir.unwrap_or_else(|| DATA_DIR_DEFAULT.to_owned()).into(),
            key_prefix: optional(options.key_prefix, "key-prefix", key_prefix)?
                .unwrap_or_else(|| KEY_PREFIX_DEFAULT.to_owned()),
            region: optional(options.region, "region", region)?,
            account: optional(options.account, "account", account)?,
            base_url: optional(options.base_url, "base-url", web_address)?,
            strict_account: options.strict_account,
            queue_cooldown: optional(options.queue_cooldown, "queue-cooldown", queue_cooldown)?
                .unwrap_or(QUEUE_COOLDOWN_DEFAULT),
            lambda_profile: optional(
                options.lambda_profile,
                "lambda-profile",
                LambdaProfile::parse,
            )?,
            max_hops: optional(options.max_hops, "max-hops", max_hops)?.unwrap_or(MAX_HOPS_DEFAULT),
            functions: specs::functions(&options.function)?,
            functions_folder: options.functions.map(PathBuf::from),
            mappings: specs::mappings(&options.map)?,
            has_aws: aws,
            sync_interval: sync_interval(options.sync_interval.as_deref(), aws)?,
            sync_attributes: optional(options.sync_attributes, "sync-attributes", sync_attributes)?
                .unwrap_or_default(),
            sync_sqs_endpoint: optional(
                options.sync_sqs_endpoint,
                "sync-sqs-endpoint",
                web_address,
            )?
            .or_else(|| lambda_endpoint.clone()),
            lambda_endpoint,
            keys,
            tokens,
            admin_password: options.admin_password.map(admin_password).transpose()?,
            keep_payloads: optional(options.keep_payloads, "keep-payloads", keep_payloads)?
                .unwrap_or_default(),
            log: options.log.unwrap_or_else(|| "info".to_owned()),
            log_format: optional(options.log_format, "log-format", log_format)?.unwrap_or_default(),
            shutdown_grace: optional(options.shutdown_grace, "shutdown-grace", shutdown_grace)?
                .unwrap_or_default(),
            insecure: options.insecure,
        };
        if config.may_listen_on(listen) { Ok(config) } else { Err(unprotected(listen)) }
    }
}

fn unprotected(listen: SocketAddr) -> ConfigError {
    ConfigError::value(
        "listen",
        format_args!(
            "{listen} is not a loopback address and there are no keys, so anybody who reaches it \
             could read and delete messages; --key or --token protects them, --insecure allows it"
        ),
    )
}

fn optional<T>(
    written: Option<String>,
    option: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    written.map(|w| parse(&w).map_err(|e| ConfigError::value(option, e))).transpose()
}

fn listen(written: &str) -> Result<SocketAddr, ConfigError> {
    if let Some(port) = written.strip_prefix("localhost:").and_then(|p| p.parse().ok()) {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    written.parse().map_err(|_| {
        ConfigError::value(
            "listen",
            format_args!("{written:?} is not an address and a port, such as {LISTEN_DEFAULT}"),
        )
    })
}

fn key_prefix(written: &str) -> Result<String, String> {
    if written.bytes().any(|b| matches!(b, b'{' | b'}') || b.is_ascii_control()) {
        return Err("braces and control characters would change what the keys hash to".to_owned());
    }
    Ok(written.to_owned())
}

fn region(written: &str) -> Result<String, String> {
    let valid = written.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid { Ok(written.to_owned()) } else { Err(format!("{written:?} is not a region")) }
}

fn account(written: &str) -> Result<String, String> {
    let valid = written.len() == 12 && written.bytes().all(|b| b.is_ascii_digit());
    if valid { Ok(written.to_owned()) } else { Err(format!("{written:?} is not 12 digits")) }
}

fn queue_cooldown(written: &str) -> Result<Duration, String> {
    let cooldown = written.parse().ok().map(Duration::from_secs);
    cooldown.filter(|cooldown| *cooldown <= QUEUE_COOLDOWN_MAX).ok_or_else(|| {
        format!("{written:?} is not a number of seconds up to {}", QUEUE_COOLDOWN_MAX.as_secs())
    })
}

fn shutdown_grace(written: &str) -> Result<Duration, String> {
    let grace = written.parse().ok().map(Duration::from_secs);
    grace.filter(|grace| *grace <= SHUTDOWN_GRACE_MAX).ok_or_else(|| {
        format!("{written:?} is not a number of seconds up to {}", SHUTDOWN_GRACE_MAX.as_secs())
    })
}

fn max_hops(written: &str) -> Result<u32, String> {
    let hops = written.parse().ok().filter(|hops| *hops <= MAX_HOPS_MAX);
    hops.ok_or_else(|| format!("{written:?} is not a number up to {MAX_HOPS_MAX}"))
}

/// The password of the admin page; it is not repeated.
fn admin_password(written: Secret) -> Result<Secret, ConfigError> {
    if written.reveal().chars().count() < ADMIN_PASSWORD_CHARACTERS_MIN {
        let why = format_args!(
            "a password has at least {ADMIN_PASSWORD_CHARACTERS_MIN} characters; openssl rand \
             -base64 18 makes one"
        );
        return Err(ConfigError::value("admin-password", why));
    }
    Ok(written)
}

/// Access keys; no text of theirs but their ids is repeated.
fn keys(written: &[Secret]) -> Result<Vec<KeySpec>, ConfigError> {
    let mut specs: Vec<KeySpec> = Vec::new();
    for written in written {
        let spec = KeySpec::parse(written).map_err(|why| ConfigError::value("key", why))?;
        if specs.iter().any(|other| other.id == spec.id) {
            let why = format_args!("{}: there is another key of that id", spec.id);
            return Err(ConfigError::value("key", why));
        }
        specs.push(spec);
    }
    Ok(specs)
}

/// Endpoint tokens; none is repeated.
fn tokens(written: &[Secret]) -> Result<Vec<TokenSpec>, ConfigError> {
    let mut specs: Vec<TokenSpec> = Vec::new();
    for (number, written) in (1..).zip(written) {
        let refused =
            |why: &str| ConfigError::value("token", format_args!("number {number}: {why}"));
        let spec = TokenSpec::parse(written).map_err(|why| refused(&why))?;
        if specs.iter().any(|other| other.is_same_as(&spec)) {
            return Err(refused("the token is there already"));
        }
        specs.push(spec);
    }
    Ok(specs)
}

/// `http://` or `https://` and a host; the slash at the end goes, so that paths can be put on.
fn web_address(written: &str) -> Result<String, String> {
    let address = written.trim_end_matches('/');
    let uri: Option<hyper::Uri> = address.parse().ok();
    match uri {
        Some(uri)
            if matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(has_host_and_a_port_if_any)
                && uri.query().is_none() =>
        {
            Ok(address.to_owned())
        }
        _ => Err(format!("{written:?} is not a URL such as http://127.0.0.1:9324")),
    }
}

/// What stands after a host's colon must be a port: one above 65,535 would count as none.
fn has_host_and_a_port_if_any(authority: &hyper::http::uri::Authority) -> bool {
    let (text, host) = (authority.as_str(), authority.host());
    !host.is_empty() && (authority.port_u16().is_some() || text.ends_with(host))
}

/// Whether AWS's SDK would find credentials, without asking any address for them.
fn has_aws_credentials(environment: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let named = [
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    named.iter().any(|name| set(name).is_some())
        || set("AWS_SHARED_CREDENTIALS_FILE")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| Path::new(&home).join(".aws/credentials")))
            .is_some_and(|file| file.is_file())
}

fn sync_interval(written: Option<&str>, aws: bool) -> Result<Option<Duration>, ConfigError> {
    let Some(written) = written else {
        return Ok(aws.then_some(SYNC_INTERVAL_DEFAULT));
    };
    if written == "off" {
        return Ok(None);
    }
    let interval = written.parse().ok().map(Duration::from_secs);
    match interval {
        Some(interval) if (SYNC_INTERVAL_MIN..=SYNC_INTERVAL_MAX).contains(&interval) => {
            Ok(Some(interval))
        }
        _ => Err(ConfigError::value(
            "sync-interval",
            format_args!(
                "{written:?} is neither \"off\" nor {} to {} seconds",
                SYNC_INTERVAL_MIN.as_secs(),
                SYNC_INTERVAL_MAX.as_secs()
            ),
        )),
    }
}

fn sync_attributes(written: &str) -> Result<SyncAttributes, String> {
    match written {
        "once" => Ok(SyncAttributes::Once),
        "always" => Ok(SyncAttributes::Always),
        "never" => Ok(SyncAttributes::Never),
        _ => Err(format!("{written:?} is neither \"once\" nor \"always\" nor \"never\"")),
    }
}

fn keep_payloads(written: &str) -> Result<KeepPayloads, String> {
    match written {
        "none" => Ok(KeepPayloads::None),
        "failed" => Ok(KeepPayloads::Failed),
        "all" => Ok(KeepPayloads::All),
        _ => Err(format!("{written:?} is neither \"none\" nor \"failed\" nor \"all\"")),
    }
}

fn log_format(written: &str) -> Result<LogFormat, String> {
    match written {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{written:?} is neither \"text\" nor \"json\"")),
    }
}

#[cfg(test)]
mod tests;
