//! `karin check`: what would be wrong with a karin started here and now.

mod configuration;
mod functions;
mod listener;
mod redis;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use serde::Serialize;

use super::{
    CliError, EXIT_USAGE,
    colours::{Colours, Tone},
    runtime,
    shown::line,
};
use crate::config::{Config, Options};

const ABOUT: &str = "\
Say what is wrong with the configuration and with what karin needs, and start nothing

Reads the configuration as karin does, looks for the module, redis-server, Redis and the \
functions, and changes nothing. Ends with 0 if karin would run, warnings or not, with 1 if \
something is missing or broken, and with 2 if the configuration is wrong.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Checked,
}

/// All of karin's options.
#[derive(Debug)]
struct Checked(Options);

impl clap::FromArgMatches for Checked {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Options::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl clap::Args for Checked {
    /// Without the words about karin as a whole, which come with its options.
    fn augment_args(command: clap::Command) -> clap::Command {
        Options::augment_args(command).long_about(ABOUT)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Options::augment_args_for_update(command).long_about(ABOUT)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warning,
    Problem,
}

/// Something that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    /// What was looked at.
    subject: String,
    /// What was found.
    text: String,
}

impl Finding {
    fn new(level: Level, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level, subject: subject.into(), text: line(&text.into()) }
    }
}

/// All that was found, and the code to end with.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
    #[serde(skip)]
    code: u8,
}

impl Report {
    fn new(findings: Vec<Finding>, code_of_problems: u8) -> Self {
        let ok = findings.iter().all(|finding| finding.level != Level::Problem);
        Self { ok, findings, code: if ok { 0 } else { code_of_problems } }
    }
}

pub(super) fn run(arguments: Arguments, before: Options) -> Result<ExitCode, CliError> {
    let Arguments { json, options: Checked(own) } = arguments;
    let report = match configuration::read(own.or(before)) {
        Ok((config, findings)) => runtime()?.block_on(look(&config, findings)),
        Err(findings) => Report::new(findings, EXIT_USAGE),
    };
    let text = if json { as_json(&report)? } else { as_lines(&report) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(report.code))
}

async fn look(config: &Config, mut findings: Vec<Finding>) -> Report {
    findings.push(listener::look(config));
    findings.extend(listener::look_at_doors(config));
    findings.extend(redis::look(config).await);
    findings.extend(functions::look(config));
    Report::new(findings, 1)
}

fn as_json(report: &Report) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(report).map_err(io::Error::from)?;
    Ok(text + "\n")
}

fn as_lines(report: &Report) -> String {
    let colours = Colours::for_stream(&io::stdout());
    let subjects = report.findings.iter().map(|finding| finding.subject.chars().count());
    let width = subjects.max().unwrap_or_default();
    let mut text = String::new();
    for Finding { level, subject, text: found } in &report.findings {
        let (word, tone) = match level {
            Level::Ok => ("ok     ", Tone::Good),
            Level::Warning => ("warning", Tone::Warning),
            Level::Problem => ("PROBLEM", Tone::Bad),
        };
        let subject = format!("{subject:width$}");
        text.extend([&colours.paint(tone, word), "  ", &subject, "  ", found, "\n"]);
    }
    let count = |level| report.findings.iter().filter(|f| f.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let problems = counted(problems, "problem");
    let verdict = if report.ok { "karin would run" } else { &problems };
    text.extend([verdict, ", ", &counted(warnings, "warning"), "\n"]);
    text
}

fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}
