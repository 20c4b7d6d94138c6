//! Reads the bodies of requests, with a bound for each and one for all together.
//!
//! A body counts with what has come of it, so a client that announces much and sends little takes
//! little. What all bodies may take is in memory many times over with a few hundred clients who
//! each send the most a request may have, so who finds no room waits a moment, and then hears 503,
//! which SDKs answer with a repetition.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::protocol::limits::REQUEST_BYTES_MAX;

/// Bytes of all bodies together, beyond [`UNCOUNTED_BYTES`] of each.
const ROOM_BYTES: usize = 64 * 1024 * 1024;
/// What is always taken of a body: nearly every request is smaller, and none of those should ever
/// wait for one that is large.
const UNCOUNTED_BYTES: usize = 16 * 1024;
/// How long one body may take.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a body may wait for room.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);
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
pub struct Place(Option<OwnedSemaphorePermit>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES)))
    }
}

impl Room {
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
        let (mut whole, mut length) = (Whole::default(), 0);
        let (mut place, mut is_wanted) = (Place::default(), Some(is_wanted));
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            let before = length;
            length += frame.len();
            if length > REQUEST_BYTES_MAX {
                return Err(BodyError::TooLarge);
            }
            let counted = length.saturating_sub(UNCOUNTED_BYTES.max(before));
            if counted > 0 {
                if is_wanted.take().is_some_and(|is_wanted| !is_wanted()) {
                    return Err(BodyError::Unwanted);
                }
                self.take(&mut place, counted).await?;
            }
            whole.push(frame);
        }
        Ok((whole.bytes(), place))
    }

    async fn take(&self, place: &mut Place, bytes: usize) -> Result<(), BodyError> {
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::TooLarge)?;
        let more = timeout(ROOM_TIMEOUT, Arc::clone(&self.0).acquire_many_owned(bytes)).await;
        // The semaphore is never closed.
        let Ok(Ok(more)) = more else { return Err(BodyError::Crowded) };
        match &mut place.0 {
            Some(taken) => taken.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
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
    fn push(&mut self, frame: Bytes) {
        match self {
            Self::OneFrame(first) if first.is_empty() => *first = frame,
            Self::OneFrame(first) => {
                let mut joined = BytesMut::with_capacity((first.len() + frame.len()) * 2);
                joined.extend_from_slice(first);
                joined.extend_from_slice(&frame);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.extend_from_slice(&frame),
        }
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
