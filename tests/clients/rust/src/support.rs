//! The client, values that are hard to carry, what their MD5 must be, and running checks.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
};
use md5::{Digest, Md5};

pub(crate) const BODIES: [&str; 7] = [
    "hello",
    "a\r\nb\rc\nd\te",
    " spaces around, a tab at the end\t",
    "&<>\"' &amp; &#13; ]]> <![CDATA[x]]>",
    "ü€😀 \u{85}\u{2028}\u{d7ff}\u{e000}\u{fffd}\u{10ffff}",
    r#"{"json": ["\\r\\n", "\\u0041"]}"#,
    "a=b&c=d+e%20f?g#h;i",
];

/// A client and what the checks say in one word.
pub(crate) struct Sqs {
    pub(crate) client: Client,
}

impl Sqs {
    pub(crate) fn new(endpoint: &str) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// The URL of a new queue; of a FIFO queue if the attributes say so.
    pub(crate) async fn new_queue(&self, attributes: &[(QueueAttributeName, &str)]) -> String {
        let fifo = attributes.iter().any(|(name, _)| *name == QueueAttributeName::FifoQueue);
        let name = name("rust") + if fifo { ".fifo" } else { "" };
        let attributes = attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned()));
        let call = self.client.create_queue().queue_name(name);
        let created = call.set_attributes(Some(attributes.collect())).send().await;
        created.expect("created").queue_url.expect("a URL")
    }

    pub(crate) async fn send(&self, url: &str, body: &str) {
        let call = self.client.send_message().queue_url(url).message_body(body);
        call.send().await.expect("sent");
    }

    /// Up to 10 messages with all their attributes; waits for the first up to 5 s.
    pub(crate) async fn receive(&self, url: &str) -> Vec<Message> {
        let call = self.client.receive_message().queue_url(url).max_number_of_messages(10);
        let call = call.message_system_attribute_names(MessageSystemAttributeName::All);
        let call = call.message_attribute_names("All").wait_time_seconds(5);
        call.send().await.expect("received").messages.unwrap_or_default()
    }

    /// Whether there is nothing to receive now.
    pub(crate) async fn has_nothing(&self, url: &str) -> bool {
        let call = self.client.receive_message().queue_url(url).wait_time_seconds(0);
        call.send().await.expect("received").messages().is_empty()
    }

    pub(crate) async fn delete(&self, url: &str, message: &Message) {
        let handle = message.receipt_handle().expect("a handle");
        let call = self.client.delete_message().queue_url(url).receipt_handle(handle);
        call.send().await.expect("deleted");
    }

    pub(crate) async fn attribute(&self, url: &str, name: QueueAttributeName) -> String {
        let call = self.client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        let mut attributes = call.send().await.expect("attributes").attributes.unwrap_or_default();
        attributes.remove(&name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// How many messages are visible, in flight, delayed.
    pub(crate) async fn counts(&self, url: &str) -> [u32; 3] {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let mut counts = [0; 3];
        for (count, name) in counts.iter_mut().zip(names) {
            *count = self.attribute(url, name).await.parse().expect("a number");
        }
        counts
    }
}

/// A name nobody has used yet.
pub(crate) fn name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_nanos();
    format!("{prefix}-{now:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn attributes() -> HashMap<String, MessageAttributeValue> {
    HashMap::from([
        ("color".to_owned(), attribute("String", "blue\r\n&<>\"' ü€😀")),
        ("count".to_owned(), attribute("Number.int", "-1.50")),
        ("blob".to_owned(), attribute("Binary", "")),
    ])
}

/// An attribute of a message; the value of a binary one is every byte there is.
fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    let attribute = MessageAttributeValue::builder().data_type(data_type);
    let attribute = if data_type == "Binary" {
        attribute.binary_value(Blob::new((0..=255).collect::<Vec<u8>>()))
    } else {
        attribute.string_value(value)
    };
    attribute.build().expect("a data type")
}

pub(crate) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What MD5OfMessageAttributes must be.
pub(crate) fn md5_of(attributes: &HashMap<String, MessageAttributeValue>) -> String {
    let mut packed = Vec::new();
    let field = |packed: &mut Vec<u8>, bytes: &[u8]| {
        packed.extend(u32::try_from(bytes.len()).expect("short").to_be_bytes());
        packed.extend(bytes);
    };
    for (name, attribute) in attributes.iter().collect::<BTreeMap<_, _>>() {
        field(&mut packed, name.as_bytes());
        field(&mut packed, attribute.data_type().as_bytes());
        let (kind, value) = match attribute.binary_value() {
            Some(blob) => (2, blob.as_ref()),
            None => (1, attribute.string_value().expect("a value").as_bytes()),
        };
        packed.push(kind);
        field(&mut packed, value);
    }
    md5(&packed)
}

/// Returns as soon as `condition` gives true; panics after half a minute.
pub(crate) async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many checks failed.
#[derive(Default)]
pub(crate) struct Checks {
    failures: u32,
}

impl Checks {
    /// Runs a check; its panic is a failure.
    pub(crate) async fn run(&mut self, name: &str, check: impl Future<Output = ()>) {
        let mut check = pin!(check);
        let caught = std::future::poll_fn(|context| {
            let poll = AssertUnwindSafe(|| check.as_mut().poll(context));
            match std::panic::catch_unwind(poll) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(true),
                Err(_) => Poll::Ready(false),
            }
        });
        if caught.await {
            println!("ok     {name}");
        } else {
            println!("FAILED {name}");
            self.failures += 1;
        }
    }

    /// The status to end with.
    pub(crate) fn end(&self) -> ExitCode {
        if self.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
