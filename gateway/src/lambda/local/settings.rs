//! What a local function is: the command line's word first, then `function.toml` in its directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::config::FunctionSpec;
use crate::config::specs::{
    CONCURRENCY_MAX, FUNCTION_IDLE_SECONDS_MAX, FUNCTION_MEMORY_MEGABYTES,
    FUNCTION_TIMEOUT_DEFAULT, FUNCTION_TIMEOUT_SECONDS_MAX,
};
use crate::identity::Identity;
use crate::lambda::local::changes::Fingerprint;

/// The program of a function whose command nobody gives.
pub(super) const BOOTSTRAP: &str = "bootstrap";
/// The file in which a function says how it is run.
pub(super) const SETTINGS_FILE: &str = "function.toml";
/// A larger one is no settings.
const SETTINGS_BYTES_MAX: u64 = 65_536;
/// The memory Lambda gives unless told otherwise, megabytes; here a word only.
const MEMORY_MEGABYTES_DEFAULT: u32 = 128;
/// How long a process may wait for its next event unless told otherwise.
const IDLE_DEFAULT: Duration = Duration::from_mins(10);
/// Fewest processes a function may have, however few processors there are.
const PROCESSES_MIN: u32 = 2;

/// What all local functions share.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) identity: Identity,
    /// Our own URL, for the functions' SDKs.
    pub(super) endpoint: String,
    /// The karin binary, for its internal subcommands.
    pub(super) karin: Option<PathBuf>,
}

/// How a function is run, as it was read at one moment.
#[derive(Debug)]
pub(super) struct LocalSpec {
    pub(super) name: Arc<str>,
    pub(super) directory: PathBuf,
    pub(super) command: Option<String>,
    pub(super) timeout: Duration,
    pub(super) processes: u32,
    /// Enforced if somebody gave it, megabytes.
    pub(super) memory: Option<u32>,
    pub(super) idle: Duration,
    /// Variables of its own.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) host: Arc<Host>,
    /// The files it was read from, and its code.
    pub(super) files: Fingerprint,
    /// What is wrong with `function.toml`.
    complaint: Option<String>,
}

/// `function.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    command: Option<String>,
    timeout: Option<u64>,
    concurrency: Option<u32>,
    memory: Option<u32>,
    idle: Option<u64>,
    environment: BTreeMap<String, String>,
}

impl LocalSpec {
    /// Reads the function's directory.
    pub(super) fn read(given: &FunctionSpec, host: &Arc<Host>) -> Self {
        let directory =
            std::path::absolute(&given.directory).unwrap_or_else(|_| given.directory.clone());
        let files = Fingerprint::of(&directory);
        let (settings, complaint) = match Settings::read(&directory.join(SETTINGS_FILE)) {
            Ok(settings) => (settings, None),
            Err(why) => {
                let file = directory.join(SETTINGS_FILE);
                (Settings::default(), Some(format!("{}: {why}", file.display())))
            }
        };
        let processes = given.concurrency.or(settings.concurrency);
        let timeout = given.timeout.or(settings.timeout.map(Duration::from_secs));
        let idle = given.idle.or(settings.idle.map(Duration::from_secs));
        Self {
            name: given.name.as_str().into(),
            directory,
            command: given.command.clone().or(settings.command),
            timeout: timeout.unwrap_or(FUNCTION_TIMEOUT_DEFAULT),
            processes: processes.unwrap_or_else(processes_default).max(1),
            memory: given.memory.or(settings.memory),
            idle: idle.unwrap_or(IDLE_DEFAULT),
            environment: settings.environment,
            host: Arc::clone(host),
            files,
            complaint,
        }
    }

    pub(super) fn arn(&self) -> String {
        let (region, account) = (self.host.identity.region(), self.host.identity.account());
        format!("arn:aws:lambda:{region}:{account}:function:{}", self.name)
    }

    /// What the function is told of its memory.
    pub(super) fn memory_megabytes(&self) -> u32 {
        self.memory.unwrap_or(MEMORY_MEGABYTES_DEFAULT)
    }

