//! The `karin` binary: reads what it was told, and runs.

use std::{fs::File, io::IsTerminal as _, os::fd::AsFd as _, process::ExitCode};

use karin_gateway::{
    config::{Config, ConfigError},
    exec, lambda, try_filter,
};
use tracing_subscriber::EnvFilter;

/// What a wrong command line or configuration ends with, as clap has it.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(name) if name == exec::EXEC_SUBCOMMAND => return exec::run(arguments),
        Some(name) if name == lambda::REAPER_SUBCOMMAND => {
            // Not Rust's own standard input: what that keeps in its buffer nobody can wait for.
            return match std::io::stdin().as_fd().try_clone_to_owned() {
                Ok(pipe) => {
                    lambda::run_reaper(File::from(pipe));
                    ExitCode::SUCCESS
                }
                Err(error) => failure(&error),
            };
        }
        Some(name) if name == try_filter::TRY_FILTER_SUBCOMMAND => {
            return try_filter::run(arguments);
        }
        _ => {}
    }
    let config = match Config::load(std::env::args_os()) {
        Ok(config) => config,
        Err(ConfigError::Usage(error)) => error.exit(),
        Err(error @ ConfigError::Value(_)) => return usage(&error),
    };
    let filter = match EnvFilter::try_new(&config.log) {
        Ok(filter) => filter,
        Err(error) => return usage(&format_args!("--log: {error}")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    // As a task, so that all children are started by workers, which live as long as karin.
    match runtime.block_on(async { tokio::spawn(karin_gateway::run(config)).await }) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failure(&error),
        Err(error) => failure(&error),
    }
}

fn usage(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::from(EXIT_USAGE)
}

fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::FAILURE
}
