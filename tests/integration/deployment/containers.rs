//! The Dockerfile, without Docker: what it copies is there, its steps do what they say, and what
//! it starts works.

use std::process::Command;

use karin_tests::artifact;
use karin_tests::gateway;

use super::{compose, texts};

/// The instructions, continued lines joined, with the name of the stage they stand in.
fn instructions() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(artifact::repository().join("Dockerfile")).unwrap();
    let joined = text.replace("\\\n", " ");
    let mut stage = String::new();
    let mut all = Vec::new();
    for line in joined.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        if word == "FROM" {
            rest.split_once(" AS ").map_or("", |(_, name)| name).clone_into(&mut stage);
        }
        all.push((stage.clone(), word.to_owned(), rest.trim().to_owned()));
    }
    all
}

/// The arguments of this instruction in a stage.
fn of(stage: &str, word: &str) -> Vec<String> {
    let all = instructions().into_iter();
    all.filter(|(s, w, _)| s == stage && w == word).map(|(_, _, rest)| rest).collect()
}

fn list(written: &str) -> Vec<String> {
    serde_json::from_str(written).unwrap_or_else(|e| panic!("{written}: {e}"))
}

#[test]
fn what_the_dockerfile_copies_is_in_the_context_or_was_built() {
    let ignored = std::fs::read_to_string(artifact::repository().join(".dockerignore")).unwrap();
    let installed = super::installation::installed();
    for (stage, _, rest) in instructions().into_iter().filter(|(_, word, _)| word == "COPY") {
        let words: Vec<_> = rest.split_whitespace().collect();
        if let Some(path) = rest.strip_prefix("--from=build ") {
            let source = path.split(' ').next().unwrap();
            let source = source.strip_prefix("/out/usr/local").unwrap_or_else(|| panic!("{rest}"));
            let path = installed.prefix().join(source.trim_start_matches('/'));
            assert!(path.exists(), "{stage}: {rest}: {}", path.display());
            continue;
        }
        let source = words[0];
        assert!(artifact::repository().join(source).exists(), "{stage}: {rest}");
        assert!(!ignored.lines().any(|line| line == source), "{source} is not in the context");
    }
    for needed in ["Cargo.lock", "Makefile", "scripts", "packaging", "README.md", "LICENSE"] {
        assert!(!ignored.lines().any(|line| line == needed), "{needed} is not in the context");
    }
}

#[test]
fn the_image_runs_karin_as_somebody_who_is_not_root() {
    assert_eq!(of("karin", "USER"), ["10001:10001"]);
    let entry = of("karin", "ENTRYPOINT");
    assert_eq!(list(&entry[0]), ["tini", "--", "karin"]);
    assert_eq!(of("karin", "EXPOSE"), ["9324"]);
    let help = gateway::run(&["--help"]).output;
    for variable in of("karin", "ENV")[0].split_whitespace() {
        let (name, value) = variable.split_once('=').unwrap();
        assert!(help.contains(name), "karin does not know {name}={value}");
    }
    let (_, command) = of("karin", "HEALTHCHECK")[0].split_once("CMD ").map(own).unwrap();
    let command = list(&command);
    assert_eq!(command[0], "karin");
    assert!(gateway::run(&[&command[1], "--help"]).status.success(), "{command:?}");
    // The last stage is what is built when none is named.
    assert_eq!(instructions().last().unwrap().2, "karin");
    let version = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(of("karin", "LABEL")[0].contains(&version), "{:?}", of("karin", "LABEL"));
}

