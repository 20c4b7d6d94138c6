//! Whether a function's files have changed: a bounded look at them, no watching.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::lambda::local::settings::SETTINGS_FILE;

/// Entries looked at; in a larger directory changes of the others go unseen.
const ENTRIES_MAX: usize = 500;
/// Levels of directories looked at.
const DEPTH_MAX: usize = 8;
/// Directories that hold no code of the function's own.
const LEFT_OUT: [&str; 3] = ["node_modules", "__pycache__", "target"];
/// Files that are code, besides programs: what a function writes beside its code changes nothing.
const CODE: [&str; 13] =
    ["cjs", "env", "jar", "js", "lua", "mjs", "php", "pl", "py", "rb", "sh", "so", "ts"];

/// The state of a function's code and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(directory: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        let mut left = ENTRIES_MAX;
        walk(directory, DEPTH_MAX, &mut left, &mut hasher);
        Self(hasher.finish())
    }
}

fn walk(directory: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut entries: Vec<_> = entries.flatten().take(*left).collect();
    *left -= entries.len();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        // Through links to files; links to directories could lead round in circles.
        let Ok(file) = path.metadata() else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth > 0 && !is_left_out(&name) {
                walk(&path, depth - 1, left, hasher);
            }
        } else if file.is_file() && (file.mode() & 0o111 != 0 || is_code(&path)) {
            name.hash(hasher);
            let changed = (file.ino(), file.size(), file.mtime(), file.mtime_nsec(), file.mode());
            changed.hash(hasher);
        }
    }
}

fn is_left_out(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") || LEFT_OUT.iter().any(|left_out| name == *left_out)
}

fn is_code(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(SETTINGS_FILE))
        || path.extension().is_some_and(|extension| CODE.iter().any(|code| extension == *code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn code_and_settings_count_and_what_a_function_writes_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut last = Fingerprint::of(directory.path());
        let mut changes = |what: &str| {
            let now = Fingerprint::of(directory.path());
            let changed = now != std::mem::replace(&mut last, now);
            (what.to_owned(), changed)
        };
        let mut check = |name: &str, expected: bool| {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), "1").unwrap();
            assert_eq!(changes(name), (name.to_owned(), expected));
            fs::write(path(name), "22").unwrap();
            assert_eq!(changes(name), (name.to_owned(), expected));
        };
        check("app.py", true);
        check("function.toml", true);
        check("lib/deep/helper.mjs", true);
        check("events.log", false);
        check("state.json", false);
        check("node_modules/x/index.js", false);
        check("__pycache__/app.py", false);
        check(".git/hook.sh", false);
        fs::write(path("bootstrap"), "x").unwrap();
        assert!(!changes("no program yet").1);
        fs::set_permissions(path("bootstrap"), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(changes("a program").1);
        std::os::unix::fs::symlink(".", path("circle")).unwrap();
        assert!(!changes("a link to itself").1);
    }
}
