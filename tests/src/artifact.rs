//! Where the built module and the built gateway are.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The module: `KARIN_MODULE`, else `libkarin.so` of the profile the tests were built with.
pub fn module() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let name = if cfg!(target_os = "macos") { "libkarin.dylib" } else { "libkarin.so" };
    PATH.get_or_init(|| find("KARIN_MODULE", name, &["core", "module"])).clone()
}

/// The gateway: `KARIN_BINARY`, else `karin` of the profile the tests were built with.
pub fn gateway() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("KARIN_BINARY", "karin", &["core", "gateway"])).clone()
}

/// The top of the repository.
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("tests/ is not the root").to_path_buf()
}

fn find(variable: &str, name: &str, packages: &[&str]) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        return path
            .canonicalize()
            .unwrap_or_else(|e| panic!("{variable}: {}: {e}", path.display()));
    }
    // target/<profile>/deps/<test binary>
    let test = std::env::current_exe().expect("the test binary's path");
    let profile = test.ancestors().find(|d| d.join("deps").is_dir()).expect("target/<profile>");
    let path = profile.join(name);
    let built = modified(&path).unwrap_or_else(|| {
        let path = path.display();
        panic!("{path} is missing: cargo build -p karin-module -p karin-gateway")
    });
    for package in packages {
        let sources = newest(&repository().join(package).join("src"));
        if sources.is_some_and(|changed| changed > built) {
            let path = path.display();
            eprintln!("warning: {path} is older than {package}/src; cargo build it again");
        }
    }
    path
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|m| m.modified()).ok()
}

fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = directory.read_dir().ok()?.flatten();
    entries
        .filter_map(|entry| {
            let path = entry.path();
            if path.is_dir() { newest(&path) } else { modified(&path) }
        })
        .max()
}
