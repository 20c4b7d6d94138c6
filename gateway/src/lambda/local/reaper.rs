//! No function outlives its gateway, or its deadline, whatever happens to the gateway.
//!
//! The kernel tells a direct child that its parent died (`karin internal-exec` asks for that), but
//! not that child's children. So a small process of its own, `karin internal-reaper`, holds one end
//! of a pipe: the gateway writes which process groups live, and when the pipe ends, because the
//! gateway did, the reaper kills those that are left. It also knows until when each invocation may
//! run, for a gateway that is stopped (SIGSTOP, a laptop that sleeps) cannot kill; it gives the
//! gateway a moment to do so itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

/// The hidden subcommand that runs [`run`].
pub const REAPER_SUBCOMMAND: &str = "internal-reaper";
/// What the gateway gets to kill an invocation at its deadline itself.
const GRACE: Duration = Duration::from_millis(500);
/// Lines that wait for a reaper that does not read; while there are more, no deadline is told.
const PENDING_BYTES_MAX: usize = 65_536;
/// Longest line: a sign, two numbers.
const LINE_BYTES_MAX: usize = 64;

/// Reads lines to their end, then kills the groups that are left: `+PGID` lives, `-PGID` does not
/// any more, `!PGID MS` has so many milliseconds from now, `.PGID` as long as it likes. What the
/// subcommand does.
pub fn run(mut input: impl Read + AsFd) {
    let mut groups: HashMap<Pid, Option<Instant>> = HashMap::new();
    let (mut pending, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        let deadline = groups.values().flatten().min().copied();
        if wait(&input, deadline) {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => pending.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            let complete = pending.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            for line in pending.drain(..complete).as_slice().split(|&byte| byte == b'\n') {
                read_line(line, &mut groups);
            }
            if pending.len() > LINE_BYTES_MAX {
                pending.clear();
            }
            // What the gateway has written comes before what the clock says: a group whose
            // invocation is over is not killed because this was slow.
            continue;
        }
        let now = Instant::now();
        for (&group, deadline) in &mut groups {
            if deadline.is_some_and(|deadline| deadline <= now) {
                let _gone = kill_process_group(group, Signal::KILL);
                *deadline = None;
            }
        }
    }
    for group in groups.into_keys() {
        // Gone already is as good.
        let _gone = kill_process_group(group, Signal::KILL);
    }
}

/// Waits for input, at most until the deadline. Returns whether there is any.
fn wait(input: &impl AsFd, deadline: Option<Instant>) -> bool {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // At most 15 minutes and a moment.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(input, PollFlags::IN)], left.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(0) => return false,
            _ => return true,
        }
    }
}

fn read_line(line: &[u8], groups: &mut HashMap<Pid, Option<Instant>>) {
    let Ok(line) = std::str::from_utf8(line) else { return };
    let Some((sign, numbers)) = line.split_at_checked(1) else { return };
    let (group, milliseconds) = numbers.split_once(' ').unwrap_or((numbers, ""));
    // Group 1 and below are never a function's, and 0 would be our own.
    let group = group.parse().ok().filter(|&n: &i32| n > 1).and_then(Pid::from_raw);
    let Some(group) = group else { return };
    match sign {
        "+" => {
            groups.insert(group, None);
        }
        "-" => {
            groups.remove(&group);
        }
        "!" | "." => {
            let left = milliseconds.parse().ok().map(Duration::from_millis);
            // A group it was not told of is not its business.
            if let Some(deadline) = groups.get_mut(&group) {
                *deadline = left.and_then(|left| Instant::now().checked_add(left));
            }
        }
        _ => {}
    }
}

/// The gateway's end of the pipe. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reaper(Option<Arc<Running>>);

#[derive(Debug)]
struct Running {
    pipe: Mutex<Pipe>,
    // Kept so that the process is ours; it ends with the pipe.
    _child: Child,
}

#[derive(Debug)]
struct Pipe {
    file: File,
    /// What the reaper has not taken yet.
    pending: Vec<u8>,
    is_gone: bool,
}

/// A deadline that the reaper knows; it forgets it when this is dropped.
#[derive(Debug)]
pub(super) struct Deadline<'a>(Option<(&'a Reaper, Pid)>);

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        if let Some((reaper, group)) = self.0 {
            reaper.tell(format_args!(".{}\n", group.as_raw_nonzero()));
        }
    }
}

