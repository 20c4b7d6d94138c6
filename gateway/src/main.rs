//! The `karin` binary: reads what it was told, and runs.

use std::{fs::File, os::fd::AsFd as _, process::ExitCode};

use karin_gateway::{
    config::{Config, ConfigError, LogFormat},
    exec, lambda, logging, try_filter,
};

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
    if let Err(error) = logging::start(&config) {
        return usage(&format_args!("--log: {error}"));
    }
    let is_json = config.log_format == LogFormat::Json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    // As a task, so that all children are started by workers, which live as long as karin.
    match runtime.block_on(async { tokio::spawn(karin_gateway::run(config)).await }) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => ended(&error, is_json),
        Err(error) => ended(&error, is_json),
    }
}

/// Why karin ended, in the way of its log.
fn ended(error: &dyn std::fmt::Display, is_json: bool) -> ExitCode {
    if !is_json {
        return failure(error);
    }
    tracing::error!(%error, "karin ended");
    ExitCode::FAILURE
}

fn usage(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::from(EXIT_USAGE)
}

fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::FAILURE
}
