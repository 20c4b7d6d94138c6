//! What a Rust program does with SQS, through AWS's SDK: `karin-rust-client ENDPOINT`.
//!
//! Runs every check even when one fails; ends with status 1 if any did. The SDK compares no MD5,
//! so the checks do.

mod fifo;
mod support;

use std::collections::HashMap;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use support::{BODIES, Checks, Sqs, attributes, md5, md5_of};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let endpoint = std::env::args().nth(1).expect("usage: karin-rust-client ENDPOINT");
    let sqs = Sqs::new(&endpoint);
    let mut checks = Checks::default();
    checks.run("bodies and attributes arrive as they were sent", messages(&sqs)).await;
    checks.run("queues are found and listed in pages", queues(&sqs)).await;
    checks.run("a batch is answered entry by entry", batches(&sqs)).await;
    checks.run("a long poll ends when a message comes", long_poll(&sqs)).await;
    checks.run("a delayed message comes when it is due", delay(&sqs)).await;
    checks.run("visibility hides and shows a message", visibility(&sqs)).await;
    checks.run("a purge empties the queue", purge(&sqs)).await;
    checks.run("a missing queue is an error of its own type", missing(&sqs)).await;
    checks.run("attributes and tags are set", attributes_and_tags(&sqs)).await;
    checks.run("a FIFO queue keeps order and drops duplicates", fifo::order(&sqs)).await;
    checks.run("a FIFO batch keeps the order of its groups", fifo::batch(&sqs)).await;
    checks.run("a message received too often is a dead letter", fifo::dead_letter(&sqs)).await;
    checks.run("a move task gives dead letters back", fifo::move_task(&sqs)).await;
    checks.end()
}

async fn messages(sqs: &Sqs) {
    let url = sqs.new_queue(&[]).await;
    for body in BODIES {
        let call = sqs.client.send_message().queue_url(&url).message_body(body);
        let sent = call.set_message_attributes(Some(attributes())).send().await.expect("sent");
        assert_eq!(sent.md5_of_message_body(), Some(md5(body.as_bytes()).as_str()));
        assert_eq!(sent.md5_of_message_attributes(), Some(md5_of(&attributes()).as_str()));
        let [message] = sqs.receive(&url).await.try_into().expect("one message");
        assert_eq!(message.body(), Some(body));
        assert_eq!(message.md5_of_body(), Some(md5(body.as_bytes()).as_str()));
        assert_eq!(message.message_attributes(), Some(&attributes()));
        assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
        assert_eq!(message.message_id(), sent.message_id());
        sqs.delete(&url, &message).await;
    }
    assert_eq!(sqs.counts(&url).await, [0, 0, 0]);
}

async fn queues(sqs: &Sqs) {
    let prefix = support::name("page");
    let mut urls = Vec::new();
    for n in 0..5 {
        let call = sqs.client.create_queue().queue_name(format!("{prefix}-{n}"));
        urls.push(call.send().await.expect("created").queue_url.expect("a URL"));
    }
    let found = sqs.client.get_queue_url().queue_name(format!("{prefix}-3")).send().await;
    assert_eq!(found.expect("found").queue_url(), Some(urls[3].as_str()));
    let list = sqs.client.list_queues().queue_name_prefix(&prefix);
    let mut pages = list.into_paginator().page_size(2).send();
    let (mut listed, mut sizes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        sizes.push(page.queue_urls().len());
        listed.extend(page.queue_urls().to_vec());
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(listed, urls);
}

async fn batches(sqs: &Sqs) {
    let url = sqs.new_queue(&[]).await;
    let entry = |id: String, delay: i32| {
        let entry = SendMessageBatchRequestEntry::builder().id(&id).message_body(id);
        entry.delay_seconds(delay).build().expect("an entry")
    };
    let mut entries: Vec<_> = (0..9).map(|n| entry(n.to_string(), 0)).collect();
    entries.push(entry("bad".to_owned(), 901));
    let call = sqs.client.send_message_batch().queue_url(&url).set_entries(Some(entries));
    let sent = call.send().await.expect("sent");
    assert_eq!(sent.successful().len(), 9);
    for entry in sent.successful() {
        assert_eq!(entry.md5_of_message_body(), md5(entry.id().as_bytes()));
    }
    let [failed] = sent.failed() else { panic!("one failed: {:?}", sent.failed()) };
    assert_eq!((failed.id(), failed.code()), ("bad", "InvalidParameterValue"));
    assert!(failed.sender_fault());
    sqs.send(&url, "9").await;
    let messages = sqs.receive(&url).await;
    assert_eq!(messages.len(), 10);
    change_and_delete(sqs, &url, &messages).await;
    assert_eq!(sqs.counts(&url).await, [0, 0, 0]);
}

async fn change_and_delete(sqs: &Sqs, url: &str, messages: &[aws_sdk_sqs::types::Message]) {
    let handles = || messages.iter().map(|m| m.receipt_handle().expect("a handle")).enumerate();
    let changes = handles().map(|(n, handle)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string());
        entry.receipt_handle(handle).visibility_timeout(60).build().expect("an entry")
    });
    let call = sqs.client.change_message_visibility_batch().queue_url(url);
    let changed = call.set_entries(Some(changes.collect())).send().await.expect("changed");
    assert_eq!((changed.successful().len(), changed.failed().len()), (10, 0));
    let deletions = handles().map(|(n, handle)| {
        let handle = if n == 0 { "garbage" } else { handle };
        let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
        entry.receipt_handle(handle).build().expect("an entry")
    });
    let call = sqs.client.delete_message_batch().queue_url(url);
    let deleted = call.set_entries(Some(deletions.collect())).send().await.expect("deleted");
    assert_eq!(deleted.successful().len(), 9);
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    sqs.delete(url, &messages[0]).await;
}

