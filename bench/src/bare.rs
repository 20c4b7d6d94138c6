//! The reference for SendMessage: the least a server can do that takes a body over HTTP and keeps
//! it in Redis. Bare hyper, one multiplexed connection, one XADD a request, a constant answer.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// As long as SQS's answer to SendMessage.
const ANSWER: [u8; 106] = [b'x'; 106];

/// Serves for ever on `listener`. Runs as a process of its own (`karin-bench --bare PORT URL`), so
/// that it has what karin has: its own threads.
pub(crate) async fn serve(listener: TcpListener, redis_url: &str) {
    let client = redis::Client::open(redis_url).expect("a Redis URL");
    let connection = client.get_multiplexed_async_connection().await.expect("Redis");
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let connection = connection.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let mut connection = connection.clone();
                async move {
                    let body = request.into_body().collect().await.expect("body").to_bytes();
                    let mut add = redis::cmd("XADD");
                    add.arg("stream").arg("*").arg("field").arg(&body[..]);
                    let _: String = add.query_async(&mut connection).await.expect("XADD");
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&ANSWER))))
                }
            });
            let io = TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}
