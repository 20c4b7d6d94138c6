//! No function outlives its gateway, however that dies.
//!
//! The kernel tells a direct child that its parent died (`karin internal-exec` asks for that), but
//! not that child's children. So a small process of its own, `karin internal-reaper`, holds one end
//! of a pipe: the gateway writes which process groups live, and when the pipe ends, because the
//! gateway did, the reaper kills those that are left.

use std::collections::HashSet;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// The hidden subcommand that runs [`run`].
pub const REAPER_SUBCOMMAND: &str = "internal-reaper";

/// Reads `+PGID` and `-PGID` lines to their end, then kills the groups that are left. What the
/// subcommand does.
pub fn run(lines: impl BufRead) {
    let mut groups = HashSet::new();
    for line in lines.lines().map_while(Result::ok) {
        let (added, number) = match line.split_at_checked(1) {
            Some(("+", number)) => (true, number),
            Some(("-", number)) => (false, number),
            _ => continue,
        };
        // Group 1 and below are never a function's, and 0 would be our own.
        let Some(group) = number.parse().ok().filter(|&n: &i32| n > 1).and_then(Pid::from_raw)
        else {
            continue;
        };
        if added {
            groups.insert(group);
        } else {
            groups.remove(&group);
        }
    }
    for group in groups {
        // Gone already is as good.
        let _gone = kill_process_group(group, Signal::KILL);
    }
}

/// The gateway's end of the pipe. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reaper(Option<Arc<Running>>);

#[derive(Debug)]
struct Running {
    pipe: Mutex<ChildStdin>,
    // Kept so that the process is ours; it ends with the pipe.
    _child: Child,
}

impl Reaper {
    /// Starts the reaper, if there is a `karin` to run it. Functions work without; then only their
    /// direct processes die with a killed gateway.
    pub(super) fn start(karin: Option<&Path>) -> Self {
        let Some(karin) = karin else { return Self(None) };
        let mut command = Command::new(karin);
        command.arg(REAPER_SUBCOMMAND).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: an interrupt typed at the terminal is for the gateway only.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let started = command.spawn().and_then(|mut child| {
            let pipe = child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            Ok(Running { pipe: Mutex::new(pipe), _child: child })
        });
        match started {
            Ok(running) => Self(Some(Arc::new(running))),
            Err(error) => {
                tracing::warn!(%error, "no reaper: a killed gateway may leave processes behind");
                Self(None)
            }
        }
    }

    pub(super) fn watch(&self, group: Pid) {
        self.tell('+', group);
    }

    pub(super) fn forget(&self, group: Pid) {
        self.tell('-', group);
    }

    fn tell(&self, sign: char, group: Pid) {
        let Some(running) = &self.0 else { return };
        let mut pipe = running.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        // One write, so that a line is never half there when the gateway dies.
        let line = format!("{sign}{}\n", group.as_raw_nonzero());
        if let Err(error) = pipe.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the reaper is gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::os::unix::process::ExitStatusExt;

    fn sleeper() -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & sleep 600"]).process_group(0);
        command.spawn().unwrap()
    }

    #[test]
    fn at_the_end_of_its_lines_it_kills_the_groups_that_are_left() {
        let (mut left, mut ended) = (sleeper(), sleeper());
        let lines = format!("nonsense\n+0\n+1\n+{0}\n+{1}\n-{1}\n", left.id(), ended.id());
        run(lines.as_bytes());
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        assert!(ended.try_wait().unwrap().is_none(), "forgotten groups are left alone");
        let _ = kill_process_group(Pid::from_child(&ended), Signal::KILL);
        ended.wait().unwrap();
    }
}
