//! All local functions: those of the command line, and those of the folder `--functions` names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::FunctionSpec;
use crate::config::specs::is_function_name;
use crate::identity::Identity;
use crate::lambda::local::pool::LocalFunction;
use crate::lambda::local::reaper::Reaper;
use crate::lambda::local::settings::Host;

/// Functions of a folder that are listed at most.
const LISTED_MAX: usize = 1_000;

/// All local functions.
#[derive(Debug)]
pub(in crate::lambda) struct LocalFunctions {
    /// Those of the command line.
    given: Vec<LocalFunction>,
    folder: Option<PathBuf>,
    /// Those of the folder that somebody has asked for.
    found: Mutex<BTreeMap<String, LocalFunction>>,
    host: Arc<Host>,
    reaper: Reaper,
}

impl LocalFunctions {
    /// The functions of the configuration and of `folder`, each of whose subdirectories is one;
    /// `endpoint` is our own URL, `karin` the binary whose internal subcommands see to it that
    /// nothing outlives us (`None`: they are not used).
    pub(in crate::lambda) fn new(
        specs: &[FunctionSpec],
        folder: Option<&Path>,
        identity: &Identity,
        endpoint: &str,
        karin: Option<&Path>,
    ) -> Self {
        let is_used = !specs.is_empty() || folder.is_some();
        let reaper = Reaper::start(karin.filter(|_| is_used));
        let host = Arc::new(Host {
            identity: identity.clone(),
            endpoint: endpoint.to_owned(),
            karin: karin.map(Path::to_path_buf),
        });
        let function = |spec: &FunctionSpec| LocalFunction::new(spec.clone(), &host, &reaper);
        let given: Vec<_> = specs.iter().map(function).collect();
        let folder = folder.map(Path::to_path_buf);
        let this = Self { given, folder, found: Mutex::default(), host, reaper };
        this.complain();
        this
    }

    /// The function of this name. One that has just appeared in the folder is found, one that is
    /// gone from there is not.
    pub(in crate::lambda) fn get(&self, name: &str) -> Option<LocalFunction> {
        if let Some(function) = self.given.iter().find(|function| function.name() == name) {
            return Some(function.clone());
        }
        // What was found and is gone stays known: somebody may have it, and it may come back.
        in_folder(self.folder.as_ref()?, name).map(|directory| self.found(name, directory))
    }

    /// The function of the folder that has this name once its directory is there, and until then
    /// says that it is not.
    pub(in crate::lambda) fn expected(&self, name: &str) -> Option<LocalFunction> {
        let directory = self.folder.as_ref().filter(|_| is_function_name(name))?.join(name);
        // A link that leads out of the folder is not followed by this way either.
        (!directory.is_symlink()).then(|| self.found(name, directory))
    }

    fn found(&self, name: &str, directory: PathBuf) -> LocalFunction {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let function = found.entry(name.to_owned()).or_insert_with(|| {
            LocalFunction::new(FunctionSpec::new(name, directory), &self.host, &self.reaper)
        });
        function.clone()
    }

    /// All functions that can run, by name.
    pub(in crate::lambda) fn all(&self) -> Vec<LocalFunction> {
        let mut all = self.known();
        let is_given = |name: &str| self.given.iter().any(|given| given.name() == name);
        all.retain(|function| is_given(function.name()) || function.problem().is_none());
        all
    }

    /// All functions by name, those that cannot run too.
    pub(in crate::lambda) fn known(&self) -> Vec<LocalFunction> {
        let names = self.names();
        let in_folder = names.iter().filter(|name| !self.given.iter().any(|f| f.name() == *name));
        let mut known: Vec<_> = in_folder.filter_map(|name| self.get(name)).collect();
        known.extend(self.given.iter().cloned());
        known.sort_by(|a, b| a.name().cmp(b.name()));
        known
    }

