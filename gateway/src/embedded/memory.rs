//! How much memory the embedded Redis may use.

use std::path::Path;

/// The share of the machine's or container's memory, in percent (design §4): the rest is for
/// karin, the functions, and the copy a forked child of Redis may need.
const SHARE_PERCENT: u64 = 60;

/// The `maxmemory` for this machine, bytes. `None` where it cannot be told: then there is no limit.
pub(super) fn maxmemory_bytes() -> Option<u64> {
    let cgroups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = cgroup_files(&cgroups).into_iter().filter_map(|path| {
        std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(path)).ok()?.trim().parse().ok()
    });
    let total = std::fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total_bytes);
    share(total, limits)
}

fn share(total: Option<u64>, limits: impl Iterator<Item = u64>) -> Option<u64> {
    let smallest = limits.chain(total).min()?;
    Some(smallest / 100 * SHARE_PERCENT)
}

/// `MemTotal:  8123456 kB`
fn total_bytes(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that may hold a limit of ours, below `/sys/fs/cgroup`: of our group and those above
/// it (version 2: `0::/path`), and of version 1 (`n:memory:/path`). "max" is no number, so it is
/// no limit.
fn cgroup_files(cgroups: &str) -> Vec<String> {
    let mut files = vec!["memory.max".to_owned(), "memory/memory.limit_in_bytes".to_owned()];
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = path.trim_matches('/');
        if controllers.split(',').any(|c| c == "memory") {
            files.push(format!("memory/{path}/memory.limit_in_bytes"));
        }
        if controllers.is_empty() && !path.is_empty() {
            let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
            let groups = ends.filter_map(|end| path.get(..end));
            files.extend(groups.map(|group| format!("{group}/memory.max")));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_counts() {
        assert_eq!(share(Some(1_000), [500, 2_000].into_iter()), Some(300));
        assert_eq!(share(Some(1_000), std::iter::empty()), Some(600));
        assert_eq!(share(None, std::iter::empty()), None);
    }

    #[test]
    fn the_machines_memory_is_read_in_kibibytes() {
        assert_eq!(total_bytes("MemFree: 1 kB\nMemTotal:        2 kB\n"), Some(2_048));
        assert_eq!(total_bytes("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn every_group_above_ours_is_asked() {
        let files = cgroup_files("0::/a/b\n4:cpu,memory:/docker/x\n");
        for file in ["a/memory.max", "a/b/memory.max", "memory/docker/x/memory.limit_in_bytes"] {
            assert!(files.iter().any(|f| f == file), "{file} in {files:?}");
        }
    }
}
