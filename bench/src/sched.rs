//! How long a thread could run and had no CPU: on a busy machine most of what looks like a stall.

use std::fs::File;
use std::os::unix::fs::FileExt;

use karin_tests::redis::RedisServer;

/// The server's main thread and the thread this was made in. Where Linux's `schedstat` is not, no
/// wait is seen.
#[derive(Debug)]
pub(crate) struct Waits {
    files: Vec<File>,
}

impl Waits {
    pub(crate) fn of(redis: &RedisServer) -> Self {
        let server = redis.process_id();
        let paths = [
            format!("/proc/{server}/task/{server}/schedstat"),
            "/proc/thread-self/schedstat".into(),
        ];
        Self { files: paths.iter().filter_map(|path| File::open(path).ok()).collect() }
    }

    /// Nanoseconds the two waited for a CPU so far.
    pub(crate) fn total_ns(&self) -> u64 {
        let waited = |file: &File| {
            // "<ns on a CPU> <ns waiting for one> <times>"
            let mut buffer = [0; 64];
            let length = file.read_at(&mut buffer, 0).ok()?;
            let text = std::str::from_utf8(&buffer[..length]).ok()?;
            text.split(' ').nth(1)?.parse::<u64>().ok()
        };
        self.files.iter().filter_map(waited).sum()
    }
}
