//! What systemd, or who speaks as it does, hands over and is told: the listening socket
//! (`LISTEN_FDS`), that karin is ready or stops (`NOTIFY_SOCKET`), and that it lives
//! (`WATCHDOG_USEC`).
//!
//! Source: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).

use std::{
    env,
    ffi::OsString,
    io,
    net::TcpListener,
    os::unix::{
        ffi::OsStrExt as _,
        net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use listenfd::ListenFd;
use tokio::{task::JoinHandle, time::interval};

/// The socket that was handed over, if one was, ready for tokio. Nothing karin starts inherits it.
///
/// Errors: it is none that listens for TCP, or there are several.
pub(crate) fn listener() -> io::Result<Option<TcpListener>> {
    let mut handed_over = ListenFd::from_env();
    if handed_over.len() > 1 {
        return Err(io::Error::other("more than one socket was handed over (LISTEN_FDS)"));
    }
    let Some(listener) = handed_over.take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

/// Who is told how karin fares; nobody where there is no service manager.
#[derive(Debug)]
pub(crate) struct Manager(Option<(UnixDatagram, SocketAddr)>);

impl Manager {
    /// The one the environment names.
    pub(crate) fn of_environment() -> Self {
        let address = env::var_os("NOTIFY_SOCKET").and_then(address);
        Self(address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))))
    }

    /// karin answers.
    pub(crate) fn ready(&self) {
        self.tell("READY=1\nSTATUS=answering");
    }

    /// karin ends. The time systemd gives it counts from now.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what was begun");
    }

    /// Tells it regularly that karin lives, if that is wanted: as long as the runtime gets to it.
    pub(crate) fn keep_alive(&self) -> Option<JoinHandle<()>> {
        let pause = watchdog(|name| env::var(name).ok(), std::process::id())? / 2;
        let (socket, address) = self.0.as_ref()?;
        let manager = Self(Some((socket.try_clone().ok()?, address.clone())));
        Some(tokio::spawn(async move {
            let mut ticks = interval(pause);
            loop {
                ticks.tick().await;
                manager.tell("WATCHDOG=1");
            }
        }))
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::debug!("the service manager cannot be told: {error}");
        }
    }
}

/// A path, or `@` and a name that is in no file system.
fn address(written: OsString) -> Option<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = written.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name).ok();
    }
    let is_path = written.as_bytes().starts_with(b"/");
    is_path.then(|| SocketAddr::from_pathname(written).ok()).flatten()
}

/// Within what time it is to be told, if at all.
fn watchdog(variable: impl Fn(&str) -> Option<String>, process: u32) -> Option<Duration> {
    let is_ours = variable("WATCHDOG_PID").is_none_or(|id| id.parse() == Ok(process));
    let microseconds = variable("WATCHDOG_USEC")?.parse().ok().filter(|&time| time > 1)?;
    is_ours.then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_by_a_path_or_by_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager =
            Manager(Some((UnixDatagram::unbound().unwrap(), address(path.into()).unwrap())));
        manager.ready();
        let mut told = [0; 64];
        let length = socket.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"READY=1\nSTATUS=answering");
        assert!(address("relative".into()).is_none());
        #[cfg(target_os = "linux")]
        assert!(address("@name".into()).is_some());
    }

    #[test]
    fn the_watchdog_is_only_for_the_process_it_names() {
        let of = |process: &'static str| {
            move |name: &str| {
                let value = if name == "WATCHDOG_PID" { process } else { "2000000" };
                Some(value.to_owned())
            }
        };
        assert_eq!(watchdog(of("7"), 7), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(of("8"), 7), None);
        assert_eq!(watchdog(|_| None, 7), None);
    }
}
