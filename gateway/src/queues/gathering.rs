//! A socket that lets commands gather before it writes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes only after all tasks that are ready now have run: what requests that came together send
/// goes out in one write, and Redis answers it in one. Costs nothing when there is just one.
#[derive(Debug)]
pub(super) struct Gathering<S> {
    socket: S,
    /// The others had their turn since the last write.
    gathered: bool,
}

impl<S> Gathering<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, gathered: false }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.gathered {
            self.gathered = true;
            // A task that wakes itself goes behind those that are ready.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.gathered = written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Keeps each write by itself.
    #[derive(Debug, Clone, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl AsyncWrite for Writes {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_write_lets_the_others_run_first_and_each_write_does() {
        let writes = Writes::default();
        let mut socket = Gathering::new(writes.clone());
        let sends = tokio::spawn(async move {
            socket.write_all(b"one").await.unwrap();
            socket.write_all(b"two").await.unwrap();
        });
        let seen = writes.clone();
        let others = tokio::spawn(async move {
            let before = seen.0.lock().unwrap().clone();
            tokio::task::yield_now().await;
            let after = seen.0.lock().unwrap().clone();
            (before, after)
        });
        sends.await.unwrap();
        assert_eq!(others.await.unwrap(), (vec![], vec![b"one".to_vec()]));
        assert_eq!(*writes.0.lock().unwrap(), [b"one".to_vec(), b"two".to_vec()]);
    }
}
