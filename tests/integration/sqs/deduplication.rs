//! Duplicates in FIFO queues (sqs-contract §9).

use serde_json::{Value, json};

use super::{Refusal, Sqs, bodies, text};

/// Sends a body to a group with an id of its own.
#[track_caller]
fn send(sqs: &Sqs, group: &str, id: &str, body: &str) -> Value {
    let members = json!({
        "QueueUrl": "q.fifo",
        "MessageBody": body,
        "MessageGroupId": group,
        "MessageDeduplicationId": id,
    });
    sqs.json("SendMessage", &members)
}

// contract: 9-duplicate
#[test]
fn a_duplicate_answers_as_the_first_and_is_not_sent() {
    let sqs = Sqs::with_fifo();
    let first = send(&sqs, "g", "id", "first");
    let second = send(&sqs, "g", "id", "second");
    assert_eq!(second["MessageId"], first["MessageId"]);
    assert_eq!(second["SequenceNumber"], first["SequenceNumber"]);
    // The MD5 is that of what was sent, or the client would not believe it.
    assert_eq!(text(&second, "MD5OfMessageBody"), "a9f0e61a137d86aa9db53465e0801612");
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["first"]);
}

// contract: 9-window
#[test]
fn the_window_is_five_minutes_from_the_first_whatever_became_of_it() {
    let sqs = Sqs::with_fifo();
    let first = send(&sqs, "g", "id", "a");
    let message = sqs.receive_one("q.fifo");
    assert_eq!(send(&sqs, "g", "id", "b")["MessageId"], first["MessageId"], "received");
    sqs.delete("q.fifo", &message);
    sqs.pass_seconds(200);
    assert_eq!(send(&sqs, "g", "id", "b")["MessageId"], first["MessageId"], "deleted");
    assert!(sqs.receive("q.fifo").is_empty());
    // The duplicate did not begin the window anew.
    sqs.pass_seconds(101);
    assert_ne!(send(&sqs, "g", "id", "b")["MessageId"], first["MessageId"]);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["b"]);
}

// contract: 9-dedup-key
#[test]
fn the_body_stands_for_an_id_and_an_id_of_its_own_wins() {
    let sqs = Sqs::with_fifo();
    let first = sqs.send_to_group("q.fifo", "g", "same");
    let again = sqs.send_to_group("q.fifo", "g", "same");
    assert_eq!(again["MessageId"], first["MessageId"]);
    let other = send(&sqs, "g", "own", "same");
    assert_ne!(other["MessageId"], first["MessageId"]);
    // The explicit id may be the hash itself.
    let hash = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5";
    assert_eq!(send(&sqs, "g", hash, "different")["MessageId"], first["MessageId"]);
    // Attributes do not count.
    let members = json!({
        "QueueUrl": "q.fifo", "MessageBody": "same", "MessageGroupId": "g",
        "MessageAttributes": { "k": { "DataType": "String", "StringValue": "x" } },
    });
    let attributed = sqs.json("SendMessage", &members);
    assert_eq!(attributed["MessageId"], first["MessageId"]);
    assert_eq!(text(&attributed, "MD5OfMessageAttributes"), "a45daa70926828a2f0a1db3418e6feb4");
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["same", "same"]);
}

// contract: 9-scope-queue, 9-scope-group, 9-scope-change
#[test]
fn the_scope_is_the_queue_or_the_group_and_changing_it_counts_at_once() {
    let sqs = Sqs::with_fifo();
    let first = send(&sqs, "g1", "id", "a");
    assert_eq!(send(&sqs, "g2", "id", "b")["MessageId"], first["MessageId"]);
    let key = "karin:{q.fifo}";
    sqs.redis.cli(&["KARIN.SET", key, "DeduplicationScope", "messageGroup"]);
    let in_g1 = send(&sqs, "g1", "new", "c");
    let in_g2 = send(&sqs, "g2", "new", "d");
    assert_ne!(in_g1["MessageId"], in_g2["MessageId"]);
    assert_eq!(send(&sqs, "g1", "new", "e")["MessageId"], in_g1["MessageId"]);
    assert_eq!(send(&sqs, "g2", "new", "e")["MessageId"], in_g2["MessageId"]);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["a", "c", "d"]);
}

// contract: 9-purge, 4.3-purge-fifo
#[test]
fn a_purge_forgets_the_ids() {
    let sqs = Sqs::with_fifo();
    let first = send(&sqs, "g", "id", "a");
    sqs.json("PurgeQueue", &json!({ "QueueUrl": "q.fifo" }));
    assert_ne!(send(&sqs, "g", "id", "b")["MessageId"], first["MessageId"]);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["b"]);
}

// contract: 10-fifo-order
#[test]
fn duplicates_in_one_batch_are_sent_once_and_all_succeed() {
    let sqs = Sqs::with_fifo();
    let entry =
        |id: &str, body: &str| json!({ "Id": id, "MessageBody": body, "MessageGroupId": "g" });
    let entries = [entry("a", "same"), entry("b", "same"), entry("c", "other")];
    let sent = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q.fifo", "Entries": entries }));
    let successful = &sent["Successful"];
    assert_eq!(successful.as_array().map(Vec::len), Some(3), "{sent}");
    assert_eq!(successful[1]["MessageId"], successful[0]["MessageId"]);
    assert_eq!(successful[1]["SequenceNumber"], successful[0]["SequenceNumber"]);
    assert_ne!(successful[2]["MessageId"], successful[0]["MessageId"]);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["same", "other"]);
}

// contract: 2.2-request-throttled
#[test]
fn more_ids_than_can_be_remembered_are_throttled() {
    let sqs = Sqs::with_fifo();
    sqs.redis.cli(&["CONFIG", "SET", "karin.max-dedup-ids", "1"]);
    send(&sqs, "g", "one", "a");
    let text = "The request was denied due to request throttling.";
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "q.fifo", "MessageBody": "b", "MessageGroupId": "g" }),
        &[("QueueUrl", "q.fifo"), ("MessageBody", "b"), ("MessageGroupId", "g")],
        Refusal::new("RequestThrottled", "RequestThrottled", 403, text),
    );
    let entries = [json!({ "Id": "x", "MessageBody": "b", "MessageGroupId": "g" })];
    let answer = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q.fifo", "Entries": entries }));
    assert_eq!(answer["Failed"][0]["Code"], "RequestThrottled");
    assert_eq!(answer["Failed"][0]["Message"], text);
}
