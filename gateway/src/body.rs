//! Reads the bodies of requests, with a bound for each and one for all together.
//!
//! A few hundred clients who each send the most a request may have would take a small machine's
//! memory. So who sends a large body gets room for all of it before it is read, in the order they
//! came, and what has room is soon read and gone. Who then does not send it keeps room only for
//! what has come, and gets more piece by piece. Who finds no room for long hears 503, which SDKs
//! answer with a repetition.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::protocol::limits::REQUEST_BYTES_MAX;

/// Bytes of all bodies together, beyond [`UNCOUNTED_BYTES`] of each.
const ROOM_BYTES: usize = 64 * 1024 * 1024;
/// What is always taken of a body: nearly every request is smaller, and none of those should ever
/// wait for one that is large.
const UNCOUNTED_BYTES: usize = 64 * 1024;
/// How long one body may take.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a body may wait for room.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);
/// How long room is kept for what was announced and has not come.
const RESERVED_FOR: Duration = Duration::from_secs(1);
/// How much of a body that is not wanted is still read, so that the client hears the answer
/// instead of a broken connection.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The client has gone, or what it sent is no HTTP.
    Broken,
    /// There was no room for it.
    Crowded,
    /// It did not come in time.
    Slow,
    /// It has more than [`REQUEST_BYTES_MAX`] bytes.
    TooLarge,
    /// It is no small one, and its sender may not do anything.
    Unwanted,
}

/// The room that all bodies share.
#[derive(Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// The room of one body; free again when dropped.
#[derive(Debug, Default)]
pub struct Place {
    permit: Option<OwnedSemaphorePermit>,
    /// Bytes it is enough for, besides those that need none.
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES)))
    }
}

impl Room {
    /// Bytes that are taken now, of bodies that are not small.
    pub(crate) fn held_bytes(&self) -> usize {
        ROOM_BYTES.saturating_sub(self.0.available_permits())
    }

    /// Reads a body; one frame's bytes are not copied. The place is to be kept as long as the
    /// bytes. `is_wanted` is asked once, of a body that is not small.
    ///
    /// Errors: [`BodyError`]. But for [`BodyError::Broken`] and [`BodyError::Slow`] the rest of
    /// the body was read, within a bound.
    pub(crate) async fn read(
        &self,
        mut body: Incoming,
        is_wanted: impl FnOnce() -> bool,
    ) -> Result<(Bytes, Place), BodyError> {
        let whole = async {
            let read = self.read_whole(&mut body, is_wanted).await;
            if let Err(BodyError::Crowded | BodyError::TooLarge | BodyError::Unwanted) = read {
                discard(&mut body).await;
            }
            read
        };
        timeout(BODY_TIMEOUT, whole).await.unwrap_or(Err(BodyError::Slow))
    }

    async fn read_whole(
        &self,
        body: &mut Incoming,
        is_wanted: impl FnOnce() -> bool,
    ) -> Result<(Bytes, Place), BodyError> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > REQUEST_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        let (mut whole, mut place) = (Whole::default(), Place::default());
        let mut is_wanted = Some(is_wanted);
        let mut reserved_until = None;
        loop {
            let frame = match reserved_until {
                Some(end) => timeout_at(end, body.frame()).await,
                None => Ok(body.frame().await),
            };
            let Ok(frame) = frame else {
                place.keep(whole.counted());
                reserved_until = None;
                continue;
            };
            let Some(frame) = frame else { return Ok((whole.bytes(), place)) };
            let Ok(frame) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            whole.push(frame, announced);
            if whole.len() > REQUEST_BYTES_MAX {
                return Err(BodyError::TooLarge);
            }
            if whole.len().max(announced) <= UNCOUNTED_BYTES {
                continue;
            }
            if let Some(is_wanted) = is_wanted.take() {
                if !is_wanted() {
                    return Err(BodyError::Unwanted);
                }
                self.take(&mut place, counted(announced)).await?;
                reserved_until = Some(Instant::now() + RESERVED_FOR);
            }
            self.take(&mut place, whole.counted()).await?;
        }
    }

    /// Makes a place large enough.
    async fn take(&self, place: &mut Place, bytes: usize) -> Result<(), BodyError> {
        let more = u32::try_from(bytes.saturating_sub(place.bytes)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        let more = timeout(ROOM_TIMEOUT, Arc::clone(&self.0).acquire_many_owned(more)).await;
        // The semaphore is never closed.
        let Ok(Ok(more)) = more else { return Err(BodyError::Crowded) };
        match &mut place.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        place.bytes = bytes;
        Ok(())
    }
}

impl Place {
    /// Gives back what is more than that.
    fn keep(&mut self, bytes: usize) {
        let unused = self.bytes.saturating_sub(bytes);
        drop(self.permit.as_mut().and_then(|permit| permit.split(unused)));
        self.bytes -= unused;
    }
}

/// How many of a body's bytes need room.
fn counted(length: usize) -> usize {
    length.saturating_sub(UNCOUNTED_BYTES)
}

/// What has come of a body. A list of frames would be many times larger than what is in them, if
/// a client sends each byte as a chunk of its own.
#[derive(Debug)]
enum Whole {
    OneFrame(Bytes),
    Joined(BytesMut),
}

impl Default for Whole {
    fn default() -> Self {
        Self::OneFrame(Bytes::new())
    }
}

impl Whole {
    fn push(&mut self, frame: Bytes, announced: usize) {
        match self {
            Self::OneFrame(first) if first.is_empty() => *first = frame,
            Self::OneFrame(first) => {
                let capacity = announced.max(first.len() + frame.len());
                let mut joined = BytesMut::with_capacity(capacity);
                joined.extend_from_slice(first);
                joined.extend_from_slice(&frame);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.extend_from_slice(&frame),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::OneFrame(frame) => frame.len(),
            Self::Joined(joined) => joined.len(),
        }
    }

    fn counted(&self) -> usize {
        counted(self.len())
    }

    fn bytes(self) -> Bytes {
        match self {
            Self::OneFrame(frame) => frame,
            Self::Joined(joined) => joined.freeze(),
        }
    }
}

async fn discard(body: &mut Incoming) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARDED_BYTES_MAX {
            return;
        }
    }
}
