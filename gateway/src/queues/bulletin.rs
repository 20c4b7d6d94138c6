//! What gateways of one Redis tell each other, over the one subscription connection there is.
//!
//! Nothing is kept: who does not listen at that moment misses it, and is told so by
//! [`Notice::Subscribed`] when it listens again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::{QueueError, Queues, reply};

/// The channel of all gateways, after the prefix; the number of a database that is not the first
/// follows, since channels know no databases.
const GATEWAYS: &str = "gateways";
/// What the channel only one gateway listens to starts with, after the prefix; its name follows.
const GATEWAY: &str = "gw:";
/// Notices that wait for the reader at most. One that does not keep up is made to start anew.
const NOTICES_MAX: usize = 4_096;
/// What Redis says to a user who may not.
const FORBIDDEN: &str = "NOPERM";

/// Something the reader of the bulletin hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// From now on all is heard. What was said before may have been missed.
    Subscribed,
    /// Somebody said this; it may have been the reader's own gateway.
    Said(Vec<u8>),
    /// Nothing is heard although Redis is there, and why.
    Deaf(String),
    /// Redis is away.
    Away,
}

/// Why something could not be said.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// This user of Redis may not, for people.
    #[error("{0}")]
    Forbidden(String),
    /// It may work another time.
    #[error(transparent)]
    Failed(QueueError),
}

/// The reader's end.
#[derive(Debug)]
pub struct Bulletin(mpsc::Receiver<Notice>);

impl Bulletin {
    /// The next notice; never returns once there cannot be any more.
    pub async fn next(&mut self) -> Notice {
        match self.0.recv().await {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }
}

/// The listener's end.
#[derive(Debug, Default)]
pub(super) struct Board {
    reader: Mutex<Option<Reader>>,
    /// Told when there is a reader.
    hung: Notify,
}

#[derive(Debug)]
struct Reader {
    channels: [String; 2],
    notices: mpsc::Sender<Notice>,
}

impl Board {
    fn read(&self, channels: [String; 2]) -> Bulletin {
        let (notices, receiver) = mpsc::channel(NOTICES_MAX);
        *self.reader() = Some(Reader { channels, notices });
        self.hung.notify_one();
        Bulletin(receiver)
    }

    /// The channels to listen to, once somebody reads.
    pub(super) async fn wanted(&self) -> [String; 2] {
        loop {
            if let Some(reader) = &*self.reader() {
                return reader.channels.clone();
            }
            self.hung.notified().await;
        }
    }

    /// Takes a message, if it is one for the reader. Errors: the reader does not keep up.
    pub(super) fn hear(&self, channel: &str, payload: &[u8]) -> Option<Result<(), String>> {
        let is_for_all = match &self.reader().as_ref()?.channels {
            [all, _] if channel == all => true,
            [_, own] if channel == own => false,
            _ => return None,
        };
        Some(if is_for_all { self.post(Notice::Said(payload.to_vec())) } else { Ok(()) })
    }

    /// Errors: the reader does not keep up.
    pub(super) fn post(&self, notice: Notice) -> Result<(), String> {
        let mut reader = self.reader();
        let Some(sender) = reader.as_ref().map(|reader| &reader.notices) else { return Ok(()) };
        match sender.try_send(notice) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err("too much at a time was said".into()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                *reader = None;
                Ok(())
            }
        }
    }

    fn reader(&self) -> MutexGuard<'_, Option<Reader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// Begins to listen to what gateways tell each other, under a name of our own, which
    /// [`Queues::absent`] asks for. There is one reader; a second one takes the first one's place.
    pub fn bulletin(&self, name: &str) -> Bulletin {
        self.0.board.read([self.gateways(), self.gateway(name)])
    }

    /// Tells all gateways, this one included. Returns how many hear it.
    pub async fn tell(&self, payload: &str) -> Result<u64, TellError> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(self.gateways()).arg(payload);
        let heard = self.0.client.call(&command).await.and_then(|heard| reply::number(&heard));
        heard.map_err(|error| match error {
            QueueError::Unavailable(why) if why.starts_with(FORBIDDEN) => TellError::Forbidden(why),
            error => TellError::Failed(error),
        })
    }

    /// Which of these names no gateway listens under.
    pub async fn absent(&self, names: &[String]) -> Result<Vec<String>, QueueError> {
        let mut command = redis::cmd("PUBSUB");
        command.arg("NUMSUB");
        for name in names {
            command.arg(self.gateway(name));
        }
        let counts = reply::numbers(self.0.client.call_idempotent(&command).await?)?;
        let absent = names.iter().zip(counts).filter(|(_, (_, listeners))| *listeners == 0);
        Ok(absent.map(|(name, _)| name.clone()).collect())
    }

    fn gateways(&self) -> String {
        match self.0.client.database() {
            0 => self.0.naming.own(GATEWAYS),
            database => self.0.naming.own(&format!("{GATEWAYS}:{database}")),
        }
    }

    /// The channel of one gateway, and the key of what it shows of itself.
    pub(super) fn gateway(&self, name: &str) -> String {
        self.0.naming.own(&format!("{GATEWAY}{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels() -> [String; 2] {
        ["karin:gateways", "karin:gw:7"].map(str::to_owned)
    }

    #[tokio::test]
    async fn what_is_said_reaches_the_reader_and_nothing_else_does() {
        let board = Board::default();
        assert_eq!(board.hear("karin:gateways", b"x"), None, "nobody reads");
        assert_eq!(board.post(Notice::Subscribed), Ok(()));
        let mut bulletin = board.read(channels());
        assert_eq!(board.wanted().await, ["karin:gateways", "karin:gw:7"]);
        assert_eq!(board.hear("karin:gateways", b"x"), Some(Ok(())));
        assert_eq!(board.hear("karin:gw:7", b"y"), Some(Ok(())));
        assert_eq!(board.hear("karin:due:karin:{q}", b"0 1"), None);
        board.post(Notice::Away).unwrap();
        assert_eq!(bulletin.next().await, Notice::Said(b"x".to_vec()));
        assert_eq!(bulletin.next().await, Notice::Away);
    }

    #[test]
    fn a_reader_who_does_not_keep_up_is_found_out_and_one_who_left_is_forgotten() {
        let board = Board::default();
        let bulletin = board.read(channels());
        for _ in 0..NOTICES_MAX {
            assert_eq!(board.post(Notice::Subscribed), Ok(()));
        }
        assert!(board.post(Notice::Subscribed).is_err());
        drop(bulletin);
        assert_eq!(board.post(Notice::Subscribed), Ok(()));
        assert_eq!(board.hear("karin:gateways", b"x"), None);
    }
}
