//! The files of the embedded Redis: its configuration, its socket, its log.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{DirBuilder, File},
    hash::{Hash as _, Hasher as _},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

/// The longest socket path every system takes, bytes (macOS: 104 with the final zero).
const SOCKET_PATH_BYTES_MAX: usize = 100;
/// A log that is larger is put aside at the next start.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// How much of the log's end is looked at for its last lines.
const LOG_TAIL_BYTES: u64 = 8 * 1024;
/// How many last lines are shown when Redis keeps dying.
const LOG_TAIL_LINES: usize = 12;

/// Where everything is.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) data: PathBuf,
    pub(super) config: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) process_id: PathBuf,
    pub(super) log: PathBuf,
}

impl Files {
    /// The files in a data directory, whose path is absolute.
    pub(super) fn in_directory(data: &Path) -> io::Result<Self> {
        Ok(Self {
            data: data.to_owned(),
            config: data.join("redis.conf"),
            socket: socket(data)?,
            process_id: data.join("redis.pid"),
            log: data.join("redis.log"),
        })
    }

    /// Writes the configuration. `maxmemory_bytes` `None`: no limit.
    pub(super) fn write_config(
        &self,
        module: &Path,
        maxmemory_bytes: Option<u64>,
    ) -> io::Result<()> {
        std::fs::write(&self.config, self.config_text(module, maxmemory_bytes)?)
    }

    fn config_text(&self, module: &Path, maxmemory_bytes: Option<u64>) -> io::Result<String> {
        let mut text = String::from(
            "# Written by karin at each start; changes here do not last.\n\
             port 0\nunixsocketperm 700\ndaemonize no\nlogfile \"\"\n\
             appendonly yes\nappendfsync everysec\nsave \"\"\nmaxmemory-policy noeviction\n",
        );
        let paths = [
            ("unixsocket", self.socket.as_path()),
            ("dir", &self.data),
            ("pidfile", &self.process_id),
            ("loadmodule", module),
        ];
        for (directive, path) in paths {
            text.extend([directive, " ", &quoted(path)?, "\n"]);
        }
        if let Some(bytes) = maxmemory_bytes {
            text.extend(["maxmemory ", &bytes.to_string(), "\n"]);
        }
        Ok(text)
    }

    /// The log, to be written at its end.
    pub(super) fn open_log(&self) -> io::Result<File> {
        if self.log.metadata().is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            std::fs::rename(&self.log, self.log.with_extension("log.1"))?;
        }
        File::options().create(true).append(true).mode(0o600).open(&self.log)
    }

    /// The last lines of the log.
    pub(super) fn log_tail(&self) -> String {
        let read = || -> io::Result<String> {
            let mut log = File::open(&self.log)?;
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut end = Vec::new();
            log.take(LOG_TAIL_BYTES).read_to_end(&mut end)?;
            Ok(String::from_utf8_lossy(&end).into_owned())
        };
        let end = read().unwrap_or_default();
        let lines: Vec<&str> = end.lines().filter(|line| !line.trim().is_empty()).collect();
        let skip = lines.len().saturating_sub(LOG_TAIL_LINES);
        lines.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
    }

    /// The process id Redis wrote down.
    pub(super) fn recorded_process(&self) -> Option<i32> {
        std::fs::read_to_string(&self.process_id).ok()?.trim().parse().ok()
    }
}

/// In the data directory; if its path is too long for a socket, in a directory of our own among
/// the temporary ones, the same at each start, so that an orphan is found again.
fn socket(data: &Path) -> io::Result<PathBuf> {
    let socket = data.join("redis.sock");
    if socket.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(socket);
    }
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    let directory = std::env::temp_dir().join(format!("karin-{user}-{:016x}", hasher.finish()));
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = directory.symlink_metadata()?;
    let private = metadata.permissions().mode().trailing_zeros() >= 6;
    if !metadata.is_dir() || metadata.uid() != user || !private {
        let directory = directory.display();
        return Err(io::Error::other(format!("{directory} is not a private directory of ours")));
    }
    Ok(directory.join("redis.sock"))
}

/// A path as redis.conf reads it.
fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r']));
    let text = text.ok_or_else(|| {
        io::Error::other(format!("{}: redis.conf cannot hold such a path", path.display()))
    })?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_quotes_its_paths() {
        let files = Files::in_directory(Path::new("/data/a \"b\"")).unwrap();
        let text = files.config_text(Path::new("/lib/karin.so"), Some(600)).unwrap();
        assert!(text.contains("\ndir \"/data/a \\\"b\\\"\"\n"), "{text}");
        assert!(text.contains("\nloadmodule \"/lib/karin.so\"\n"), "{text}");
        assert!(text.ends_with("\nmaxmemory 600\n"), "{text}");
        assert!(!files.config_text(Path::new("/m"), None).unwrap().contains("maxmemory 6"));
    }

    #[test]
    fn a_socket_path_that_is_too_long_becomes_a_short_one_that_stays_the_same() {
        let long = PathBuf::from(format!("/{}", "x".repeat(120)));
        let path = socket(&long).unwrap();
        assert!(path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX, "{}", path.display());
        assert_eq!(socket(&long).unwrap(), path);
        std::fs::remove_dir(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn the_last_lines_of_the_log_are_shown() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::in_directory(directory.path()).unwrap();
        assert_eq!(files.log_tail(), "");
        let lines: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
        std::fs::write(&files.log, lines.join("\n")).unwrap();
        let tail = files.log_tail();
        assert_eq!(tail.lines().count(), LOG_TAIL_LINES);
        assert!(tail.ends_with("line 39"));
    }
}
