//! Going through a document in a scratch copy of what it talks about, as a reader would with two
//! terminals: blocks that stay get a terminal each, all others share one.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use karin_tests::clients::{Packages, command};
use karin_tests::http::Client;
use karin_tests::wait::{PATIENCE, until, until_some};
use karin_tests::{artifact, port};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

use super::blocks::{self, Block, Language, Run};

/// Ports that documents name. The tour has others, since many tests run at once.
const PORTS: [&str; 4] = ["9324", "3000", "3001", "3002"];
/// What documents talk about, from the top of the repository.
const COPIED: [&str; 5] = ["Makefile", "README.md", "examples", "redis.conf", "scripts"];
/// What running an example leaves in its folder.
const LEFT_OUT: [&str; 6] =
    ["node_modules", "target", "__pycache__", "karin-data", ".venv", "ledger.txt"];
/// For a block that installs or builds, or a tool that takes its time to start.
const BLOCK_PATIENCE: Duration = Duration::from_mins(5);
/// What karin says once it serves.
const LISTENING: &str = "karin is listening on http://";

/// A document on the way.
pub(crate) struct Tour {
    document: String,
    /// A copy of the repository's files; hidden in it what the tour itself needs.
    scratch: TempDir,
    /// Where the document's commands are given.
    folder: PathBuf,
    /// For the variable PATH.
    programs: String,
    ports: Vec<(&'static str, u16)>,
    shell: Child,
    terminals: Vec<Terminal>,
    blocks_run: usize,
}

/// A program that runs on, and the file with what it prints.
struct Terminal {
    process: Child,
    log: PathBuf,
}

impl Tour {
    /// The commands of an example are given in its folder, those of other documents at the top.
    /// Programs of `packages` are found before the machine's own.
    pub(crate) fn of(document: &str, packages: &[Packages]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let ports: Vec<_> = PORTS.iter().map(|name| (*name, port::free())).collect();
        for name in COPIED {
            copy(&artifact::repository().join(name), &scratch.path().join(name), &ports);
        }
        let example = Path::new(document).parent().filter(|p| p.starts_with("examples"));
        let folder = example.map_or_else(|| scratch.path().into(), |p| scratch.path().join(p));
        let own = scratch.path().join(".tour");
        fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink(artifact::gateway(), own.join("karin")).unwrap();
        let mut programs = own.display().to_string();
        for interpreter in packages.iter().map(|packages| packages.interpreter()) {
            programs = format!("{programs}:{}", interpreter.parent().unwrap().display());
        }
        let programs = format!("{programs}:{}", std::env::var("PATH").unwrap());
        let mut shell = command(Path::new("bash"));
        shell.args(["--noprofile", "--norc"]).stdin(Stdio::piped());
        let shell = start(&mut shell, &folder, &programs, &ports, &own.join("printed"));
        let document = document.to_owned();
        let terminals = Vec::new();
        Self { document, scratch, folder, programs, ports, shell, terminals, blocks_run: 0 }
    }

    /// The folder its commands are given in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tries all its blocks; what was started stays until the tour is dropped.
    pub(crate) fn run(mut self) -> Self {
        self.order("set -e -o pipefail; shopt -s expand_aliases");
        for block in blocks::tried(&self.document) {
            self.try_block(&block);
        }
        self
    }

    /// A client for the karin it has started.
    pub(crate) fn http(&self) -> Client {
        Client::new(self.ports[0].1)
    }

    fn own(&self, name: &str) -> PathBuf {
        self.scratch.path().join(".tour").join(name)
    }

    fn try_block(&mut self, block: &Block) {
        let place = format!("{}:{}", self.document, block.line);
        if block.run == Run::Instead {
            self.terminals.clear();
        }
        let before = self.lengths();
        let mut texts = block.prints.clone();
        if block.run == Run::ToItsEnd {
            self.run_to_its_end(block, &place);
        } else {
            self.open_terminal(block);
            if texts.is_empty() {
                texts.push(LISTENING.to_owned());
            }
        }
        let patience = if block.run == Run::ToItsEnd { PATIENCE } else { BLOCK_PATIENCE };
        self.wait_for(&texts, &before, patience, &place);
    }

    fn run_to_its_end(&mut self, block: &Block, place: &str) {
        let (script, status) = (self.script(block), self.own("status"));
        let [quoted_script, quoted_status] = [&script, &status].map(|p| p.display().to_string());
        let run = match block.language {
            Language::Shell => format!("source '{quoted_script}' </dev/null"),
            Language::Python => format!("python3 '{quoted_script}' </dev/null"),
        };
        self.order(&format!("{run}; echo done >'{quoted_status}'"));
        let what = format!("the end of {place}");
        until(BLOCK_PATIENCE, &what, || {
            let ended = self.shell.try_wait().unwrap();
            assert!(ended.is_none(), "{place} failed: {}\n{}", block.text, self.printed_since(&[]));
            status.exists()
        });
        fs::remove_file(status).unwrap();
    }

