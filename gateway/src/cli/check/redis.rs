//! The Redis karin would use, or start.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Finding, Level};
use crate::{
    cli::place, config::Config, data_dir::DataDir, embedded::is_program, queues::ServerInfo,
    run::module,
};

const SUBJECT: &str = "redis";
/// The first Redis whose modules can do what karin's does.
const MAJOR_VERSION_MIN: u32 = 7;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    match &config.redis_url {
        Some(_) => vec![],
        None => own(config),
    }
    .into_iter()
    .chain(running(config).await)
    .collect()
}

/// What karin's own Redis needs.
fn own(config: &Config) -> Vec<Finding> {
    vec![server(&config.redis_server), module_file(config), data_dir(&config.data_dir)]
}

fn server(program: &Path) -> Finding {
    let subject = "redis-server";
    let shown = program.display();
    if !is_program(program) {
        let text = format!(
            "{shown} is not installed; install it (apt-get install redis-server), name it with \
             --redis-server, or give a running Redis with --redis-url"
        );
        return Finding::new(Level::Problem, subject, text);
    }
    let output = match Command::new(program).arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => return Finding::new(Level::Problem, subject, format!("{shown}: {error}")),
    };
    let Some(version) = output.split_whitespace().find_map(|word| word.strip_prefix("v=")) else {
        return Finding::new(Level::Problem, subject, format!("{shown} says no version"));
    };
    let text = format!("{shown}, version {version}");
    Finding::new(level_of_version(version), subject, text)
}

fn level_of_version(version: &str) -> Level {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= MAJOR_VERSION_MIN) { Level::Ok } else { Level::Problem }
}

fn module_file(config: &Config) -> Finding {
    let path = std::env::current_exe().map(|karin| module(config, &karin));
    let path = path.unwrap_or_else(|_| PathBuf::new());
    let shown = path.display();
    let problem = match path.metadata() {
        Ok(file) if file.is_file() && file.permissions().mode() & 0o111 == 0 => {
            format!("{shown} is not executable, and Redis loads no such module; chmod +x it")
        }
        Ok(file) if file.is_file() => {
            return Finding::new(Level::Ok, "module", shown.to_string());
        }
        _ => format!("there is no file {shown}; name it with --module"),
    };
    Finding::new(Level::Problem, "module", problem)
}

fn data_dir(path: &Path) -> Finding {
    let subject = "data directory";
    let shown = path.display();
    // The nearest that exists says whether it can be made.
    let existing = path.ancestors().map(|p| if p == Path::new("") { Path::new(".") } else { p });
    let Some(existing) = existing.into_iter().find(|p| p.exists()) else {
        return Finding::new(Level::Problem, subject, format!("{shown} cannot be made"));
    };
    if !existing.is_dir() {
        let text = format!("{} is not a directory", existing.display());
        return Finding::new(Level::Problem, subject, text);
    }
    if let Some(holder) = DataDir::holder(path) {
        let text = format!("{shown} is in use by the karin that runs (process {holder})");
        return Finding::new(Level::Warning, subject, text);
    }
    match rustix::fs::access(existing, rustix::fs::Access::WRITE_OK) {
        Ok(()) if existing == path => Finding::new(Level::Ok, subject, shown.to_string()),
        Ok(()) => Finding::new(Level::Ok, subject, format!("{shown}, which will be made")),
        Err(error) => {
            let text = format!("{} cannot be written: {error}", existing.display());
            Finding::new(Level::Problem, subject, text)
        }
    }
}

/// The Redis that runs. Without a URL there need not be one.
async fn running(config: &Config) -> Vec<Finding> {
    let is_own = config.redis_url.is_none();
    let queues = match place::connect(config).await {
        Ok(queues) => queues,
        // None runs, or what an earlier one left.
        Err(_) if is_own => return vec![],
        Err(error) => return vec![Finding::new(Level::Problem, SUBJECT, error.to_string())],
    };
    // A user that may not ask learns nothing.
    let info = queues.server_info().await.unwrap_or_default();
    let version = info.text("redis_version");
    let target = config.redis_url.as_ref().map_or_else(
        || format!("that of the karin that runs on {}", config.data_dir.display()),
        ToString::to_string,
    );
    let level = version.map_or(Level::Ok, level_of_version);
    let version = version.unwrap_or("unknown");
    let reached = Finding::new(level, SUBJECT, format!("{target} answers, version {version}"));
    std::iter::once(reached).chain(settings(&info)).collect()
}

/// What people should know of how it is set up.
fn settings(info: &ServerInfo) -> Vec<Finding> {
    let mut findings = vec![version_of_module(info)];
    let mut add = |level, text: &str| findings.push(Finding::new(level, SUBJECT, text));
    match info.text("maxmemory_policy") {
        Some(policy) if policy.starts_with("allkeys") => add(
            Level::Warning,
            &format!(
                "{policy}: it deletes keys, and so whole queues, when its memory is full; run \
                 CONFIG SET maxmemory-policy noeviction"
            ),
        ),
        Some(policy) => add(Level::Ok, &format!("when memory runs out: {policy}")),
        None => add(Level::Ok, "this user may not ask how it is set up"),
    }
    match info.number("aof_enabled") {
        Some(0) => add(Level::Warning, "appendonly is off: a crash loses messages"),
        Some(_) => add(Level::Ok, "messages outlive it (appendonly)"),
        None => {}
    }
    if info.text("role") == Some("slave") {
        add(Level::Problem, "it is a replica, which takes no messages");
    }
    findings
}

fn version_of_module(info: &ServerInfo) -> Finding {
    let Some(theirs) = info.module_version() else {
        return Finding::new(Level::Ok, "module", "loaded");
    };
    let ours = env!("CARGO_PKG_VERSION");
    if theirs == ours {
        return Finding::new(Level::Ok, "module", format!("loaded, version {theirs}"));
    }
    let text = format!("loaded, version {theirs}; this karin is {ours}");
    Finding::new(Level::Warning, "module", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_6_is_too_old() {
        assert_eq!(level_of_version("6.2.14"), Level::Problem);
        assert_eq!(level_of_version("7.0.15"), Level::Ok);
        assert_eq!(level_of_version("10.1.0"), Level::Ok);
    }

    #[test]
    fn a_module_of_another_version_is_told() {
        let of = |info| version_of_module(&ServerInfo::parse(info));
        let other = of("module:name=karin,ver=90807,api=1\r\n");
        assert_eq!(other.level, Level::Warning);
        assert!(other.text.contains("9.8.7"));
        assert_eq!(of("").level, Level::Ok);
    }
}
