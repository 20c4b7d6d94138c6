//! What a process prints: every line to our log, and the last 4 KB of an invocation kept.
//!
//! Both streams are one pipe, so that lines keep their order. Whoever ends an invocation first
//! reads what the pipe holds: what was written before the answer belongs to the invocation.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::net::unix::pipe;

/// What Invoke shows of a log, bytes. Source: esm-contract §7.2.
const TAIL_BYTES_MAX: usize = 4_096;
/// A longer line is logged in pieces.
const LINE_BYTES_MAX: usize = 16_384;
/// Read at a time.
const CHUNK_BYTES: usize = 16_384;
/// What a pipe holds at most: all that can have been written before the reading began.
const PIPE_BYTES: usize = 65_536;

/// One process's output.
#[derive(Debug)]
pub(super) struct Output {
    function: Arc<str>,
    pipe: pipe::Receiver,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The line that has not ended.
    line: Vec<u8>,
    /// The invocation that runs.
    request_id: Option<String>,
    /// The end of what was printed since the process or the invocation began.
    tail: VecDeque<u8>,
}

/// What Lambda's log says about an invocation that is over.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) duration: Duration,
    /// How long the process took to start, for its first invocation.
    pub(super) init: Option<Duration>,
    pub(super) memory_megabytes: u32,
    pub(super) memory_used_megabytes: Option<u64>,
    /// An errorType of the platform's, and the words.
    pub(super) failure: Option<(&'static str, String)>,
}

impl Output {
    /// A new output, read until all who write it have ended; and both streams of a process.
    pub(super) fn start(function: Arc<str>) -> io::Result<(Arc<Self>, Stdio, Stdio)> {
        let (reader, writer) = io::pipe()?;
        let pipe = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let this = Arc::new(Self { function, pipe, seen: Mutex::default() });
        tokio::spawn(Arc::clone(&this).read());
        Ok((this, writer.try_clone()?.into(), writer.into()))
    }

    async fn read(self: Arc<Self>) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while self.pipe.readable().await.is_ok() {
            // Whoever reads holds the lock, so that nothing is taken out of order.
            let mut seen = self.seen();
            match self.pipe.try_read(&mut chunk) {
                Ok(count @ 1..) => self.take(&mut seen, chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return self.flush(&mut seen),
            }
        }
    }

    /// The invocation with this id begins.
    pub(super) fn begin(&self, request_id: &str) {
        let mut seen = self.drain();
        self.flush(&mut seen);
        seen.tail.clear();
        seen.keep(format!("START RequestId: {request_id} Version: $LATEST\n").as_bytes());
        seen.request_id = Some(request_id.to_owned());
    }

    /// It is over. Returns the end of its log.
    pub(super) fn end(&self, request_id: &str, report: &Report) -> Bytes {
        let mut seen = self.drain();
        self.flush(&mut seen);
        seen.request_id = None;
        if seen.tail.back() != Some(&b'\n') {
            seen.keep(b"\n");
        }
        seen.keep(report.text(request_id).as_bytes());
        seen.take_tail()
    }

    /// The end of what was printed since the start, by a process that did not come up.
    pub(super) fn so_far(&self) -> Bytes {
        let mut seen = self.drain();
        self.flush(&mut seen);
        seen.take_tail()
    }

