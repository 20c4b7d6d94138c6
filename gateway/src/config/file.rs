//! The configuration file.

use std::io::Read as _;
use std::path::Path;

use super::{CONFIG_FILE_DEFAULT, ConfigError, Options};

/// More is no configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The file's options; none if no file was named and the default one does not exist.
pub(super) fn read(named: Option<&str>) -> Result<Options, ConfigError> {
    let path = Path::new(named.filter(|n| !n.is_empty()).unwrap_or(CONFIG_FILE_DEFAULT));
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Options::default());
        }
        Err(error) => {
            return Err(ConfigError::value("config", format_args!("{}: {error}", path.display())));
        }
    };
    parse(&text)
        .map_err(|error| ConfigError::value("config", format_args!("{}: {error}", path.display())))
}

/// Some files have no end.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other("the file has more than 1 MiB"));
    }
    Ok(text)
}

pub(super) fn parse(text: &str) -> Result<Options, String> {
    parse_toml(text)
}

/// Errors: one line, with the number of the line that is wrong.
pub(crate) fn parse_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            1 + text.get(..span.start).unwrap_or_default().bytes().filter(|&b| b == b'\n').count()
        });
        format!("line {line}: {}", error.message().replace('\n', " "))
    })
}
