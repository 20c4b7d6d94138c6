//! What the manifests must say.

use toml::{Table, Value};

use super::File;

/// What each package must not depend on. Core: no Redis, no runtime, no serialisation, no
/// randomness, no other package of ours. Module and gateway never meet.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    (
        "core",
        &[
            "getrandom",
            "karin-gateway",
            "karin-module",
            "rand",
            "redis",
            "redis-module",
            "serde",
            "serde_json",
            "tokio",
        ],
    ),
    ("module", &["hyper", "karin-gateway", "redis", "tokio"]),
    ("gateway", &["karin-module", "redis-module"]),
];

/// Those of the project; an example stands alone, as its reader will have it.
fn manifests(files: &[File]) -> impl Iterator<Item = (&File, Table)> {
    let manifests = files.iter().filter(|f| f.path.ends_with("/Cargo.toml"));
    let manifests = manifests.filter(|f| !f.path.starts_with("examples/"));
    manifests.map(|file| {
        let table = file.text.parse();
        (file, table.unwrap_or_else(|e| panic!("{}: {e}", file.path)))
    })
}

/// (name, specification) of every dependency of every kind.
fn dependencies(manifest: &Table) -> Vec<(&String, &Value)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = kinds.iter().filter_map(|kind| manifest.get(*kind)?.as_table());
    tables.flatten().collect()
}

pub(super) fn core_and_module_and_gateway_depend_in_one_direction(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for (package, forbidden) in FORBIDDEN {
        for (file, manifest) in manifests(files).filter(|(f, _)| f.path.starts_with(package)) {
            for (name, _) in dependencies(&manifest) {
                if forbidden.contains(&name.as_str()) {
                    violations.push(format!("{}: must not depend on {name}", file.path));
                }
            }
        }
    }
    violations
}

pub(super) fn versions_stand_only_in_the_workspace_table(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for (file, manifest) in manifests(files) {
        for (name, specification) in dependencies(&manifest) {
            let shared = specification.get("workspace").and_then(Value::as_bool);
            if shared != Some(true) {
                let path = &file.path;
                violations.push(format!("{path}: {name}: its version stands in Cargo.toml"));
            }
        }
    }
    violations
}

pub(super) fn every_package_takes_the_lints_of_the_workspace(files: &[File]) -> Vec<String> {
    let without = manifests(files).filter(|(_, manifest)| {
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        lints.and_then(Value::as_bool) != Some(true)
    });
    without.map(|(file, _)| format!("{}: takes no lints from the workspace", file.path)).collect()
}

pub(super) fn an_allowed_lint_carries_its_reason(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|f| f.path == "Cargo.toml") {
        for (number, line) in file.lines() {
            if line.contains("\"allow\"") && !line.contains("# ") {
                violations.push(format!("Cargo.toml:{number}: an allow without its reason"));
            }
        }
    }
    violations
}
