//! The command line: one tree of commands. Without a command karin runs; the others look at a
//! karin that runs, or at what one would run with.

mod check;
mod colours;
mod health;
mod internal;
mod papers;
mod place;
pub(crate) mod shown;
mod states;
mod status;
mod table;
mod tail;
mod try_filter;

use std::{ffi::OsString, io, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};

use crate::{
    config::{Config, ConfigError, Options},
    queues::{ConnectError, QueueError, QueueName},
    version::VERSION,
};

/// What a wrong command line or configuration ends with, as clap has it.
const EXIT_USAGE: u8 = 2;

/// What there is to do.
#[derive(Debug)]
pub enum Task {
    /// Run karin.
    Serve(Box<Config>),
    /// Nothing any more.
    Done(ExitCode),
}

#[derive(Debug, clap::Parser)]
#[command(name = "karin", version = VERSION.as_str())]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what is wrong with the configuration and with what karin needs, and start nothing
    Check(Box<check::Arguments>),
    /// Show the queues and the mappings of a karin that runs
    Status(status::Arguments),
    /// Follow what happens to queues and mappings, one line per change
    Tail(tail::Arguments),
    /// Show which messages of a queue filters would let through
    TryFilter(try_filter::Arguments),
    /// Ask a karin that runs whether it is ready
    Health(health::Arguments),
    /// Print the completions for a shell
    Completions(papers::Completions),
    /// Print the manual page, or write that of each command
    Man(papers::Man),
}

/// Why a command ended without having done what it should.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// What was given makes no sense.
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Redis(#[from] ConnectError),
    #[error("{queue}: {why}")]
    Queue { queue: QueueName, why: QueueError },
    #[error(transparent)]
    System(#[from] io::Error),
}

impl CliError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Wrong(_) | Self::Config(_) => ExitCode::from(EXIT_USAGE),
            // Whoever read it has seen enough.
            Self::System(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}

/// Reads the command line (program name first) and does what it says, but for running karin.
pub fn begin(arguments: Vec<OsString>) -> Task {
    if let Some(code) = internal::run(arguments.iter().skip(1).cloned()) {
        return Task::Done(code);
    }
    let Cli { options, command } = match Cli::try_parse_from(arguments) {
        Ok(given) => given,
        Err(error) => error.exit(),
    };
    let Some(command) = command else {
        return match Config::load(options) {
            Ok(config) => Task::Serve(Box::new(config)),
            Err(error) => Task::Done(ended(Err(error.into()))),
        };
    };
    Task::Done(ended(run(command, options)))
}

fn run(command: Command, options: Options) -> Result<ExitCode, CliError> {
    match command {
        Command::Check(arguments) => check::run(*arguments, options),
        Command::Status(arguments) => status::run(arguments, options),
        Command::Tail(arguments) => tail::run(arguments, options),
        Command::TryFilter(arguments) => try_filter::run(arguments, options),
        Command::Health(arguments) => health::run(arguments, options),
        Command::Completions(arguments) => papers::completions(arguments, Cli::command()),
        Command::Man(arguments) => papers::man(arguments, Cli::command()),
    }
}

fn ended(result: Result<ExitCode, CliError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let code = error.exit_code();
        if code != ExitCode::SUCCESS {
            eprintln!("karin: {error}");
        }
        code
    })
}

/// Says why the configuration cannot be used; the code to end with.
pub fn usage(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("karin: {error}");
    ExitCode::from(EXIT_USAGE)
}

/// A runtime for a command that only looks.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
