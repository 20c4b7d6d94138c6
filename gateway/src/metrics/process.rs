//! What the operating system says of this process, under the names all Prometheus clients use.
//! Where there is no `/proc` it says nothing.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::page::approximate;

/// This process at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// CPU time, user and system, in seconds.
    pub(super) cpu_seconds: f64,
    /// Resident memory in bytes.
    pub(super) resident_bytes: u64,
    /// Virtual memory in bytes.
    pub(super) virtual_bytes: u64,
    /// Open files.
    pub(super) open_files: u64,
    /// How many may be open.
    pub(super) files_max: u64,
    /// Threads.
    pub(super) threads: u64,
    /// When it started, epoch seconds.
    pub(super) started: f64,
}

impl Process {
    /// How it fares now; `None` where nothing can be read.
    pub(super) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        let open_files = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
        let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let page_size = u64::try_from(page_size()).ok()?;
        let read = Self::parse(&stat, &system, clock_ticks_per_second(), page_size)?;
        Some(Self { open_files, files_max, ..read })
    }

    /// Source: proc(5), `/proc/pid/stat` and `btime` in `/proc/stat`.
    fn parse(stat: &str, system: &str, ticks: u64, page_size: u64) -> Option<Self> {
        // The name of the program may have anything in it, a parenthesis as well.
        let (_, fields) = stat.rsplit_once(") ")?;
        // Numbered from 3, as in the manual.
        let field = |number: usize| -> Option<u64> {
            fields.split_ascii_whitespace().nth(number - 3)?.parse().ok()
        };
        let booted = system.lines().find_map(|line| line.strip_prefix("btime "))?;
        let booted: u64 = booted.trim().parse().ok()?;
        let seconds = |count: u64| approximate(count) / approximate(ticks.max(1));
        Some(Self {
            cpu_seconds: seconds(field(14)? + field(15)?),
            threads: field(20)?,
            started: approximate(booted) + seconds(field(22)?),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size,
            open_files: 0,
            files_max: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_program_is_called() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 3000 0 1 0 250 50 0 0 20 0 9 0 1000 4096000 300 \
                    18446744073709551615 1 1";
        let read = Process::parse(stat, "cpu 1\nbtime 1700000000\n", 100, 4_096).unwrap();
        let expected = Process {
            cpu_seconds: 3.0,
            resident_bytes: 1_228_800,
            virtual_bytes: 4_096_000,
            open_files: 0,
            files_max: 0,
            threads: 9,
            started: 1_700_000_010.0,
        };
        assert_eq!(read, expected);
        for (stat, system) in [("", "btime 1"), ("7 (a) S 1", "btime 1"), (stat, "cpu 1")] {
            assert_eq!(Process::parse(stat, system, 100, 4_096), None, "{stat}");
        }
    }
}
