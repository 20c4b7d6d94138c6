//! `make install`, and what it installs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use karin_tests::artifact;
use karin_tests::gateway::Gateway;
use tempfile::TempDir;

/// What was installed, below a directory of its own.
pub(super) struct Installed(TempDir);

impl Installed {
    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn prefix(&self) -> PathBuf {
        self.root().join("usr/local")
    }
}

/// Runs `make` with this goal, on the binaries of this build.
fn make(goal: &str, root: &Path) -> Output {
    let target = artifact::gateway();
    let mut command = Command::new("make");
    command.arg(goal).arg(format!("DESTDIR={}", root.display()));
    command.env("TARGET", target.parent().unwrap()).env_remove("PREFIX").env_remove("MAKEFLAGS");
    command.current_dir(artifact::repository()).output().unwrap()
}

pub(super) fn installed() -> Installed {
    let root = tempfile::tempdir().unwrap();
    let output = make("install", root.path());
    assert!(output.status.success(), "{output:?}");
    Installed(root)
}

fn files(root: &Path) -> Vec<PathBuf> {
    let output = Command::new("find").arg(root).args(["-type", "f"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect()
}

#[test]
fn what_was_installed_works_without_a_word_about_where_it_is() {
    let installed = installed();
    let karin = installed.prefix().join("bin/karin");
    let gateway = Gateway::start_installed(&karin);
    let call = |action: &str, body: &str| {
        let answer = gateway.http().json(action, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    };
    call("CreateQueue", r#"{"QueueName":"q"}"#);
    call("SendMessage", r#"{"QueueUrl":"q","MessageBody":"hello"}"#);
    assert!(call("ReceiveMessage", r#"{"QueueUrl":"q"}"#).contains("hello"));
}

#[test]
fn everything_is_installed_where_it_is_looked_for_and_taken_away_again() {
    let installed = installed();
    for file in [
        "lib/karin/libkarin.so",
        "share/man/man1/karin.1",
        "share/man/man1/karin-status.1",
        "share/bash-completion/completions/karin",
        "share/zsh/site-functions/_karin",
        "share/fish/vendor_completions.d/karin.fish",
        "lib/systemd/system/karin.service",
        "lib/systemd/system/karin.socket",
        "share/doc/karin/redis.conf",
        "share/doc/karin/LICENSE",
    ] {
        let path = installed.prefix().join(file);
        let is_there = path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
        assert!(is_there, "{file}");
    }
    let conf = std::fs::read_to_string(installed.prefix().join("share/doc/karin/redis.conf"));
    assert!(conf.unwrap().contains("\nloadmodule /usr/local/lib/karin/libkarin.so\n"));

    let own = installed.root().join("etc/karin/karin.toml");
    assert_eq!(own.metadata().unwrap().permissions(), Permissions::from_mode(0o100_600));
    std::fs::write(&own, "region = \"eu-west-1\"\n").unwrap();
    assert!(make("install", installed.root()).status.success());
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "region = \"eu-west-1\"\n", "it is kept");

    assert!(make("uninstall", installed.root()).status.success());
    assert_eq!(files(installed.root()), [own]);
}

#[test]
fn nothing_is_installed_of_what_was_not_built() {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new(artifact::repository().join("scripts/install-files"));
    command.arg("install").env("DESTDIR", root.path()).env("TARGET", root.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("make build"), "{output:?}");
    assert_eq!(files(root.path()), [] as [PathBuf; 0]);
}

#[test]
fn systemd_understands_the_units() {
    let installed = installed();
    let units = installed.prefix().join("lib/systemd/system");
    let service = std::fs::read_to_string(units.join("karin.service")).unwrap();
    assert!(service.contains("\nExecStart=/usr/local/bin/karin\n"), "{service}");
    // Its own Redis and its functions are karin's to stop.
    for line in ["Type=notify", "KillMode=mixed", "DynamicUser=yes", "NoNewPrivileges=yes"] {
        assert!(service.lines().any(|l| l == line), "{line}");
    }
    // The program has to be there.
    let karin = installed.prefix().join("bin/karin").display().to_string();
    let here = service.replace("/usr/local/bin/karin", &karin);
    std::fs::write(units.join("karin.service"), here).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]).args(["karin.service", "karin.socket"]);
    // Nothing but these and systemd's own.
    command.current_dir(&units).env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()));
    let Ok(output) = command.output() else { return };
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let about_ours = complaints.lines().filter(|line| line.contains("karin"));
    assert_eq!(about_ours.collect::<Vec<_>>(), [] as [&str; 0], "{complaints}");
}

#[test]
fn the_example_of_a_configuration_is_one() {
    let text = std::fs::read_to_string(artifact::repository().join("packaging/karin.toml"));
    // As it stands it says nothing, and without the marks it says what karin understands.
    let examples: Vec<_> = text.unwrap().lines().filter_map(example).collect();
    assert!(examples.len() >= 8, "{examples:?}");
    let directory = tempfile::tempdir().unwrap();
    let functions = directory.path().join("functions");
    std::fs::create_dir(&functions).unwrap();
    let text = examples.join("\n").replace("/srv/functions", functions.to_str().unwrap());
    let file = directory.path().join("karin.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(artifact::gateway());
    command.args(["check", "--config", file.to_str().unwrap()]).env_clear();
    let output = command.current_dir(&directory).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_ne!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("2 keys, 1 tokens"), "{told}");
}

/// `# name = …`
fn example(line: &str) -> Option<String> {
    let rest = line.strip_prefix("# ")?;
    let (name, _) = rest.split_once(" = ")?;
    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_name.then(|| rest.to_owned())
}

#[test]
fn only_licences_that_let_it_be_passed_on_are_in_it() {
    const FREE: [&str; 9] = [
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
        "BSD-2-Clause",
        "ISC",
        "Zlib",
        "BSL-1.0",
        "0BSD",
        "Unicode-3.0",
    ];
    let mut command = Command::new(artifact::repository().join("scripts/third-party"));
    let output = command.arg("--list").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(list.lines().any(|line| line.starts_with("tokio ")), "{list}");
    assert!(list.lines().any(|line| line.starts_with("redis-module ")), "{list}");
    for line in list.lines() {
        let licence = line.splitn(3, ' ').nth(2).unwrap().replace(['(', ')'], "");
        let licence = licence.replace(" WITH LLVM-exception", "").replace('/', " OR ");
        // All of what is joined by AND, one of what is joined by OR.
        let is_free = licence
            .split(" AND ")
            .all(|part| part.split(" OR ").any(|one| FREE.contains(&one.trim())));
        assert!(is_free, "{line}");
    }
}
