//! One connection that many callers share: commands go out in the order of the calls, and the
//! answers come back in that order.
//!
//! What requests that came together ask goes out in one write, and Redis answers it in one: that
//! is what makes many requests cheap.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use redis::{Arg, Cmd, Value};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    select,
    sync::{Notify, oneshot},
    task::{JoinHandle, yield_now},
    time::{Instant, sleep_until},
};

use super::{resp, traffic::CommandTimes};

/// Room for what is read or written at once; buffers that a large message made larger are given
/// back.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a connection is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// It broke; whether the last commands ran is not known.
    #[error("{0}")]
    Broken(Arc<str>),
    /// No answer came for so long.
    #[error("no answer within {0:?}")]
    Silent(Duration),
}

/// The connection. Cheap to clone; closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct Pipeline(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    driver: JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[derive(Debug, Default)]
struct Shared {
    times: Arc<CommandTimes>,
    calls: Mutex<Calls>,
    /// Told of every call.
    called: Notify,
    /// Told of a call when none was waiting.
    begun: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    output: Output,
    /// Whose answers are to come, the next one first.
    waiting: VecDeque<Waiting>,
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Value>,
    /// Where the command's time is counted.
    place: usize,
    since: Instant,
}

/// An argument that is not copied: which one it is of its command, where an empty one keeps its
/// place, and what it says.
pub(super) type Large = (usize, Bytes);

/// Commands on their way to the socket.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    /// What is to be written between these bytes, and how many of them before it.
    between: Vec<Large>,
}

