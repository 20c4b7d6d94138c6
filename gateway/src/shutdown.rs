//! Being told to stop.

use tokio::sync::watch;

/// How far it has come with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Everything is done as ever, and everybody is told to go elsewhere.
    Leaving,
    Stopping,
}

/// Asks everything that holds the matching [`Shutdown`] to stop.
#[derive(Debug)]
pub struct Stop(watch::Sender<Phase>);

/// Knows whether it is time to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// The two ends: one asks, any number listen.
pub fn channel() -> (Stop, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Stop(sender), Shutdown(receiver))
}

impl Stop {
    /// Tells that it will be asked soon.
    pub fn announce(&self) {
        self.reach(Phase::Leaving);
    }

    /// Asks. Asking twice changes nothing.
    pub fn request(&self) {
        self.reach(Phase::Stopping);
    }

    fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let is_later = *now < phase;
            *now = phase.max(*now);
            is_later
        });
    }
}

impl Shutdown {
    /// Returns once stopping was asked for, at once if it was already.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means the asker is gone, which is an end as well.
        let _ = receiver.wait_for(|phase| *phase == Phase::Stopping).await;
    }

    /// Whether stopping was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() == Phase::Stopping
    }

    /// Whether stopping was asked for or announced: who comes should go elsewhere next time.
    pub fn is_announced(&self) -> bool {
        *self.0.borrow() >= Phase::Leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_comes_before_the_end_and_never_after_it() {
        let (stop, shutdown) = channel();
        assert!(!shutdown.is_announced());
        stop.announce();
        assert!(shutdown.is_announced() && !shutdown.is_requested());
        stop.request();
        stop.announce();
        assert!(shutdown.is_announced() && shutdown.is_requested());
    }
}
