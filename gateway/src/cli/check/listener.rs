//! Where karin would listen, and whom it would let in.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use super::{Finding, Level};
use crate::config::Config;

const SUBJECT: &str = "address";

/// Whether the address is free.
pub(super) fn look(config: &Config) -> Finding {
    let address = config.listen;
    match TcpListener::bind(address) {
        Ok(_) => Finding::new(Level::Ok, SUBJECT, format!("{address} is free")),
        Err(error) => taken(address, &error),
    }
}

fn taken(address: SocketAddr, error: &io::Error) -> Finding {
    let is_in_use = error.kind() == io::ErrorKind::AddrInUse;
    let text = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{address}: {error}; ports below 1024 need CAP_NET_BIND_SERVICE")
        }
        _ => format!("{address}: {error}"),
    };
    if is_in_use && super::super::health::is_karin(address) {
        let text = format!("a karin listens on {address} already");
        return Finding::new(Level::Warning, SUBJECT, text);
    }
    Finding::new(Level::Problem, SUBJECT, text)
}

/// Who is let in.
pub(super) fn look_at_doors(config: &Config) -> Vec<Finding> {
    let beyond = !config.listen.ip().is_loopback();
    let (keys, tokens) = (config.keys.len(), config.tokens.len());
    let access = match config.is_protected() {
        true => Finding::new(Level::Ok, "access", format!("{keys} keys, {tokens} tokens")),
        false if beyond => Finding::new(
            Level::Warning,
            "access",
            "anybody who reaches the address may read and delete messages (--insecure)",
        ),
        false => Finding::new(Level::Ok, "access", "open to this machine, closed to web pages"),
    };
    let admin = match &config.admin_password {
        Some(_) => Finding::new(Level::Ok, "admin page", "has a password"),
        None if config.is_protected() => Finding::new(
            Level::Warning,
            "admin page",
            "closed: there are keys or tokens, and no --admin-password",
        ),
        None => Finding::new(
            if beyond { Level::Warning } else { Level::Ok },
            "admin page",
            "open to all who reach the address",
        ),
    };
    vec![access, admin]
}
