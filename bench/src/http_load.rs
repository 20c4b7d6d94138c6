//! A closed-loop HTTP load that costs as little as it can: prepared bytes out, Content-Length in.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A prepared POST to `/`.
pub(crate) fn request(port: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let host = format!("host: 127.0.0.1:{port}\r\n");
    format!("POST / HTTP/1.1\r\n{host}{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Requests per second over `connections` kept-alive connections, each sending its next request
/// when it has its answer.
pub(crate) async fn rate(port: u16, request: &[u8], connections: usize, seconds: f64) -> f64 {
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let mut connection = Connection::open(port).await;
        let request = request.to_vec();
        tasks.spawn(async move {
            let mut answered = 0_u64;
            while Instant::now() < until {
                connection.exchange(&request).await;
                answered += 1;
            }
            answered
        });
    }
    let answered: u64 = tasks.join_all().await.into_iter().sum();
    answered as f64 / started.elapsed().as_secs_f64()
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
        Self { stream, buffer: Vec::with_capacity(4_096) }
    }

    /// Sends a request and reads its answer, which must be a 200.
    pub(crate) async fn exchange(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("write");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("read");
            assert!(read > 0, "the server closed the connection");
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                let length = content_length(&self.buffer[..head]);
                if self.buffer.len() >= head + 4 + length {
                    break;
                }
            }
        }
        let text = String::from_utf8_lossy(&self.buffer);
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    value.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
