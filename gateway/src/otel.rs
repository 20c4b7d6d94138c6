//! Spans of requests and invocations for OpenTelemetry, in a build with the feature `otel`.
//!
//! They go out as OTLP over HTTP to `OTEL_EXPORTER_OTLP_ENDPOINT`, and nowhere if that is not set.
//! A span is made when what it is about is over, so it costs nothing meanwhile. An invocation is a
//! part of the trace its message came with: AWS's trace header has ids of the same size.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

/// The variables that name the collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// A collector's answer is a few bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// How long the last spans may take to leave when karin ends.
const FLUSH_MAX: Duration = Duration::from_secs(2);

static TRACER: OnceLock<(SdkTracerProvider, SdkTracer)> = OnceLock::new();

/// Starts exporting, if a collector is named. To be called within the runtime.
///
/// Errors: the configuration, in words.
pub(crate) fn start() -> Result<(), String> {
    let is_named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !ENDPOINTS.into_iter().any(is_named) {
        return Ok(());
    }
    let exporter = SpanExporter::builder().with_http().with_http_client(Courier::new()).build();
    let exporter = exporter.map_err(|error| format!("OpenTelemetry: {error}"))?;
    let resource = Resource::builder().with_service_name("karin").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
    let provider = provider.with_resource(resource).build();
    let tracer = provider.tracer("karin");
    // A second start in one process, as in tests, keeps the first one's.
    let _first = TRACER.set((provider, tracer));
    Ok(())
}

/// Sends what is left, within a bound.
pub(crate) async fn stop() {
    let flush = tokio::task::spawn_blocking(|| {
        TRACER.get().map(|(provider, _)| provider.shutdown_with_timeout(FLUSH_MAX))
    });
    if let Ok(Some(Err(error))) = flush.await {
        tracing::warn!("the last spans did not leave: {error}");
    }
}

/// A request was answered after so long; `refused` is the code if it was not served.
pub(crate) fn request(
    (service, action): (&'static str, &'static str),
    queue: Option<&str>,
    request_id: &str,
    refused: Option<&'static str>,
    took: Duration,
) {
    let mut attributes = vec![
        KeyValue::new("rpc.system", "aws-api"),
        KeyValue::new("rpc.service", service),
        KeyValue::new("rpc.method", action),
        KeyValue::new("aws.request_id", request_id.to_owned()),
    ];
    attributes.extend(queue.map(|q| KeyValue::new("messaging.destination.name", q.to_owned())));
    end(format!("{service}.{action}"), SpanKind::Server, attributes, refused, took, None);
}

/// An invocation with so many messages ended; `failed` says with what, if not well.
pub(crate) fn invocation(
    (queue, function): (&str, &str),
    messages: usize,
    failed: Option<&'static str>,
    took: Duration,
    trace_header: Option<&str>,
) {
    let attributes = vec![
        KeyValue::new("faas.invoked_name", function.to_owned()),
        KeyValue::new("messaging.source.name", queue.to_owned()),
        KeyValue::new("messaging.batch.message_count", i64::try_from(messages).unwrap_or(i64::MAX)),
    ];
    let parent = trace_header.and_then(parent);
    end(format!("invoke {function}"), SpanKind::Client, attributes, failed, took, parent);
}

fn end(
    name: String,
    kind: SpanKind,
    mut attributes: Vec<KeyValue>,
    failed: Option<&'static str>,
    took: Duration,
    parent: Option<SpanContext>,
) {
    let Some((_, tracer)) = TRACER.get() else { return };
    let now = SystemTime::now();
    attributes.extend(failed.map(|code| KeyValue::new("error.type", code)));
    let span = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_start_time(now.checked_sub(took).unwrap_or(now))
        .with_attributes(attributes);
    let context = parent.map_or_else(Context::new, |p| Context::new().with_remote_span_context(p));
    let mut span = tracer.build_with_context(span, &context);
    if let Some(code) = failed {
        opentelemetry::trace::Span::set_status(&mut span, Status::error(code));
    }
    opentelemetry::trace::Span::end_with_timestamp(&mut span, now);
}

