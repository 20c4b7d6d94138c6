//! FIFO queues and dead letters.

use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use crate::support::{BODIES, Sqs, attributes, md5_of, wait_until};

const FIFO: (QueueAttributeName, &str) = (QueueAttributeName::FifoQueue, "true");

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().expect("a body")).collect()
}

pub(crate) async fn order(sqs: &Sqs) {
    let url = sqs.new_queue(&[FIFO]).await;
    let send = async |body: &str, id: &str| {
        let call = sqs.client.send_message().queue_url(&url).message_body(body);
        let call = call.message_group_id("g").message_deduplication_id(id);
        call.set_message_attributes(Some(attributes())).send().await.expect("sent")
    };
    let first = send(BODIES[1], "1").await;
    send("2", "2").await;
    let again = send("other", "1").await;
    assert_eq!(again.message_id(), first.message_id());
    assert_eq!(again.sequence_number(), first.sequence_number());
    let call = sqs.client.receive_message().queue_url(&url).max_number_of_messages(1);
    let received = call.send().await.expect("received").messages.unwrap_or_default();
    assert_eq!(bodies(&received), [BODIES[1]]);
    assert!(sqs.has_nothing(&url).await, "the group waits");
    let call = sqs.client.change_message_visibility().queue_url(&url).visibility_timeout(0);
    let handle = received[0].receipt_handle().expect("a handle");
    call.receipt_handle(handle).send().await.expect("changed");
    let messages = sqs.receive(&url).await;
    assert_eq!(bodies(&messages), [BODIES[1], "2"]);
    let system = messages[0].attributes().expect("system attributes");
    let number = system.get(&MessageSystemAttributeName::SequenceNumber);
    assert_eq!(number.map(String::as_str), first.sequence_number());
    assert_eq!(messages[0].md5_of_message_attributes(), Some(md5_of(&attributes()).as_str()));
    for message in &messages {
        sqs.delete(&url, message).await;
    }
    assert_eq!(sqs.counts(&url).await, [0, 0, 0]);
}

pub(crate) async fn batch(sqs: &Sqs) {
    let url = sqs.new_queue(&[FIFO]).await;
    let entries = "abcabcabca".chars().zip(0..).map(|(group, n)| {
        let entry = SendMessageBatchRequestEntry::builder().id(format!("id-{n}"));
        let entry = entry.message_body(format!("{group}{n}")).message_group_id(group);
        entry.message_deduplication_id(n.to_string()).build().expect("an entry")
    });
    let call = sqs.client.send_message_batch().queue_url(&url);
    let sent = call.set_entries(Some(entries.collect())).send().await.expect("sent");
    let numbers: Vec<_> = sent.successful().iter().map(|s| s.sequence_number()).collect();
    assert!(numbers.len() == 10 && numbers.is_sorted(), "{numbers:?}");
    let messages = sqs.receive(&url).await;
    let bodies = bodies(&messages);
    assert_eq!(bodies.len(), 10);
    for group in ["a", "b", "c"] {
        let of_group = || bodies.iter().filter(|body| body.starts_with(group));
        assert!(of_group().is_sorted(), "{bodies:?}");
    }
}

/// (source, dead-letter queue); the second receive of a message moves it.
async fn with_dead_letters(sqs: &Sqs) -> (String, String) {
    let dead = sqs.new_queue(&[]).await;
    let arn = sqs.attribute(&dead, QueueAttributeName::QueueArn).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"1"}}"#);
    let redrive = (QueueAttributeName::RedrivePolicy, policy.as_str());
    let source = sqs.new_queue(&[(QueueAttributeName::VisibilityTimeout, "0"), redrive]).await;
    (source, dead)
}

pub(crate) async fn dead_letter(sqs: &Sqs) {
    let (source, dead) = with_dead_letters(sqs).await;
    let listed = sqs.client.list_dead_letter_source_queues().queue_url(&dead).send().await;
    assert_eq!(listed.expect("listed").queue_urls(), std::slice::from_ref(&source));
    sqs.send(&source, "x").await;
    assert_eq!(sqs.receive(&source).await.len(), 1);
    assert!(sqs.has_nothing(&source).await, "it was received once");
    let message = sqs.receive(&dead).await.remove(0);
    let system = message.attributes().expect("system attributes");
    let arn = sqs.attribute(&source, QueueAttributeName::QueueArn).await;
    let from = system.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn);
    assert_eq!(from, Some(&arn));
    sqs.delete(&dead, &message).await;
}

pub(crate) async fn move_task(sqs: &Sqs) {
    let (source, dead) = with_dead_letters(sqs).await;
    sqs.send(&source, "x").await;
    assert_eq!(sqs.receive(&source).await.len(), 1);
    assert!(sqs.has_nothing(&source).await, "it was received once");
    wait_until("a dead letter", async || sqs.counts(&dead).await == [1, 0, 0]).await;
    let arn = sqs.attribute(&dead, QueueAttributeName::QueueArn).await;
    let call = sqs.client.start_message_move_task().source_arn(&arn);
    assert!(call.send().await.expect("started").task_handle().is_some());
    wait_until("the end of the task", async || {
        let call = sqs.client.list_message_move_tasks().source_arn(&arn);
        let tasks = call.send().await.expect("listed").results.unwrap_or_default();
        assert!(tasks[0].started_timestamp() > 0);
        tasks[0].status() == Some("COMPLETED")
    })
    .await;
    assert_eq!(sqs.counts(&source).await, [1, 0, 0]);
}