impl Output {
    fn push(&mut self, command: &Cmd, large: &[Large]) {
        if large.is_empty() {
            return command.write_packed_command(&mut self.bytes);
        }
        let arguments = command.args_iter();
        self.push_head(b'*', arguments.len());
        for (index, argument) in arguments.enumerate() {
            if let Some((_, content)) = large.iter().find(|(place, _)| *place == index) {
                self.push_head(b'$', content.len());
                self.between.push((self.bytes.len(), content.clone()));
            } else {
                // Cursors are the only other arguments, and we have none.
                let content = if let Arg::Simple(content) = argument { content } else { b"" };
                self.push_head(b'$', content.len());
                self.bytes.extend_from_slice(content);
            }
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    fn push_head(&mut self, kind: u8, length: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Writes all; then there is room for more.
    async fn write_to(&mut self, mut socket: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut written = 0;
        for (place, content) in self.between.drain(..) {
            socket.write_all(self.bytes.get(written..place).unwrap_or_default()).await?;
            socket.write_all(&content).await?;
            written = place;
        }
        socket.write_all(self.bytes.get(written..).unwrap_or_default()).await?;
        self.bytes.clear();
        self.bytes.shrink_to(BUFFER_BYTES);
        Ok(())
    }
}

impl Calls {
    fn add(&mut self, command: &Cmd, large: &[Large]) -> oneshot::Receiver<Value> {
        let (answer, receiver) = oneshot::channel();
        self.output.push(command, large);
        let place = CommandTimes::place(command);
        self.waiting.push_back(Waiting { answer, place, since: Instant::now() });
        receiver
    }
}

impl Pipeline {
    /// Takes a connection into use. `patience`: after how long without an answer it counts as
    /// lost. How long commands take is counted in `times`. When it is lost, `lost` hears why.
    pub(super) fn start<S>(
        socket: S,
        patience: Duration,
        times: Arc<CommandTimes>,
        lost: impl FnOnce(Lost) + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let shared = Arc::new(Shared { times, ..Shared::default() });
        let ours = Arc::clone(&shared);
        let driver = tokio::spawn(async move { lost(ours.drive(socket, patience).await) });
        Self(Arc::new(Handle { shared, driver }))
    }

    /// Runs a command. An error that Redis answers is a value here. Dropping the future does not
    /// take the command back.
    pub(super) async fn call(&self, command: &Cmd, large: &[Large]) -> Result<Value, Lost> {
        let shared = &self.0.shared;
        let answer = shared.change(|calls| calls.add(command, large))?;
        answer.await.map_err(|_| shared.why_lost())
    }

    /// Runs commands with none of another caller's between them; otherwise as [`Self::call`].
    pub(super) async fn call_all(&self, commands: &[Cmd]) -> Result<Vec<Value>, Lost> {
        let shared = &self.0.shared;
        let add =
            |calls: &mut Calls| commands.iter().map(|c| calls.add(c, &[])).collect::<Vec<_>>();
        let mut answers = Vec::with_capacity(commands.len());
        for answer in shared.change(add)? {
            answers.push(answer.await.map_err(|_| shared.why_lost())?);
        }
        Ok(answers)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        // No change leaves the calls half done, so a panic elsewhere does not spoil them.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds calls, unless the connection is lost.
    fn change<T>(&self, add: impl FnOnce(&mut Calls) -> T) -> Result<T, Lost> {
        let mut calls = self.lock();
        if let Some(lost) = &calls.lost {
            return Err(lost.clone());
        }
        let first = calls.waiting.is_empty();
        let added = add(&mut calls);
        drop(calls);
        self.called.notify_one();
        if first {
            self.begun.notify_one();
        }
        Ok(added)
    }

    fn why_lost(&self) -> Lost {
        self.lock().lost.clone().unwrap_or_else(|| broken("it was closed"))
    }

    /// Carries commands and answers until the connection is lost.
    async fn drive<S: AsyncRead + AsyncWrite>(&self, socket: S, patience: Duration) -> Lost {
        let (reader, writer) = tokio::io::split(socket);
        let lost = select! {
            biased;
            lost = self.read(reader) => lost,
            lost = self.write(writer) => lost,
            lost = self.watch(patience) => lost,
        };
        let mut calls = self.lock();
        calls.lost = Some(lost.clone());
        // Who waits hears it by this.
        calls.waiting.clear();
        lost
    }

    async fn read(&self, mut socket: impl AsyncRead + Unpin) -> Lost {
        let mut buffer = BytesMut::with_capacity(BUFFER_BYTES);
        loop {
            match socket.read_buf(&mut buffer).await {
                Ok(0) => return broken("it was closed"),
                Ok(_) => {}
                Err(error) => return broken(&error.to_string()),
            }
            loop {
                match resp::take(&mut buffer) {
                    Ok(Some(value)) => {
                        let Some(first) = self.lock().waiting.pop_front() else {
                            return broken("an answer that nobody asked for");
                        };
                        self.times.answered(first.place, first.since.elapsed());
                        // The caller may be gone.
                        let _ = first.answer.send(value);
                    }
                    Ok(None) => break,
                    Err(malformed) => return broken(&malformed.to_string()),
                }
            }
            if buffer.is_empty() && buffer.capacity() > BUFFER_BYTES {
                buffer = BytesMut::with_capacity(BUFFER_BYTES);
            }
        }
    }

    async fn write(&self, socket: impl AsyncWrite + Unpin) -> Lost {
        match self.write_on(socket).await {
            Err(error) => broken(&error.to_string()),
        }
    }

    async fn write_on(
        &self,
        mut socket: impl AsyncWrite + Unpin,
    ) -> io::Result<std::convert::Infallible> {
        let mut output = Output::default();
        loop {
            self.called.notified().await;
            // The requests that are ready add what they have first.
            yield_now().await;
            std::mem::swap(&mut self.lock().output, &mut output);
            output.write_to(&mut socket).await?;
        }
    }

    /// Returns when the call that waits longest has waited too long.
    async fn watch(&self, patience: Duration) -> Lost {
        loop {
            let oldest = self.lock().waiting.front().map(|waiting| waiting.since);
            match oldest {
                None => self.begun.notified().await,
                Some(since) if since.elapsed() >= patience => return Lost::Silent(patience),
                Some(since) => sleep_until(since + patience).await,
            }
        }
    }
}

fn broken(why: &str) -> Lost {
    Lost::Broken(why.into())
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const PATIENT: Duration = Duration::from_secs(30);
    const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

    fn started(patience: Duration) -> (Pipeline, DuplexStream, oneshot::Receiver<Lost>) {
        let (ours, server) = duplex(1_024);
        let (told, lost) = oneshot::channel();
        let pipeline = Pipeline::start(ours, patience, Arc::default(), |lost| {
            told.send(lost).unwrap();
        });
        (pipeline, server, lost)
    }

    fn ping(pipeline: &Pipeline) -> JoinHandle<Result<Value, Lost>> {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.call(&redis::cmd("PING"), &[]).await })
    }

    #[tokio::test]
    async fn answers_come_back_in_the_order_of_the_calls() {
        let (pipeline, mut server, _lost) = started(PATIENT);
        let calls = [ping(&pipeline), ping(&pipeline), ping(&pipeline)];
        let mut asked = vec![0; 3 * PING.len()];
        // In one piece: a second read would find nothing.
        assert_eq!(server.read(&mut asked).await.unwrap(), asked.len());
        assert_eq!(asked, PING.repeat(3));
        for byte in b":1\r\n:2\r\n-ERR three\r\n" {
            server.write_all(&[*byte]).await.unwrap();
        }
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().unwrap());
        }
        assert_eq!(answers[..2], [Value::Int(1), Value::Int(2)]);
        assert!(matches!(&answers[2], Value::ServerError(error) if error.code() == "ERR"));
    }