/// The span a trace header names: `Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=1`. Without a
/// parent the trace's own id stands for it, since there is a trace all the same.
///
/// Source: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html>.
fn parent(header: &str) -> Option<SpanContext> {
    let field = |name: &str| {
        let mut fields = header.split(';').filter_map(|field| field.trim().split_once('='));
        fields.find(|(other, _)| *other == name).map(|(_, value)| value)
    };
    let root = field("Root")?.strip_prefix("1-")?;
    let trace = TraceId::from_hex(&root.replace('-', "")).ok().filter(|_| root.len() == 33)?;
    let span = field("Parent").or_else(|| root.get(17..))?;
    let span = SpanId::from_hex(span).ok()?;
    let flags = u8::from(field("Sampled") != Some("0"));
    Some(SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::default()))
}

/// Brings spans to the collector, on karin's runtime: who exports is a thread of its own.
#[derive(Debug)]
struct Courier {
    runtime: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Courier {
    fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { runtime: Handle::current(), client }
    }
}

impl HttpClient for Courier {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        });
        Box::pin(async move { sent.await? })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";

    #[test]
    fn a_trace_header_names_a_span_or_none() {
        let span = parent(HEADER).unwrap();
        assert_eq!(span.trace_id().to_string(), "5759e988bd862e3fe1be46a994272793");
        assert_eq!(span.span_id().to_string(), "53995c3f42cd8ad8");
        assert!(span.is_sampled() && span.is_remote());
        assert!(!parent(&format!("{HEADER};Sampled=0")).unwrap().is_sampled());
        for header in
            ["", "Root=1-x", "Root=2-5759e988-bd862e3fe1be46a994272793", "Root=1-5759e988"]
        {
            assert!(parent(header).is_none(), "{header}");
        }
    }

    /// A collector: one request's body.
    fn collector() -> (String, mpsc::Receiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = Vec::new();
            let mut chunk = [0; 4_096];
            loop {
                let count = stream.read(&mut chunk).unwrap();
                heard.extend_from_slice(&chunk[..count]);
                let text = String::from_utf8_lossy(&heard).to_lowercase();
                let length = text
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|t| t.split("\r\n").next()?.parse::<usize>().ok());
                let body = heard.windows(4).position(|w| w == b"\r\n\r\n");
                if let (Some(length), Some(body)) = (length, body)
                    && heard.len() >= body + 4 + length
                {
                    sender.send(heard[body + 4..].to_vec()).unwrap();
                    break;
                }
                assert!(count > 0, "{text}");
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        (url, receiver)
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    /// The fields of this number that have a length.
    fn fields(mut message: &[u8], wanted: u64) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while !message.is_empty() {
            let key = varint(&mut message);
            let length = match key & 7 {
                0 => {
                    varint(&mut message);
                    0
                }
                1 => 8,
                2 => usize::try_from(varint(&mut message)).unwrap(),
                5 => 4,
                other => panic!("wire type {other}"),
            };
            if (key >> 3, key & 7) == (wanted, 2) {
                found.push(&message[..length]);
            }
            message = &message[length..];
        }
        found
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_arrive_at_a_collector_with_the_trace_of_their_message() {
        let (url, bodies) = collector();
        let exporter = SpanExporter::builder().with_http().with_http_client(Courier::new());
        let exporter = opentelemetry_otlp::WithExportConfig::with_endpoint(exporter, url);
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter.build().unwrap()).build();
        let tracer = provider.tracer("karin");
        assert!(TRACER.set((provider, tracer)).is_ok());
        let took = Duration::from_millis(5);
        request(("sqs", "SendMessage"), Some("q"), "r-1", Some("OverLimit"), took);
        invocation(("q", "f"), 3, None, took, Some(HEADER));
        stop().await;
        let body = bodies.recv_timeout(Duration::from_secs(10)).unwrap();
        let scopes: Vec<_> = fields(&body, 1).into_iter().flat_map(|r| fields(r, 2)).collect();
        let spans: Vec<_> = scopes.into_iter().flat_map(|scope| fields(scope, 2)).collect();
        let name = |span: &[u8]| String::from_utf8(fields(span, 5)[0].to_vec()).unwrap();
        let names: Vec<_> = spans.iter().map(|span| name(span)).collect();
        assert_eq!(names, ["sqs.SendMessage", "invoke f"]);
        assert_eq!(
            fields(spans[1], 1)[0],
            0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793_u128.to_be_bytes()
        );
        assert_eq!(fields(spans[1], 4)[0], 0x5399_5c3f_42cd_8ad8_u64.to_be_bytes());
        let text = String::from_utf8_lossy(spans[0]);
        assert!(text.contains("OverLimit") && text.contains("r-1"), "{text}");
    }
}
