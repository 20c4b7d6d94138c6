//! The configuration: every option that is wrong, not only the first.

use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::{Finding, Level};
use crate::config::{CONFIG_FILE_DEFAULT, Config, ConfigError, Options};

const SUBJECT: &str = "configuration";

/// What the options mean. Errors: what is wrong with them.
pub(super) fn read(given: Options) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let source = source(&given);
    let mut options = Config::with_file(given).map_err(|error| vec![problem(&error)])?;
    let mut problems = Vec::new();
    let config = loop {
        match Config::of_process(options.clone()) {
            Ok(config) => break Some(config),
            Err(error) => {
                problems.push(problem(&error));
                // The others may be wrong as well.
                if !forget(&mut options, &error) {
                    break None;
                }
            }
        }
    };
    let filter = config.as_ref().map(|config| EnvFilter::try_new(&config.log));
    if let Some(Err(error)) = filter {
        problems.push(Finding::new(Level::Problem, SUBJECT, format!("--log: {error}")));
    }
    match config {
        Some(config) if problems.is_empty() => {
            Ok((config, vec![Finding::new(Level::Ok, SUBJECT, source)]))
        }
        _ => Err(problems),
    }
}

fn problem(error: &ConfigError) -> Finding {
    Finding::new(Level::Problem, SUBJECT, error.to_string())
}

/// Takes back what was wrong. Returns whether anything was.
fn forget(options: &mut Options, error: &ConfigError) -> bool {
    let ConfigError::Value { option, .. } = error else { return false };
    // Keys that are wrong are keys: that there are none is not to be told as well.
    options.insecure |= matches!(option.as_str(), "key" | "token");
    options.forget(option)
}

fn source(given: &Options) -> String {
    let file = given.config.as_deref().filter(|name| !name.is_empty());
    match file.unwrap_or(CONFIG_FILE_DEFAULT) {
        file if Path::new(file).exists() => {
            format!("command line, environment and {file} make sense")
        }
        _ => "command line and environment make sense; there is no karin.toml".to_owned(),
    }
}
