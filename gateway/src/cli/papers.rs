//! `karin completions` and `karin man`: made of the tree itself, so that they cannot be outdated.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Command;

use super::CliError;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example, for bash: source <(karin completions bash)")]
pub(super) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: karin man | man -l -")]
pub(super) struct Man {
    /// Write the pages of karin and of each command into this directory instead
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn completions(
    Completions { shell }: Completions,
    mut tree: Command,
) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree, "karin", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(arguments: Man, tree: Command) -> Result<ExitCode, CliError> {
    if let Some(directory) = arguments.directory {
        let failed = |error| CliError::Failed(format!("{}: {error}", directory.display()));
        clap_mangen::generate_to(tree, &directory).map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(tree).render(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}