impl Reaper {
    /// Starts the reaper, if there is a `karin` to run it. Functions work without; then only their
    /// direct processes die with a killed gateway, and a stopped one lets them run on.
    pub(super) fn start(karin: Option<&Path>) -> Self {
        let Some(karin) = karin else { return Self(None) };
        let mut command = Command::new(karin);
        command.arg(REAPER_SUBCOMMAND).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: an interrupt typed at the terminal is for the gateway only.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let started = command.spawn().and_then(|mut child| {
            let pipe = child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            let file = File::from(OwnedFd::from(pipe));
            // A reaper that does not read must not hold up the gateway.
            rustix::io::ioctl_fionbio(&file, true)?;
            let pipe = Mutex::new(Pipe { file, pending: Vec::new(), is_gone: false });
            Ok(Running { pipe, _child: child })
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
        self.tell(format_args!("+{}\n", group.as_raw_nonzero()));
    }

    pub(super) fn forget(&self, group: Pid) {
        self.tell(format_args!("-{}\n", group.as_raw_nonzero()));
    }

    /// The group is to be killed unless this is dropped within `left` and a moment.
    pub(super) fn deadline(&self, group: Pid, left: Duration) -> Deadline<'_> {
        let Some(running) = &self.0 else { return Deadline(None) };
        let reads = running.lock().pending.len() < PENDING_BYTES_MAX;
        if reads {
            let left = (left + GRACE).as_millis();
            self.tell(format_args!("!{} {left}\n", group.as_raw_nonzero()));
        }
        Deadline(reads.then_some((self, group)))
    }

    fn tell(&self, line: std::fmt::Arguments<'_>) {
        let Some(running) = &self.0 else { return };
        running.lock().write(line);
    }
}

impl Running {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// Writes whole lines, in order; what does not fit goes with the next.
    fn write(&mut self, line: std::fmt::Arguments<'_>) {
        if self.is_gone {
            return;
        }
        // A Vec takes everything.
        let _infallible = self.pending.write_fmt(line);
        match self.file.write(&self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.is_gone = true;
                tracing::warn!(%error, "no reaper: a killed gateway may leave processes behind");
            }
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

    fn end(mut child: Child) {
        assert!(child.try_wait().unwrap().is_none(), "it lives");
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait().unwrap();
    }

    #[test]
    fn at_the_end_of_its_lines_it_kills_the_groups_that_are_left() {
        let (mut left, ended) = (sleeper(), sleeper());
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = format!("nonsense\n+0\n+1\n+{0}\n+{1}\n-{1}\n", left.id(), ended.id());
        writer.write_all(lines.as_bytes()).unwrap();
        drop(writer);
        run(reader);
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        end(ended);
    }

    #[test]
    fn it_kills_what_runs_over_its_deadline_and_nothing_that_has_moved_on() {
        let (mut over, done, later, foreign) = (sleeper(), sleeper(), sleeper(), sleeper());
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = format!(
            "+{0}\n+{1}\n+{2}\n!{0} 200\n!{1} 100\n.{1}\n!{2} 100\n!{2} 900000\n!{3} 0\n",
            over.id(),
            done.id(),
            later.id(),
            foreign.id()
        );
        writer.write_all(lines.as_bytes()).unwrap();
        let thread = std::thread::spawn(move || run(reader));
        assert_eq!(over.wait().unwrap().signal(), Some(9));
        for child in [&done, &later] {
            writer.write_all(format!("-{}\n", child.id()).as_bytes()).unwrap();
        }
        drop(writer);
        thread.join().unwrap();
        for child in [done, later, foreign] {
            end(child);
        }
    }

    #[test]
    fn a_reaper_that_does_not_read_holds_nobody_up_and_misses_nothing() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let file = File::from(OwnedFd::from(writer));
        let mut pipe = Pipe { file, pending: Vec::new(), is_gone: false };
        let lines: Vec<String> = (0..20_000).map(|n| format!("+{n}\n")).collect();
        for line in &lines {
            pipe.write(format_args!("{line}"));
        }
        assert!(!pipe.pending.is_empty());
        let (mut text, mut chunk) = (Vec::new(), vec![0; 65_536]);
        while !pipe.pending.is_empty() {
            let count = reader.read(&mut chunk).unwrap();
            text.extend_from_slice(&chunk[..count]);
            pipe.write(format_args!(""));
        }
        drop(pipe);
        reader.read_to_end(&mut text).unwrap();
        assert!(text == lines.concat().as_bytes());
    }
}
