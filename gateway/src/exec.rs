//! Children that do not outlive karin: the hidden subcommand `karin internal-exec`.
//!
//! The kernel's "signal me when my parent dies" can only be asked for by the child itself, between
//! fork and exec, where Rust runs no code without `unsafe`. So karin starts itself, asks, makes
//! sure that the parent has not died meanwhile, and becomes the program.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

/// The name of the subcommand.
pub const EXEC_SUBCOMMAND: &str = "internal-exec";
/// What shells answer for a program that is there and cannot be executed.
pub(crate) const CANNOT_EXECUTE: i32 = 126;
/// What shells answer for a program that is not there, and we for any that cannot be run.
pub(crate) const NOT_FOUND: i32 = 127;
const CANNOT_RUN: u8 = 127;

/// A command that runs `program` by way of `karin` and gets `signal` (`TERM` or `KILL`) when the
/// thread that started it ends: start it from one that lives as long as karin, such as a worker
/// of the runtime.
pub fn command(karin: &Path, signal: &str, program: &Path) -> Command {
    let mut command = Command::new(karin);
    command.arg(EXEC_SUBCOMMAND);
    command.args(["--parent", &std::process::id().to_string(), "--signal", signal, "--"]);
    command.arg(program);
    command
}

/// As [`command`], with at most so many megabytes of memory for the program and each of its
/// children.
///
/// The limit is RLIMIT_DATA: what is allocated and can be written. The address space is no measure,
/// for Node.js reserves 0.7 GB of it at once; nor does every machine let us make control groups.
pub fn command_with_memory(
    karin: &Path,
    signal: &str,
    megabytes: Option<u32>,
    program: &Path,
) -> Command {
    let Some(megabytes) = megabytes else { return command(karin, signal, program) };
    let mut command = Command::new(karin);
    command.arg(EXEC_SUBCOMMAND);
    command.args(["--parent", &std::process::id().to_string(), "--signal", signal]);
    command.args(["--memory", &megabytes.to_string(), "--"]).arg(program);
    command
}

/// Runs the subcommand with what follows its name. Returns only if it failed.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(Task { parent, signal, megabytes, program, rest }) = parse(arguments) else {
        eprintln!(
            "usage: karin internal-exec --parent PID --signal TERM|KILL [--memory MEGABYTES] \
             -- PROGRAM ..."
        );
        return ExitCode::from(CANNOT_RUN);
    };
    if !bind_to_parent(parent, signal) {
        return ExitCode::FAILURE;
    }
    if let Some(megabytes) = megabytes {
        limit_memory(megabytes);
    }
    let error = Command::new(&program).args(rest).exec();
    eprintln!("{}: {error}", Path::new(&program).display());
    ExitCode::from(CANNOT_RUN)
}

fn limit_memory(megabytes: u32) {
    let bytes = Some(u64::from(megabytes) * 1_048_576);
    if let Err(error) = setrlimit(Resource::Data, Rlimit { current: bytes, maximum: bytes }) {
        eprintln!("the memory is not limited: {error}");
    }
}

/// What the subcommand is to do.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    parent: u32,
    signal: Signal,
    megabytes: Option<u32>,
    program: OsString,
    rest: Vec<OsString>,
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Task> {
    let mut after = |name: &str| {
        let found = arguments.next()? == name;
        if found { arguments.next()?.into_string().ok() } else { None }
    };
    let parent = after("--parent")?.parse().ok()?;
    let signal = match after("--signal")?.as_str() {
        "TERM" => Signal::TERM,
        "KILL" => Signal::KILL,
        _ => return None,
    };
    let mut dashes = arguments.next()?;
    let mut megabytes = None;
    if dashes == "--memory" {
        megabytes = Some(arguments.next()?.into_string().ok()?.parse().ok()?);
        dashes = arguments.next()?;
    }
    if dashes != "--" {
        return None;
    }
    Some(Task { parent, signal, megabytes, program: arguments.next()?, rest: arguments.collect() })
}

/// False if the parent is gone already.
#[cfg(target_os = "linux")]
fn bind_to_parent(parent: u32, signal: Signal) -> bool {
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(signal)) {
        eprintln!("the death of karin will go unnoticed: {error}");
    }
    // A parent that died before the call above will not be told of any more.
    let real = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
    real.and_then(|pid| u32::try_from(pid.get()).ok()) == Some(parent)
}

/// Elsewhere there is no such signal; a child may outlive a killed karin. Untested.
#[cfg(not(target_os = "linux"))]
fn bind_to_parent(_parent: u32, _signal: Signal) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Task> {
        parse(text.split(' ').map(OsString::from))
    }

    #[test]
    fn everything_after_the_dashes_is_the_program_and_its_arguments() {
        let mut task = Task {
            parent: 7,
            signal: Signal::TERM,
            megabytes: None,
            program: "sh".into(),
            rest: vec!["-c".into(), "--memory".into()],
        };
        assert_eq!(parsed("--parent 7 --signal TERM -- sh -c --memory").as_ref(), Some(&task));
        task.megabytes = Some(128);
        let limited = "--parent 7 --signal TERM --memory 128 -- sh -c --memory";
        assert_eq!(parsed(limited), Some(task));
    }

    #[test]
    fn half_a_command_line_is_refused() {
        for bad in [
            "--parent 7 --signal TERM --memory x -- sh",
            "",
            "--parent 7 --signal TERM",
            "--parent 7 --signal HUP -- sh",
            "-- sh",
        ] {
            assert!(parsed(bad).is_none(), "{bad}");
        }
    }
}
