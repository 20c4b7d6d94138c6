//! Which of several gateways serves which mapping.
//!
//! Source: design §4, "Several gateways".

/// The gateways that are alive, as this one sees them.
#[derive(Debug)]
pub(super) struct Fleet(());

impl Fleet {
    /// Only this one.
    pub(super) fn alone() -> Self {
        Self(())
    }

    /// Tells the others which mappings this one can serve.
    pub(super) fn announce(&self, _mappings: &[String]) {}

    /// Whether this one serves the mapping with this UUID.
    pub(super) fn owns(&self, _mapping: &str) -> bool {
        true
    }

    /// Returns when [`Fleet::owns`] may answer otherwise than before.
    pub(super) async fn changed(&self) {
        std::future::pending().await
    }
}
