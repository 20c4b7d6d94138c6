//! The commands karin gives itself. They stand in no help, and are not part of the tree: that reads
//! the environment, which for these is somebody else's.

use std::{ffi::OsString, fs::File, os::fd::AsFd as _, process::ExitCode};

use crate::{exec, lambda};

/// Runs one of them, if that is what the arguments say.
pub(super) fn run(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let name = arguments.next()?;
    if name == exec::EXEC_SUBCOMMAND {
        return Some(exec::run(arguments));
    }
    (name == lambda::REAPER_SUBCOMMAND).then(reap)
}

fn reap() -> ExitCode {
    // Not Rust's own standard input: what that keeps in its buffer nobody can wait for.
    match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(pipe) => {
            lambda::run_reaper(File::from(pipe));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("karin: {error}");
            ExitCode::FAILURE
        }
    }
}
