//! The reference over HTTP: the least a server can do that takes bodies over HTTP and keeps them in
//! Redis. Bare hyper, one multiplexed connection, the same work done with a stream.
//!
//! `/`: one XADD. `/send`: one XADD a line, pipelined. `/receive`: XREADGROUP COUNT 10; a line a
//! message, its id and its body. `/receive-one`: COUNT 1. `/delete`: XACK and XDEL of an id a line.

use std::convert::Infallible;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use karin_tests::redis::RedisServer;
use karin_tests::{port, wait};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Value};
use tokio::net::TcpListener;

/// As long as SQS's answer to SendMessage.
const ANSWER: [u8; 106] = [b'x'; 106];
/// The stream.
pub(crate) const STREAM: &str = "stream";
const GROUP: &str = "group";

/// The reference as a process of its own: this program, told to be it (`--bare PORT URL`), so that
/// it has what karin has: its own threads.
#[derive(Debug)]
pub(crate) struct Bare {
    process: Child,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Bare {
    pub(crate) fn start(redis: &RedisServer) -> Self {
        empty(redis);
        let port = port::free();
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--bare", &port.to_string(), &redis.url()])
            .stdout(Stdio::null())
            .spawn()
            .expect("this program once more");
        wait::until(Duration::from_secs(10), "the reference server", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { process, port }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Empties the stream, and makes its group.
pub(crate) fn empty(redis: &RedisServer) {
    redis.cli(&["DEL", STREAM]);
    redis.cli(&["XGROUP", "CREATE", STREAM, GROUP, "$", "MKSTREAM"]);
}

/// Serves for ever on `listener`.
pub(crate) async fn serve(listener: TcpListener, redis_url: &str) {
    let client = redis::Client::open(redis_url).expect("a Redis URL");
    // By itself it gives up after half a second, which a busy machine can take.
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&patient);
    let connection = connection.await.expect("Redis");
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let connection = connection.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let connection = connection.clone();
                async move { Ok::<_, Infallible>(answer(request, connection).await) }
            });
            let io = TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    mut connection: MultiplexedConnection,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("body").to_bytes();
    let answer = match parts.uri.path() {
        "/send" => send(&body, &mut connection).await,
        "/receive" => receive(10, &mut connection).await,
        "/receive-one" => receive(1, &mut connection).await,
        "/delete" => delete(&body, &mut connection).await,
        _ => {
            let mut add = redis::cmd("XADD");
            add.arg(STREAM).arg("*").arg("field").arg(&body[..]);
            let _: String = add.query_async(&mut connection).await.expect("XADD");
            Bytes::from_static(&ANSWER)
        }
    };
    Response::new(Full::new(answer))
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|&byte| byte == b'\n')
}

async fn send(body: &[u8], connection: &mut MultiplexedConnection) -> Bytes {
    let mut pipe = redis::pipe();
    for line in lines(body) {
        pipe.cmd("XADD").arg(STREAM).arg("*").arg("field").arg(line);
    }
    let ids: Vec<String> = pipe.query_async(connection).await.expect("XADD");
    ids.join("\n").into()
}

async fn receive(count: usize, connection: &mut MultiplexedConnection) -> Bytes {
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg("consumer").arg("COUNT").arg(count);
    read.arg("STREAMS").arg(STREAM).arg(">");
    let reply: Value = read.query_async(connection).await.expect("XREADGROUP");
    let mut answer = Vec::new();
    // [[stream, [[id, [field, body]], …]]], nothing if there is nothing.
    for message in items(reply).into_iter().flat_map(|stream| items(last(stream))) {
        let mut message = items(message).into_iter();
        let (Some(Value::BulkString(id)), Some(fields)) = (message.next(), message.next()) else {
            panic!("no message");
        };
        let Value::BulkString(body) = last(fields) else { panic!("no body") };
        answer.reserve(id.len() + body.len() + 2);
        answer.extend_from_slice(&id);
        answer.push(b' ');
        answer.extend_from_slice(&body);
        answer.push(b'\n');
    }
    answer.into()
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Nil => Vec::new(),
        other => panic!("no array: {other:?}"),
    }
}

fn last(value: Value) -> Value {
    items(value).pop().expect("an element")
}

async fn delete(body: &[u8], connection: &mut MultiplexedConnection) -> Bytes {
    let mut pipe = redis::pipe();
    pipe.cmd("XACK").arg(STREAM).arg(GROUP);
    lines(body).for_each(|id| {
        pipe.arg(id);
    });
    pipe.cmd("XDEL").arg(STREAM);
    lines(body).for_each(|id| {
        pipe.arg(id);
    });
    let counts: Vec<u64> = pipe.query_async(connection).await.expect("XACK and XDEL");
    assert!(counts.iter().all(|&count| count > 0), "nothing was deleted: {counts:?}");
    Bytes::from_static(&ANSWER)
}