    #[tokio::test]
    async fn a_large_argument_stands_in_its_place_without_being_copied() {
        let (pipeline, mut server, _lost) = started(PATIENT);
        let mut command = redis::cmd("SET");
        command.arg("").arg("k").arg("").arg("");
        let large = [(1, Bytes::from_static(b"one")), (3, Bytes::from_static(b"two"))];
        let call = async { pipeline.call(&command, &large).await };
        let expected = b"*5\r\n$3\r\nSET\r\n$3\r\none\r\n$1\r\nk\r\n$3\r\ntwo\r\n$0\r\n\r\n";
        let asked = [&expected[..], PING, &expected[..]].concat();
        let serve = async {
            let mut heard = vec![0; asked.len()];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&asked));
            server.write_all(b":1\r\n:2\r\n:3\r\n").await.unwrap();
        };
        let again = async { pipeline.call(&command, &large).await };
        let small = async { pipeline.call(&redis::cmd("PING"), &[]).await };
        let (first, second, third, ()) = tokio::join!(call, small, again, serve);
        let answers = [first.unwrap(), second.unwrap(), third.unwrap()];
        assert_eq!(answers, [Value::Int(1), Value::Int(2), Value::Int(3)]);
    }

    #[tokio::test]
    async fn calls_that_belong_together_stand_together() {
        let (pipeline, mut server, _lost) = started(PATIENT);
        let together = {
            let pipeline = pipeline.clone();
            tokio::spawn(async move {
                pipeline.call_all(&[redis::cmd("MULTI"), redis::cmd("EXEC")]).await
            })
        };
        let other = ping(&pipeline);
        let commands = [&b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n"[..], PING].concat();
        let mut asked = vec![0; commands.len()];
        server.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked, commands);
        server.write_all(b"+OK\r\n*0\r\n:3\r\n").await.unwrap();
        let answers = [Value::Okay, Value::Array(vec![])];
        assert_eq!(together.await.unwrap().unwrap(), answers);
        assert_eq!(other.await.unwrap(), Ok(Value::Int(3)));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_fails_the_calls_that_wait_and_those_that_come() {
        let (pipeline, server, lost) = started(PATIENT);
        let waiting = ping(&pipeline);
        tokio::task::yield_now().await;
        drop(server);
        let why = broken("it was closed");
        assert_eq!(waiting.await.unwrap(), Err(why.clone()));
        assert_eq!(lost.await, Ok(why.clone()));
        assert_eq!(ping(&pipeline).await.unwrap(), Err(why));
    }

    #[tokio::test]
    async fn a_redis_that_answers_late_is_lost_and_one_that_is_not_asked_is_not() {
        let patience = Duration::from_millis(30);
        let (pipeline, mut server, mut lost) = started(patience);
        let first = ping(&pipeline);
        server.read_exact(&mut [0; PING.len()]).await.unwrap();
        server.write_all(b":1\r\n").await.unwrap();
        assert_eq!(first.await.unwrap(), Ok(Value::Int(1)));
        tokio::time::sleep(patience * 2).await;
        assert!(lost.try_recv().is_err(), "nobody asked");
        let begun = Instant::now();
        assert_eq!(ping(&pipeline).await.unwrap(), Err(Lost::Silent(patience)));
        assert!(begun.elapsed() >= patience);
        assert_eq!(lost.await, Ok(Lost::Silent(patience)));
    }

    #[tokio::test]
    async fn an_answer_that_is_none_or_that_nobody_asked_for_ends_the_connection() {
        for answer in [&b":1\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n"] {
            let (_pipeline, mut server, lost) = started(PATIENT);
            server.write_all(answer).await.unwrap();
            assert!(matches!(lost.await, Ok(Lost::Broken(_))));
        }
    }

    #[tokio::test]
    async fn a_caller_who_left_does_not_hold_up_the_others() {
        let (pipeline, mut server, _lost) = started(PATIENT);
        let left = ping(&pipeline);
        let mut asked = vec![0; PING.len()];
        server.read_exact(&mut asked).await.unwrap();
        left.abort();
        let stayed = ping(&pipeline);
        server.read_exact(&mut asked).await.unwrap();
        server.write_all(b":1\r\n:2\r\n").await.unwrap();
        assert_eq!(stayed.await.unwrap(), Ok(Value::Int(2)));
    }

    #[tokio::test]
    async fn the_connection_is_closed_with_the_last_clone() {
        let (pipeline, mut server, _lost) = started(PATIENT);
        drop(pipeline.clone());
        drop(pipeline);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