async fn long_poll(sqs: &Sqs) {
    let url = sqs.new_queue(&[]).await;
    let start = Instant::now();
    let call = sqs.client.receive_message().queue_url(&url).wait_time_seconds(15);
    let mut received = pin!(call.send());
    let early = tokio::time::timeout(Duration::from_millis(300), &mut received).await;
    assert!(early.is_err(), "{early:?}");
    sqs.send(&url, "at last").await;
    assert_eq!(received.await.expect("received").messages()[0].body(), Some("at last"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

async fn delay(sqs: &Sqs) {
    let url = sqs.new_queue(&[]).await;
    let start = Instant::now();
    let call = sqs.client.send_message().queue_url(&url).message_body("x").delay_seconds(1);
    call.send().await.expect("sent");
    assert_eq!(sqs.counts(&url).await, [0, 0, 1]);
    assert_eq!(sqs.receive(&url).await.len(), 1);
    let waited = start.elapsed();
    assert!((950..5000).contains(&waited.as_millis()), "{waited:?}");
}

async fn visibility(sqs: &Sqs) {
    let url = sqs.new_queue(&[]).await;
    sqs.send(&url, "x").await;
    let first = sqs.receive(&url).await.remove(0);
    assert_eq!(sqs.counts(&url).await, [0, 1, 0]);
    let call = sqs.client.change_message_visibility().queue_url(&url).visibility_timeout(0);
    let handle = first.receipt_handle().expect("a handle");
    call.receipt_handle(handle).send().await.expect("changed");
    let second = sqs.receive(&url).await.remove(0);
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    let system = second.attributes().expect("system attributes");
    assert_eq!(system.get(&count).map(String::as_str), Some("2"));
    sqs.delete(&url, &second).await;
    assert_eq!(sqs.counts(&url).await, [0, 0, 0]);
}

async fn purge(sqs: &Sqs) {
    let url = sqs.new_queue(&[]).await;
    sqs.send(&url, "x").await;
    sqs.client.purge_queue().queue_url(&url).send().await.expect("purged");
    assert_eq!(sqs.counts(&url).await, [0, 0, 0]);
}

async fn missing(sqs: &Sqs) {
    let name = support::name("missing");
    let error = sqs.client.get_queue_url().queue_name(&name).send().await.expect_err("missing");
    let error = error.into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    assert_eq!(error.message(), Some("The specified queue does not exist."));
    let url = sqs.new_queue(&[]).await;
    sqs.client.delete_queue().queue_url(&url).send().await.expect("deleted");
    let call = sqs.client.send_message().queue_url(&url).message_body("x");
    let error = call.send().await.expect_err("deleted").into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    let url = sqs.new_queue(&[]).await;
    let call = sqs.client.delete_message().queue_url(&url).receipt_handle("garbage");
    let error = call.send().await.expect_err("garbage").into_service_error();
    assert!(error.is_receipt_handle_is_invalid(), "{error:?}");
}

async fn attributes_and_tags(sqs: &Sqs) {
    let url = sqs.new_queue(&[(QueueAttributeName::VisibilityTimeout, "31")]).await;
    let call = sqs.client.set_queue_attributes().queue_url(&url);
    let call = call.attributes(QueueAttributeName::DelaySeconds, "7");
    call.send().await.expect("set");
    assert_eq!(sqs.attribute(&url, QueueAttributeName::VisibilityTimeout).await, "31");
    assert_eq!(sqs.attribute(&url, QueueAttributeName::DelaySeconds).await, "7");
    let call = sqs.client.tag_queue().queue_url(&url).tags("a", "1").tags("b", "ü");
    call.send().await.expect("tagged");
    sqs.client.untag_queue().queue_url(&url).tag_keys("a").send().await.expect("untagged");
    let tags = sqs.client.list_queue_tags().queue_url(&url).send().await.expect("tags");
    assert_eq!(tags.tags(), Some(&HashMap::from([("b".to_owned(), "ü".to_owned())])));
}