fn own((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

/// Shells read the steps; what they run is in the `make` of this tree.
#[test]
fn the_steps_of_the_dockerfile_are_steps() {
    for (stage, _, step) in instructions().into_iter().filter(|(_, word, _)| word == "RUN") {
        let mut command = step.as_str();
        while let Some(rest) = command.strip_prefix("--mount=") {
            command = rest.split_once(' ').unwrap().1.trim_start();
        }
        let read = Command::new("sh").args(["-nc", command]).output().unwrap();
        assert!(read.status.success(), "{stage}: {command}: {read:?}");
        if let Some(arguments) = command.strip_prefix("make ") {
            let mut make = Command::new("make");
            make.arg("--dry-run").args(arguments.split(' ').map(|a| a.replace("$REVISION", "r")));
            let steps = make.current_dir(artifact::repository()).output().unwrap();
            let text = String::from_utf8_lossy(&steps.stdout).into_owned();
            assert!(steps.status.success(), "{text}");
            assert!(text.contains("BUILD_REVISION=r cargo build --release"), "{text}");
            assert!(text.contains("DESTDIR='/out'"), "{text}");
        }
    }
}

/// The step that makes the data directory karin's own, on platforms whose volumes are root's.
#[test]
fn the_volume_stage_becomes_the_user_it_made() {
    let entry = list(&of("volume", "ENTRYPOINT")[0]);
    assert_eq!(entry[..4], ["tini", "--", "sh", "-c"]);
    let directory = tempfile::tempdir().unwrap();
    // Who may not become somebody else stays who they are: the words are the same.
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let group = String::from_utf8(Command::new("id").arg("-gn").output().unwrap().stdout).unwrap();
    let script = entry[4]
        .replace("=karin", "=USER")
        .replace("--group=USER", &format!("--group={}", group.trim()))
        .replace("--regid=USER", &format!("--regid={}", group.trim()))
        .replace("=USER", &format!("={}", user.trim()));
    let script = if user.trim() == "root" { script } else { script.replace("--init-groups", "") };
    let bin = directory.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(artifact::gateway(), bin.join("karin")).unwrap();
    let data = directory.path().join("data");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", &script, &entry[5], "--version"]);
    let run = command.env("PATH", path).env("KARIN_DATA_DIR", &data).output().unwrap();
    assert!(run.status.success(), "{script}: {run:?}");
    assert!(run.stdout.starts_with(b"karin "), "{run:?}");
    assert!(data.is_dir());
}

#[test]
fn compose_builds_stages_that_exist_and_waits_for_what_is_healthy() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        let target = service["build"]["target"].as_str().unwrap();
        assert!(!of(target, "FROM").is_empty(), "{name}: there is no stage {target}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
    }
    let redis = &compose["services"]["redis"];
    assert!(texts(&redis["healthcheck"]["test"])[1].contains("redis-cli PING"));
    let waits = &compose["services"]["karin"]["depends_on"]["redis"]["condition"];
    assert_eq!(waits, "service_healthy");
    // The module is where redis.conf looks for it.
    let conf = std::fs::read_to_string(artifact::repository().join("redis.conf")).unwrap();
    let module = conf.lines().find_map(|line| line.strip_prefix("loadmodule ")).unwrap();
    assert!(of("redis", "COPY")[0].ends_with(module), "{module}");
    assert!(of("redis", "COPY")[1].ends_with("/etc/redis/redis.conf"));
}

#[test]
fn the_example_for_fly_names_options_and_stages_that_exist() {
    let path = artifact::repository().join("packaging/fly.toml");
    let fly: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let help = gateway::run(&["--help"]).output;
    for name in fly["env"].as_table().unwrap().keys() {
        assert!(help.contains(name), "karin does not know {name}");
    }
    let stage = fly["build"]["build-target"].as_str().unwrap();
    assert!(!of(stage, "FROM").is_empty(), "there is no stage {stage}");
    let service = &fly["http_service"];
    let port = service["internal_port"].as_integer().unwrap();
    assert!(of("karin", "ENV")[0].contains(&format!("KARIN_LISTEN=0.0.0.0:{port}")));
    assert_eq!(service["checks"][0]["path"].as_str(), Some("/readyz"));
    let destination = fly["mounts"]["destination"].as_str().unwrap();
    let data = fly["env"]["KARIN_DATA_DIR"].as_str().unwrap();
    assert!(data.starts_with(&format!("{destination}/")), "root owns the mount itself: {data}");
    assert_eq!(fly["vm"][0]["memory"].as_str(), Some("256mb"));
}
