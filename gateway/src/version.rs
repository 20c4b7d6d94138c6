//! Which karin this is.

use std::sync::LazyLock;

/// The version of the workspace, and the revision it was built from where the build was told:
/// `0.1.0`, `0.1.0 (1a2b3c4d5)`.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let version = env!("CARGO_PKG_VERSION");
    match revision() {
        Some(revision) => format!("{version} ({revision})"),
        None => version.to_owned(),
    }
});

/// The revision it was built from, where the build was told.
pub(crate) fn revision() -> Option<&'static str> {
    option_env!("BUILD_REVISION").filter(|revision| !revision.is_empty())
}