    /// Reads what was written before this. Asks the system itself: tokio may not have noticed yet.
    fn drain(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen();
        let (mut read, mut chunk) = (0, [0; CHUNK_BYTES]);
        while read < PIPE_BYTES {
            match rustix::io::read(&self.pipe, &mut chunk) {
                Ok(count @ 1..) => {
                    read += count;
                    self.take(&mut seen, chunk.get(..count).unwrap_or_default());
                }
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        seen
    }

    fn take(&self, seen: &mut Seen, chunk: &[u8]) {
        seen.keep(chunk);
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let mut rest = text;
            while seen.line.len() + rest.len() > LINE_BYTES_MAX {
                let room = LINE_BYTES_MAX.saturating_sub(seen.line.len());
                let (fits, more) = rest.split_at_checked(room).unwrap_or((rest, &[]));
                seen.line.extend_from_slice(fits);
                self.flush(seen);
                rest = more;
            }
            seen.line.extend_from_slice(rest);
            if ends {
                self.flush(seen);
            }
        }
    }

    /// Logs the line so far.
    fn flush(&self, seen: &mut Seen) {
        let line = std::mem::take(&mut seen.line);
        let text = String::from_utf8_lossy(&line);
        let (text, function) = (text.trim_end(), &*self.function);
        match &seen.request_id {
            _ if text.is_empty() => {}
            Some(request_id) => {
                tracing::info!(target: "karin::function", function, request_id, "{text}");
            }
            None => tracing::info!(target: "karin::function", function, "{text}"),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn keep(&mut self, bytes: &[u8]) {
        let start = bytes.len().saturating_sub(TAIL_BYTES_MAX);
        let bytes = bytes.get(start..).unwrap_or_default();
        let excess = (self.tail.len() + bytes.len()).saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    fn take_tail(&mut self) -> Bytes {
        Vec::from(std::mem::take(&mut self.tail)).into()
    }
}

impl Report {
    fn text(&self, request_id: &str) -> String {
        let mut text = String::new();
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        // A String takes everything.
        let mut write = |arguments: std::fmt::Arguments<'_>| {
            let _infallible = text.write_fmt(arguments);
        };
        if let Some((_, words)) = &self.failure {
            write(format_args!("RequestId: {request_id} {words}\n"));
        }
        write(format_args!("END RequestId: {request_id}\nREPORT RequestId: {request_id}"));
        let billed = self.duration.as_micros().div_ceil(1_000);
        let (duration, memory) = (milliseconds(self.duration), self.memory_megabytes);
        write(format_args!("\tDuration: {duration:.2} ms\tBilled Duration: {billed} ms"));
        write(format_args!("\tMemory Size: {memory} MB"));
        if let Some(used) = self.memory_used_megabytes {
            write(format_args!("\tMax Memory Used: {used} MB"));
        }
        if let Some(init) = self.init {
            write(format_args!("\tInit Duration: {:.2} ms", milliseconds(init)));
        }
        match &self.failure {
            Some(("Sandbox.Timedout", _)) => write(format_args!("\tStatus: timeout")),
            Some((kind, _)) => write(format_args!("\tStatus: error\tError Type: {kind}")),
            None => {}
        }
        text + "\t\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_4_kilobytes() {
        let mut seen = Seen::default();
        for n in 0..3_000 {
            seen.keep(format!("{n}\n").as_bytes());
        }
        seen.keep(&[b'x'; 10]);
        let tail = seen.take_tail();
        assert_eq!(tail.len(), TAIL_BYTES_MAX);
        assert!(tail.ends_with(b"\n2998\n2999\nxxxxxxxxxx"));
        seen.keep(&[b'y'; 10_000]);
        assert_eq!(seen.take_tail(), vec![b'y'; TAIL_BYTES_MAX]);
    }

    #[test]
    fn a_report_is_lambdas() {
        let mut report = Report {
            duration: Duration::from_micros(1_234),
            init: Some(Duration::from_millis(100)),
            memory_megabytes: 128,
            memory_used_megabytes: Some(35),
            failure: None,
        };
        assert_eq!(
            report.text("r"),
            "END RequestId: r\nREPORT RequestId: r\tDuration: 1.23 ms\tBilled Duration: 2 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 35 MB\tInit Duration: 100.00 ms\t\n"
        );
        (report.init, report.memory_used_megabytes) = (None, None);
        report.failure = Some(("Sandbox.Timedout", "Error: Task timed out".into()));
        assert_eq!(
            report.text("r"),
            "RequestId: r Error: Task timed out\nEND RequestId: r\nREPORT RequestId: r\t\
             Duration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tStatus: timeout\t\n"
        );
    }
}
