//! `karin health`: asks a karin over HTTP whether it is ready, for containers that have no other
//! client at hand.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use super::CliError;
use crate::{
    config::{Config, Options},
    run::reachable,
};

/// How long karin may take; it answers within two seconds.
const TIMEOUT: Duration = Duration::from_secs(4);
/// No answer of `/readyz` is longer.
const ANSWER_BYTES_MAX: u64 = 4_096;

#[derive(Debug, clap::Args)]
#[command(
    long_about = "Ask a karin that runs whether it is ready\n\nEnds with 0 if it is, and with 1 if \
                  it is not or does not answer: what a container's health check wants."
)]
pub(super) struct Arguments {
    /// The configuration file (TOML) [default: karin.toml, if there is one]
    #[arg(long, env = "KARIN_CONFIG", value_name = "FILE")]
    config: Option<String>,
    /// Where it listens [default: 127.0.0.1:9324]
    #[arg(long, env = "KARIN_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

pub(super) fn run(arguments: Arguments, before: Options) -> Result<ExitCode, CliError> {
    let Arguments { config, listen } = arguments;
    let own = Options { config, listen, ..Options::default() };
    let address = reachable(Config::of_listener(own.or(before))?);
    let failed = |error| CliError::Failed(format!("{address} does not answer: {error}"));
    let answer = ask("/readyz", address).map_err(failed)?;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => {
            println!("ready");
            Ok(ExitCode::SUCCESS)
        }
        Some("503") => Err(CliError::Failed(format!("not ready: {}", text.trim()))),
        _ => Err(CliError::Failed(format!("{address} is no karin"))),
    }
}

/// Whether a karin answers there.
pub(super) fn is_karin(address: SocketAddr) -> bool {
    let says = |text| move |answer: String| answer.contains(text);
    ask("/healthz", reachable(address)).is_ok_and(says("\r\n\r\nok"))
}

fn ask(path: &str, address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
