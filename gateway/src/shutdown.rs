//! Being told to stop.

use tokio::sync::watch;

/// Asks everything that holds the matching [`Shutdown`] to stop.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Knows whether it is time to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// The two ends: one asks, any number listen.
pub fn channel() -> (Stop, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Shutdown(receiver))
}

impl Stop {
    /// Asks. Asking twice changes nothing.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns once stopping was asked for, at once if it was already.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means the asker is gone, which is an end as well.
        let _ = receiver.wait_for(|&asked| asked).await;
    }

    /// Whether stopping was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}
