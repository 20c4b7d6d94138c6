//! The directory karin keeps on this machine, and the number it goes by.

use std::{
    fs::{DirBuilder, File},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// A directory that is ours alone for as long as this lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another karin holds it.
    #[error("{path} is in use by another karin (process {holder})")]
    InUse {
        /// The directory.
        path: String,
        /// The other's process id, as it says.
        holder: String,
    },
    /// It cannot be made or written.
    #[error("{path}: {source}")]
    Io {
        /// What was tried.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl DataDir {
    /// Makes the directory if need be, for nobody else to read, and takes its lock. The lock ends
    /// with the process, however it dies.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |path: &Path, source| DataDirError::Io { path: text(path), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(path, error))?;
        let path = path.canonicalize().map_err(|error| failed(path, error))?;
        Self::lock(&path).map_err(|error| {
            if error.kind() != io::ErrorKind::WouldBlock {
                return failed(&lock_path(&path), error);
            }
            let holder = std::fs::read_to_string(lock_path(&path)).unwrap_or_default();
            DataDirError::InUse { path: text(&path), holder: holder.trim().to_owned() }
        })
    }

    /// Who holds the directory now: the process id, as it says. Changes nothing.
    pub(crate) fn holder(path: &Path) -> Option<String> {
        let file = File::open(lock_path(path)).ok()?;
        let held = flock(&file, FlockOperation::NonBlockingLockShared).is_err();
        held.then(|| io::read_to_string(file).unwrap_or_default().trim().to_owned())
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number leases are taken under: drawn once, kept for ever, never 0.
    pub(crate) fn instance(&self) -> Result<u32, DataDirError> {
        let path = self.path.join("instance");
        let failed = |source| DataDirError::Io { path: text(&path), source };
        match std::fs::read_to_string(&path) {
            Ok(written) => {
                if let Some(number) = written.trim().parse().ok().filter(|&number| number > 0) {
                    return Ok(number);
                }
                tracing::warn!(path = %path.display(), "not a number; drawing another one");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let number = draw().map_err(failed)?;
        let new = self.path.join("instance.new");
        std::fs::write(&new, format!("{number}\n"))
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(failed)?;
        Ok(number)
    }

    fn lock(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(lock_path(path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // For people, and for the text of the error above.
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }
}

fn lock_path(directory: &Path) -> PathBuf {
    directory.join("lock")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn draw() -> io::Result<u32> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u32::from_ne_bytes(bytes).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stays_over_restarts() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDir::open(&path).unwrap().instance().unwrap();
        assert_ne!(first, 0);
        assert_eq!(DataDir::open(&path).unwrap().instance().unwrap(), first);
    }

    #[test]
    fn a_second_one_is_told_who_holds_it() {
        let parent = tempfile::tempdir().unwrap();
        assert_eq!(DataDir::holder(parent.path()), None);
        let _first = DataDir::open(parent.path()).unwrap();
        assert_eq!(DataDir::holder(parent.path()), Some(std::process::id().to_string()));
        let error = DataDir::open(parent.path()).unwrap_err();
        assert!(matches!(error, DataDirError::InUse { .. }));
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }

    #[test]
    fn nobody_else_may_look_into_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let _opened = DataDir::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