    fn open_terminal(&mut self, block: &Block) {
        let script = self.script(block);
        let log = self.own(&format!("printed-{}", self.blocks_run));
        let mut shell = command(Path::new("bash"));
        shell.args(["-e", "-o", "pipefail"]).arg(script).stdin(Stdio::null());
        let process = start(&mut shell, &self.folder, &self.programs, &self.ports, &log);
        self.terminals.push(Terminal { process, log });
    }

    fn wait_for(&mut self, texts: &[String], before: &[usize], patience: Duration, place: &str) {
        for text in texts {
            until_some(patience, &format!("{place}: {text}"), || {
                let printed = self.printed_since(before);
                for terminal in &mut self.terminals {
                    let ended = terminal.process.try_wait().unwrap();
                    assert!(ended.is_none(), "{place}: one that was to stay ended\n{printed}");
                }
                printed.contains(text.as_str()).then_some(())
            });
        }
    }

    /// What is in all terminals, the shared one first.
    fn logs(&self) -> Vec<String> {
        let shared = self.own("printed");
        let logs = [&shared].into_iter().chain(self.terminals.iter().map(|terminal| &terminal.log));
        let texts = logs.map(|log| fs::read(log).unwrap_or_default());
        texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
    }

    fn lengths(&self) -> Vec<usize> {
        self.logs().iter().map(String::len).collect()
    }

    fn printed_since(&self, lengths: &[usize]) -> String {
        let lengths = lengths.iter().copied().chain(std::iter::repeat(0));
        let new = |(log, from): (&String, usize)| log.get(from..).unwrap_or_default().to_owned();
        self.logs().iter().zip(lengths).map(new).collect()
    }

    /// The block as a file, with the tour's ports for those that it names.
    fn script(&mut self, block: &Block) -> PathBuf {
        self.blocks_run += 1;
        let text = with_ports(&block.text, &self.ports);
        let script = self.own(&format!("block-{}", self.blocks_run));
        fs::write(&script, text).unwrap();
        script
    }

    /// Types a line into the shared terminal.
    fn order(&mut self, line: &str) {
        let input = self.shell.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").unwrap();
    }
}

impl Drop for Tour {
    fn drop(&mut self) {
        end(&mut self.shell, Signal::KILL);
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.document, self.printed_since(&[]));
        }
    }
}

impl Drop for Terminal {
    /// As Ctrl-C would.
    fn drop(&mut self) {
        end(&mut self.process, Signal::TERM);
        end(&mut self.process, Signal::KILL);
    }
}

/// Returns when all of the process's group are gone, or after a while.
fn end(process: &mut Child, signal: Signal) {
    let group = Pid::from_child(process);
    let _gone = kill_process_group(group, signal);
    let start = Instant::now();
    let mut runs = || process.try_wait().is_ok_and(|ended| ended.is_none());
    while (runs() || test_kill_process_group(group).is_ok()) && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(
    command: &mut Command,
    folder: &Path,
    programs: &str,
    ports: &[(&'static str, u16)],
    log: &Path,
) -> Child {
    let log = File::create(log).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).current_dir(folder).process_group(0);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KARIN_") {
            command.env_remove(name);
        }
    }
    if let Some(server) = std::env::var_os("REDIS_SERVER") {
        command.env("KARIN_REDIS_SERVER", server);
    }
    let home = std::env::var_os("HOME").map_or_else(PathBuf::new, PathBuf::from);
    for (variable, name) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let place = std::env::var_os(variable).map_or_else(|| home.join(name), PathBuf::from);
        command.env(variable, place);
    }
    command.env("HOME", folder).env("PATH", programs).env("RUST_BACKTRACE", "1");
    command.env("KARIN_LISTEN", format!("127.0.0.1:{}", ports[0].1));
    command.env("KARIN_MODULE", artifact::module()).env("KARIN_BINARY", artifact::gateway());
    command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Copies a file or a folder, without what was installed or built there.
fn copy(from: &Path, to: &Path, ports: &[(&'static str, u16)]) {
    let name = |path: &Path| path.display().to_string();
    if !from.is_dir() {
        fs::copy(from, to).unwrap_or_else(|e| panic!("{}: {e}", name(from)));
        if ["py", "yml"].iter().any(|code| from.extension().is_some_and(|e| e == *code)) {
            fs::write(to, with_ports(&fs::read_to_string(from).unwrap(), ports)).unwrap();
        }
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap().flatten() {
        let name = entry.file_name();
        if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
            copy(&entry.path(), &to.join(name), ports);
        }
    }
}

/// The text with the tour's ports for those that it names.
fn with_ports(text: &str, ports: &[(&'static str, u16)]) -> String {
    let replace = |text: String, (name, port): &(&str, u16)| text.replace(name, &port.to_string());
    ports.iter().fold(text.to_owned(), replace)
}