    /// Why the function cannot be started at all, if that can be seen.
    pub(super) fn problem(&self) -> Option<String> {
        if !self.directory.is_dir() {
            return Some(format!("{} is no directory", self.directory.display()));
        }
        if let Some(complaint) = &self.complaint {
            return Some(complaint.clone());
        }
        if self.command.is_some() {
            return None;
        }
        let bootstrap = self.directory.join(BOOTSTRAP);
        let shown = bootstrap.display();
        match bootstrap.metadata() {
            Err(_) => Some(format!(
                "{shown} does not exist, and neither {SETTINGS_FILE} nor karin's command line \
                 gives a command"
            )),
            Ok(file) if !file.is_file() => Some(format!("{shown} is no file")),
            Ok(file) if !is_executable(&file) => Some(format!("{shown} is not executable")),
            Ok(_) => None,
        }
    }
}

fn is_executable(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o111 != 0
}

fn processes_default() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors).unwrap_or(u32::MAX).max(PROCESSES_MIN)
}

impl Settings {
    /// Nothing if there is no file. Errors: one line for people.
    fn read(file: &Path) -> Result<Self, String> {
        use std::io::Read;
        let opened = match std::fs::File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error.to_string()),
        };
        let mut text = String::new();
        let read = opened.take(SETTINGS_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|error| error.to_string())?;
        if u64::try_from(text.len()).is_ok_and(|length| length > SETTINGS_BYTES_MAX) {
            return Err(format!("it is larger than {SETTINGS_BYTES_MAX} bytes"));
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = crate::config::parse_toml(text)?;
        if settings.command.as_deref().is_some_and(|command| command.trim().is_empty()) {
            return Err("the command is empty".into());
        }
        let within =
            |name: &str, value: Option<u64>, range: std::ops::RangeInclusive<u64>| match value
                .filter(|value| !range.contains(value))
            {
                Some(value) => {
                    let (least, most) = (range.start(), range.end());
                    Err(format!("{name} = {value} is not from {least} to {most}"))
                }
                None => Ok(()),
            };
        let memory = FUNCTION_MEMORY_MEGABYTES;
        within("timeout", settings.timeout, 1..=FUNCTION_TIMEOUT_SECONDS_MAX)?;
        within("concurrency", settings.concurrency.map(u64::from), 1..=CONCURRENCY_MAX.into())?;
        within(
            "memory",
            settings.memory.map(u64::from),
            u64::from(*memory.start())..=u64::from(*memory.end()),
        )?;
        within("idle", settings.idle, 1..=FUNCTION_IDLE_SECONDS_MAX)?;
        for (name, value) in &settings.environment {
            if !is_variable(name) || value.contains('\0') {
                return Err(format!("environment: {name:?} cannot be a variable"));
            }
            if is_lambdas_own(name) {
                return Err(format!("environment: {name} is set by karin, as by Lambda"));
            }
        }
        Ok(settings)
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What a function cannot choose. Credentials, the region and endpoints it can, unlike on Lambda:
/// it may have business with other services.
fn is_lambdas_own(name: &str) -> bool {
    name == "_HANDLER" || name.starts_with("AWS_LAMBDA_") || name.starts_with("LAMBDA_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_whole() {
        let text = "command = 'python3 -m awslambdaric app.handler'\ntimeout = 7\nmemory = 256\n\
                    concurrency = 3\nidle = 60\n[environment]\nTABLE = 'orders'\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.command.as_deref(), Some("python3 -m awslambdaric app.handler"));
        assert_eq!((settings.timeout, settings.memory), (Some(7), Some(256)));
        assert_eq!((settings.concurrency, settings.idle), (Some(3), Some(60)));
        assert_eq!(settings.environment["TABLE"], "orders");
    }

    #[test]
    fn bad_settings_are_told_in_one_line() {
        for (text, words) in [
            ("timeout = 0", "timeout = 0 is not from 1 to 900"),
            ("timeout = '5'", "line 1: "),
            ("\nmemery = 128", "line 2: "),
            ("memory = 64", "from 128 to 10240"),
            ("concurrency = 1001", "from 1 to 1000"),
            ("idle = 0", "idle = 0"),
            ("command = ' '", "command is empty"),
            ("environment = { '1A' = '' }", "cannot be a variable"),
            ("environment = { A = \"\\u0000\" }", "cannot be a variable"),
            ("environment = { AWS_LAMBDA_RUNTIME_API = 'x' }", "set by karin"),
            ("environment = { _HANDLER = 'x' }", "set by karin"),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.contains(words) && !error.contains('\n'), "{text}: {error}");
        }
        assert!(Settings::parse("environment = { AWS_ACCESS_KEY_ID = 'x' }").is_ok());
    }
}
