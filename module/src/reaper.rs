//! Frees what is large on a thread of its own: a million messages take tens of milliseconds, which
//! the server would stand still for.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use karin_core::Purged;

/// What is smaller is freed at once, as the server does with its own types.
const LARGE: usize = 64;

/// The thread's inbox; `None`: there is no thread, everything is freed at once.
static INBOX: OnceLock<Option<Sender<Purged>>> = OnceLock::new();

/// Frees what was in a queue, soon.
pub(crate) fn free(purged: Purged) {
    if purged.free_effort() <= LARGE {
        return;
    }
    let inbox = INBOX.get_or_init(|| {
        let (sender, receiver) = channel::<Purged>();
        let thread = std::thread::Builder::new().name("karin-free".to_owned());
        thread.spawn(move || receiver.into_iter().for_each(drop)).ok().map(|_| sender)
    });
    if let Some(inbox) = inbox {
        // If the thread is gone the error brings it back, and it is freed here.
        drop(inbox.send(purged));
    }
}
