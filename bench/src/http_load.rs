//! HTTP loads that cost as little as they can: prepared bytes out, Content-Length in.
//!
//! A closed loop tells the highest rate: each connection sends its next request when it has its
//! answer. An open loop tells latencies: requests begin when they are to begin, whatever became of
//! those before, and each latency counts from there. So a server that stops for a while is late
//! for all who would have come meanwhile, not for one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Requests that are sent in turn.
pub(crate) type Pool = Arc<[Vec<u8>]>;

/// A prepared POST.
pub(crate) fn post(port: u16, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let host = format!("host: 127.0.0.1:{port}\r\n");
    let head = format!("POST {path} HTTP/1.1\r\n{host}{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A prepared POST to `/`.
pub(crate) fn request(port: u16, headers: &str, body: &str) -> Vec<u8> {
    post(port, "/", headers, body)
}

/// A prepared action of SQS in the JSON protocol.
pub(crate) fn json(port: u16, action: &str, body: &str) -> Vec<u8> {
    let kind = "content-type: application/x-amz-json-1.0\r\n";
    request(port, &format!("{kind}x-amz-target: AmazonSQS.{action}\r\n"), body)
}

/// Requests per second of a closed loop over `connections` kept-alive connections.
pub(crate) async fn rate(port: u16, pool: &Pool, connections: usize, seconds: f64) -> f64 {
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for first in 0..connections {
        let mut connection = Connection::open(port).await;
        let pool = Arc::clone(pool);
        tasks.spawn(async move {
            let mut answered = 0;
            while Instant::now() < until {
                // Each begins elsewhere, so that not all send the same at the same time.
                connection.exchange(&pool[(first * 31 + answered) % pool.len()]).await;
                answered += 1;
            }
            answered
        });
    }
    let answered: usize = tasks.join_all().await.into_iter().sum();
    answered as f64 / started.elapsed().as_secs_f64()
}

/// Latencies in milliseconds of an open loop of `rate` requests per second, each from when it was
/// to begin until its answer.
pub(crate) async fn latencies_ms(
    port: u16,
    pool: &Pool,
    connections: usize,
    rate: f64,
    seconds: f64,
) -> Vec<f64> {
    let mut tasks = JoinSet::new();
    let mut turns = Vec::new();
    for _ in 0..connections {
        let (turn, ours) = unbounded_channel();
        turns.push(turn);
        tasks.spawn(answer_turns(Connection::open(port).await, Arc::clone(pool), ours));
    }
    pace(turns, rate, (rate * seconds) as usize);
    tasks.join_all().await.concat()
}

async fn answer_turns(
    mut connection: Connection,
    pool: Pool,
    mut turns: UnboundedReceiver<Turn>,
) -> Vec<f64> {
    let mut latencies_ms = Vec::new();
    while let Some(turn) = turns.recv().await {
        connection.exchange(&pool[turn.number % pool.len()]).await;
        latencies_ms.push(turn.begin.elapsed().as_secs_f64() * 1_000.0);
    }
    latencies_ms
}

/// One request of an open loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// Which one, from 0.
    pub(crate) number: usize,
    /// When it was to begin.
    pub(crate) begin: Instant,
}

/// Hands out `count` turns, `rate` a second, one receiver after the other. A thread of its own:
/// the runtime's timers know whole milliseconds only.
pub(crate) fn pace(turns: Vec<UnboundedSender<Turn>>, rate: f64, count: usize) {
    thread::spawn(move || {
        let start = Instant::now();
        for number in 0..count {
            let begin = start + Duration::from_secs_f64(number as f64 / rate);
            // What is late goes at once, and is late.
            thread::sleep(begin.saturating_duration_since(Instant::now()));
            if turns[number % turns.len()].send(Turn { number, begin }).is_err() {
                return;
            }
        }
    });
}

/// One kept-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends a request and reads its answer, which must be a 200. Returns the answer's body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.expect("write");
        self.buffer.clear();
        let body = loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("read");
            assert!(read > 0, "the server closed the connection");
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                let body = head + 4;
                let missing = body + content_length(&self.buffer[..body]);
                if self.buffer.len() >= missing {
                    break body;
                }
                self.buffer.reserve(missing - self.buffer.len());
            }
        };
        let ok = self.buffer.starts_with(b"HTTP/1.1 200");
        assert!(ok, "{}", String::from_utf8_lossy(&self.buffer));
        &self.buffer[body..]
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|&byte| byte == b'\n');
    let named = |line: &&[u8]| line.get(..NAME.len()).is_some_and(|n| n.eq_ignore_ascii_case(NAME));
    let value = lines.into_iter().find(named).map(|line| line[NAME.len()..].trim_ascii());
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Where `needle` begins.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What stands between each `start` and the `end` after it.
pub(crate) fn between<'a>(text: &'a [u8], start: &[u8], end: u8) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, start) {
        rest = &rest[at + start.len()..];
        let length = rest.iter().position(|&byte| byte == end).unwrap_or(rest.len());
        found.push(&rest[..length]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{between, content_length, pace, unbounded_channel};

    #[test]
    fn the_length_is_read_whatever_the_case_of_its_header() {
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nx: y\r\n\r\n"), 17);
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length:3\r\n\r\n"), 3);
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\n\r\n"), 0);
    }

    #[test]
    fn all_that_stands_between_two_marks_is_found() {
        let found = between(br#"{"R":"one","B":"x","R":"two"}"#, br#""R":""#, b'"');
        assert_eq!(found, [b"one", b"two"]);
    }

    #[test]
    fn turns_begin_when_they_are_to_and_go_to_each_in_turn() {
        let (one, mut ones) = unbounded_channel();
        let (two, mut twos) = unbounded_channel();
        pace(vec![one, two], 10_000.0, 5);
        let ones: Vec<_> = std::iter::from_fn(|| ones.blocking_recv()).collect();
        let twos: Vec<_> = std::iter::from_fn(|| twos.blocking_recv()).collect();
        assert_eq!(ones.iter().map(|turn| turn.number).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(twos.iter().map(|turn| turn.number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((ones[2].begin - ones[0].begin).as_micros(), 400);
    }
}
