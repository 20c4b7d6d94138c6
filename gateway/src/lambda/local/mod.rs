//! Functions that run on this machine, as processes that speak the Lambda Runtime API.
//!
//! A process takes one event at a time; concurrency is processes. They start when an event needs
//! one, stay for the next, and are killed with their whole group when they fail, time out, or the
//! gateway stops.

mod background;
mod call;
mod environment;
mod pool;
mod process;
mod reaper;
mod runtime_api;

pub(super) use call::{ClientContext, LocalAnswer, LocalCall};
pub(super) use pool::LocalFunction;
pub use reaper::{REAPER_SUBCOMMAND, run as run_reaper};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::FunctionSpec;
use crate::identity::Identity;
use crate::lambda::local::reaper::Reaper;

/// Fewest processes a function may have, however few processors there are.
const PROCESSES_MIN: u32 = 2;

/// What a local function is.
#[derive(Debug)]
pub(super) struct LocalSpec {
    name: Arc<str>,
    directory: PathBuf,
    command: Option<String>,
    timeout: Duration,
    processes: u32,
    identity: Identity,
    /// Our own URL, for the function's SDKs.
    endpoint: String,
    /// The karin binary, for its internal subcommands.
    karin: Option<PathBuf>,
}

impl LocalSpec {
    fn arn(&self) -> String {
        let (region, account) = (self.identity.region(), self.identity.account());
        format!("arn:aws:lambda:{region}:{account}:function:{}", self.name)
    }

    /// Why the function cannot be started at all, if that can be seen.
    fn problem(&self) -> Option<String> {
        if !self.directory.is_dir() {
            return Some(format!("{} is no directory", self.directory.display()));
        }
        let bootstrap = self.directory.join("bootstrap");
        if self.command.is_some() || is_executable(&bootstrap) {
            return None;
        }
        Some(format!("{} is no program (is it executable?)", bootstrap.display()))
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// All local functions.
#[derive(Debug)]
pub(super) struct LocalFunctions(Vec<LocalFunction>);

impl LocalFunctions {
    /// The functions of the configuration; `endpoint` is our own URL, `karin` the binary whose
    /// internal subcommands see to it that nothing outlives us (`None`: they are not used).
    pub(super) fn new(
        specs: &[FunctionSpec],
        identity: &Identity,
        endpoint: &str,
        karin: Option<&Path>,
    ) -> Self {
        if specs.is_empty() {
            return Self(Vec::new());
        }
        let reaper = Reaper::start(karin);
        let functions = specs.iter().map(|spec| {
            let spec = LocalSpec {
                name: spec.name.as_str().into(),
                directory: std::path::absolute(&spec.directory)
                    .unwrap_or_else(|_| spec.directory.clone()),
                command: spec.command.clone(),
                timeout: spec.timeout,
                processes: spec.concurrency.unwrap_or_else(processes_default).max(1),
                identity: identity.clone(),
                endpoint: endpoint.to_owned(),
                karin: karin.map(Path::to_path_buf),
            };
            LocalFunction::new(spec, reaper.clone())
        });
        Self(functions.collect())
    }

    /// The function of this name.
    pub(super) fn get(&self, name: &str) -> Option<LocalFunction> {
        self.0.iter().find(|function| function.name() == name).cloned()
    }

    /// All functions, by name.
    pub(super) fn all(&self) -> Vec<LocalFunction> {
        let mut all = self.0.clone();
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// Kills all processes; nothing starts any more.
    pub(super) fn stop(&self) {
        self.0.iter().for_each(LocalFunction::stop);
    }
}

fn processes_default() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors).unwrap_or(u32::MAX).max(PROCESSES_MIN)
}

#[cfg(test)]
mod tests;
