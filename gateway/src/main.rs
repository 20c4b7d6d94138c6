//! The `karin` binary: reads what it was told, and runs.

use std::{io::IsTerminal as _, process::ExitCode};

use karin_gateway::cli::{self, Task};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = match cli::begin(std::env::args_os().collect()) {
        Task::Serve(config) => config,
        Task::Done(code) => return code,
    };
    let filter = match EnvFilter::try_new(&config.log) {
        Ok(filter) => filter,
        Err(error) => return cli::usage(&format_args!("--log: {error}")),
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
    match runtime.block_on(async { tokio::spawn(karin_gateway::run(*config)).await }) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failure(&error),
        Err(error) => failure(&error),
    }
}

fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::FAILURE
}
