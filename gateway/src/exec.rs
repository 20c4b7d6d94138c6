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

use rustix::process::Signal;

/// The name of the subcommand.
pub const EXEC_SUBCOMMAND: &str = "internal-exec";
/// What shells answer for a program that cannot be run.
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

/// Runs the subcommand with what follows its name. Returns only if it failed.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some((parent, signal, program, rest)) = parse(arguments) else {
        eprintln!("usage: karin internal-exec --parent PID --signal TERM|KILL -- PROGRAM ...");
        return ExitCode::from(CANNOT_RUN);
    };
    if !bind_to_parent(parent, signal) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(rest).exec();
    eprintln!("{}: {error}", Path::new(&program).display());
    ExitCode::from(CANNOT_RUN)
}

fn parse(
    mut arguments: impl Iterator<Item = OsString>,
) -> Option<(u32, Signal, OsString, Vec<OsString>)> {
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
    if arguments.next()? != "--" {
        return None;
    }
    Some((parent, signal, arguments.next()?, arguments.collect()))
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

    fn parsed(text: &str) -> Option<(u32, Signal, OsString, Vec<OsString>)> {
        parse(text.split(' ').map(OsString::from))
    }

    #[test]
    fn everything_after_the_dashes_is_the_program_and_its_arguments() {
        let (parent, signal, program, rest) =
            parsed("--parent 7 --signal TERM -- sh -c --parent").unwrap();
        assert_eq!((parent, signal, program), (7, Signal::TERM, "sh".into()));
        assert_eq!(rest, ["-c", "--parent"]);
    }

    #[test]
    fn half_a_command_line_is_refused() {
        for bad in ["", "--parent 7 --signal TERM", "--parent 7 --signal HUP -- sh", "-- sh"] {
            assert!(parsed(bad).is_none(), "{bad}");
        }
    }
}
