//! The `karin` binary: reads what it was told, and runs.

use std::process::ExitCode;

use karin_gateway::cli::{self, Task};
use karin_gateway::config::LogFormat;
use karin_gateway::logging;

fn main() -> ExitCode {
    let config = match cli::begin(std::env::args_os().collect()) {
        Task::Serve(config) => config,
        Task::Done(code) => return code,
    };
    if let Err(error) = logging::start(&config) {
        return cli::usage(&format_args!("--log: {error}"));
    }
    let is_json = config.log_format == LogFormat::Json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    // As a task, so that all children are started by workers, which live as long as karin.
    match runtime.block_on(async { tokio::spawn(karin_gateway::run(*config)).await }) {
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

fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::FAILURE
}