    /// The folder's directories, by name.
    fn names(&self) -> Vec<String> {
        let entries = self.folder.as_ref().and_then(|folder| folder.read_dir().ok());
        let entries = entries.into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.path().is_dir());
        let names = directories.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names.truncate(LISTED_MAX);
        names
    }

    /// Tells which directories of the folder are no functions, and why.
    fn complain(&self) {
        for (name, problem) in self.problems_in_folder() {
            if let Some(problem) = problem {
                tracing::warn!(function = name, "no function: {problem}");
            }
        }
    }

    /// All functions' names, each with why it cannot be run, if that can be seen.
    pub(in crate::lambda) fn problems(&self) -> Vec<(String, Option<String>)> {
        let given = self.given.iter().map(|f| (f.name().to_owned(), f.problem()));
        given.chain(self.problems_in_folder()).collect()
    }

    fn problems_in_folder(&self) -> Vec<(String, Option<String>)> {
        let problem = |name: String| {
            let problem = if !is_function_name(&name) {
                Some("its name is no function's: letters, digits, - and _, 64 at most".to_owned())
            } else if let Some(function) = self.get(&name) {
                function.problem()
            } else {
                Some("it is a link that leads out of the folder".to_owned())
            };
            (name, problem)
        };
        self.names().into_iter().map(problem).collect()
    }

    /// Kills all processes; nothing starts any more.
    pub(in crate::lambda) fn stop(&self) {
        self.given.iter().for_each(LocalFunction::stop);
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.values().for_each(LocalFunction::stop);
    }
}

/// The directory of the function of this name: in the folder itself, not somewhere a name or a
/// link leads to.
fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    if !is_function_name(name) {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let directory = folder.join(name).canonicalize().ok()?;
    (directory.starts_with(&folder) && directory != folder && directory.is_dir())
        .then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::local::settings::{BOOTSTRAP, SETTINGS_FILE};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn functions(folder: &Path, given: &[FunctionSpec]) -> LocalFunctions {
        let identity = Identity::new(None, None, None);
        LocalFunctions::new(given, Some(folder), &identity, "http://127.0.0.1:1", None)
    }

    fn names(functions: &LocalFunctions) -> Vec<String> {
        functions.all().iter().map(|function| function.name().to_owned()).collect()
    }

    fn bootstrap(directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(BOOTSTRAP), "#!/bin/sh\n").unwrap();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.join(BOOTSTRAP), mode).unwrap();
    }

    #[tokio::test]
    async fn each_directory_with_a_program_or_a_command_is_a_function() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("functions");
        bootstrap(&folder.join("a"));
        bootstrap(&folder.join("bad.name"));
        bootstrap(&folder.join("given"));
        bootstrap(&root.path().join("outside"));
        fs::create_dir(folder.join("empty")).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        fs::create_dir(folder.join("b")).unwrap();
        fs::write(folder.join("b").join(SETTINGS_FILE), "command = 'true'\ntimeout = 3").unwrap();
        symlink("a", folder.join("alias")).unwrap();
        symlink("../outside", folder.join("link")).unwrap();
        let mut given = FunctionSpec::new("given", root.path().join("outside"));
        given.timeout = Some(std::time::Duration::from_secs(7));
        let functions = functions(&folder, &[given]);
        assert_eq!(names(&functions), ["a", "alias", "b", "given"]);
        assert_eq!(functions.get("b").unwrap().timeout().as_secs(), 3);
        assert_eq!(functions.get("given").unwrap().timeout().as_secs(), 7);
        for bad in ["link", "file", "bad.name", "..", ".", "", "a/../a", "../outside", "no"] {
            assert!(functions.get(bad).is_none(), "{bad}");
        }
        // It is there, and says what it lacks to who invokes it.
        let problem = functions.get("empty").unwrap().problem().unwrap();
        assert!(problem.contains("bootstrap does not exist"), "{problem}");
    }

    #[tokio::test]
    async fn functions_come_and_go_with_their_directories() {
        let folder = tempfile::tempdir().unwrap();
        let functions = functions(folder.path(), &[]);
        assert!(functions.get("later").is_none());
        bootstrap(&folder.path().join("later"));
        assert_eq!(names(&functions), ["later"]);
        let later = functions.get("later").unwrap();
        fs::remove_dir_all(folder.path().join("later")).unwrap();
        assert!(functions.get("later").is_none());
        assert_eq!(names(&functions), Vec::<String>::new());
        let expected = functions.expected("later").unwrap();
        assert!(expected.is_same_as(&later), "one function, whoever has it");
        assert!(functions.expected("../later").is_none());
    }
}
