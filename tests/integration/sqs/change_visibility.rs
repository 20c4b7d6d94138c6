//! What a receipt handle can still do, row by row (sqs-contract §4.10), for both types of queue.

use serde_json::{Value, json};

use super::{Refusal, Sqs, bodies, text};

const EXPIRED: &str = "The receipt handle has expired.";
const NOT_AVAILABLE: &str =
    "Message does not exist or is not available for visibility timeout change.";

/// A queue of each type, with a message in it.
fn scene() -> Sqs {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    for queue in ["q", "q.fifo"] {
        sqs.send_to_group(queue, "g", "x");
    }
    sqs
}

/// Deletes, in JSON or Query; the error's text if it is refused as an invalid parameter.
#[track_caller]
fn delete(sqs: &Sqs, queue: &str, handle: &str) -> Option<String> {
    outcome(sqs, "DeleteMessage", &[("QueueUrl", queue), ("ReceiptHandle", handle)])
}

/// The same for a change of visibility.
#[track_caller]
fn change(sqs: &Sqs, queue: &str, handle: &str, seconds: u32) -> Option<String> {
    let seconds = seconds.to_string();
    let parameters =
        [("QueueUrl", queue), ("ReceiptHandle", handle), ("VisibilityTimeout", &seconds)];
    outcome(sqs, "ChangeMessageVisibility", &parameters)
}

#[track_caller]
fn outcome(sqs: &Sqs, action: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let response = sqs.http().query(&super::with_action(action, parameters));
    if response.status == 200 {
        return None;
    }
    let error = super::Error::of_query(&response);
    assert_eq!((error.status, error.names.as_str()), (400, "InvalidParameterValue"));
    Some(error.text)
}

fn invalid_handle(handle: &str, reason: &str) -> String {
    format!("Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}")
}

fn handle(message: &Value) -> &str {
    text(message, "ReceiptHandle")
}

// contract: 4.10-delete-lapsed, 4.10-delete-lapsed-fifo
#[test]
fn a_lapsed_handle_deletes_from_a_standard_queue_and_has_expired_in_a_fifo_queue() {
    let sqs = scene();
    let standard = sqs.receive_one("q");
    let fifo = sqs.receive_one("q.fifo");
    sqs.pass_seconds(31);
    assert_eq!(delete(&sqs, "q", handle(&standard)), None);
    assert!(sqs.receive("q").is_empty());
    assert_eq!(delete(&sqs, "q.fifo", handle(&fifo)), Some(invalid_handle(handle(&fifo), EXPIRED)));
    assert_eq!(sqs.receive("q.fifo").len(), 1);
}

// contract: 4.10-delete-extended
#[test]
fn within_an_extended_visibility_a_handle_deletes_from_both() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let message = sqs.receive_one(queue);
        assert_eq!(change(&sqs, queue, handle(&message), 100), None);
    }
    sqs.pass_seconds(90);
    for queue in ["q", "q.fifo"] {
        assert!(sqs.receive(queue).is_empty());
        assert_eq!(sqs.counts(queue), ("0".into(), "1".into()));
    }
}

// contract: 4.10-delete-extended, 4.10-delete-twice
#[test]
fn an_extended_handle_deletes_after_the_first_timeout_and_twice() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let message = sqs.receive_one(queue);
        assert_eq!(change(&sqs, queue, handle(&message), 1_000), None);
        sqs.pass_seconds(100);
        assert_eq!(delete(&sqs, queue, handle(&message)), None);
        assert_eq!(delete(&sqs, queue, handle(&message)), None, "{queue}: again");
        assert_eq!(sqs.counts(queue), ("0".into(), "0".into()));
    }
}

// contract: 4.10-delete-older-handle, 4.10-delete-older-handle-fifo, 7.1-old-handle
#[test]
fn an_older_handle_works_on_a_standard_queue_and_has_expired_in_a_fifo_queue() {
    let sqs = scene();
    let old = ["q", "q.fifo"].map(|queue| sqs.receive_one(queue));
    sqs.pass_seconds(31);
    let new = ["q", "q.fifo"].map(|queue| sqs.receive_one(queue));
    let [standard, fifo] = [handle(&old[0]), handle(&old[1])];
    assert_eq!(change(&sqs, "q", standard, 40), None);
    assert_eq!(change(&sqs, "q.fifo", fifo, 40), Some(invalid_handle(fifo, NOT_AVAILABLE)));
    assert_eq!(delete(&sqs, "q.fifo", fifo), Some(invalid_handle(fifo, EXPIRED)));
    assert_eq!(delete(&sqs, "q", standard), None);
    assert_eq!(sqs.counts("q"), ("0".into(), "0".into()));
    assert_eq!(delete(&sqs, "q.fifo", handle(&new[1])), None);
    assert_eq!(sqs.counts("q.fifo"), ("0".into(), "0".into()));
}

// contract: 4.10-delete-expired
#[test]
fn a_message_that_expired_is_deleted_without_complaint() {
    let sqs = scene();
    let messages = ["q", "q.fifo"].map(|queue| {
        let message = sqs.receive_one(queue);
        // In flight when its retention ends.
        sqs.redis.cli(&[
            "KARIN.SET",
            &format!("karin:{{{queue}}}"),
            "MessageRetentionPeriod",
            "60",
        ]);
        assert_eq!(change(&sqs, queue, handle(&message), 1_000), None);
        message
    });
    sqs.pass_seconds(61);
    for (queue, message) in ["q", "q.fifo"].iter().zip(&messages) {
        assert!(sqs.receive(queue).is_empty());
        assert_eq!(delete(&sqs, queue, handle(message)), None, "{queue}");
    }
}

// contract: 4.10-change-deleted
#[test]
fn the_visibility_of_a_deleted_message_cannot_be_changed() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let message = sqs.receive_one(queue);
        sqs.delete(queue, &message);
        let refused = Some(invalid_handle(handle(&message), NOT_AVAILABLE));
        assert_eq!(change(&sqs, queue, handle(&message), 10), refused, "{queue}");
    }
}

// contract: 4.10-change-lapsed, 4.10-change-lapsed-fifo
#[test]
fn a_visible_message_is_hidden_again_in_a_standard_queue_only() {
    let sqs = scene();
    let [standard, fifo] = ["q", "q.fifo"].map(|queue| sqs.receive_one(queue));
    let [standard, fifo] = [handle(&standard), handle(&fifo)];
    sqs.pass_seconds(31);
    assert_eq!(change(&sqs, "q", standard, 10), None);
    assert_eq!(sqs.counts("q"), ("0".into(), "1".into()));
    assert_eq!(change(&sqs, "q.fifo", fifo, 10), Some(invalid_handle(fifo, NOT_AVAILABLE)));
    assert_eq!(sqs.counts("q.fifo"), ("1".into(), "0".into()));
}

// contract: 4.10-change-zero-then-ten
#[test]
fn to_0_and_then_to_10_hides_again_in_a_standard_queue_only() {
    let sqs = scene();
    let [standard, fifo] = ["q", "q.fifo"].map(|queue| sqs.receive_one(queue));
    let [standard, fifo] = [handle(&standard), handle(&fifo)];
    for (queue, handle) in [("q", standard), ("q.fifo", fifo)] {
        assert_eq!(change(&sqs, queue, handle, 0), None);
        assert_eq!(sqs.counts(queue), ("1".into(), "0".into()));
    }
    assert_eq!(change(&sqs, "q", standard, 10), None);
    assert_eq!(sqs.counts("q"), ("0".into(), "1".into()));
    assert_eq!(change(&sqs, "q.fifo", fifo, 10), Some(invalid_handle(fifo, NOT_AVAILABLE)));
}

// contract: 7.1-12h, 4.10-change-beyond-12h
#[test]
fn twelve_hours_count_from_the_receive_and_are_not_clipped() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let members = json!({ "QueueUrl": queue, "VisibilityTimeout": 100 });
        let message = sqs.json("ReceiveMessage", &members)["Messages"][0].clone();
        sqs.pass_seconds(50);
        let too_long = "Value 43151 for parameter VisibilityTimeout is invalid. Reason: Total \
                        VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        assert_eq!(change(&sqs, queue, handle(&message), 43_151), Some(too_long.into()));
        // It stayed as it was.
        sqs.pass_seconds(49);
        assert!(sqs.receive(queue).is_empty());
        // A second of grace for the time the test takes.
        assert_eq!(change(&sqs, queue, handle(&message), 43_200 - 99 - 30), None);
        sqs.pass_seconds(43_000);
        assert!(sqs.receive(queue).is_empty());
        sqs.pass_seconds(200);
        assert_eq!(bodies(&sqs.receive(queue)), ["x"]);
    }
}

// contract: 7.1-change
#[test]
fn a_change_is_not_remembered_for_the_next_receive() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let message = sqs.receive_one(queue);
        assert_eq!(change(&sqs, queue, handle(&message), 100), None);
        sqs.pass_seconds(101);
        assert_eq!(sqs.receive(queue).len(), 1);
        // The queue's 30 s again.
        sqs.pass_seconds(31);
        assert_eq!(sqs.receive(queue).len(), 1);
    }
}

#[test]
fn garbage_and_foreign_handles_are_refused_alike_by_both_types_of_queue() {
    let sqs = scene();
    let foreign = sqs.receive_one("q");
    let foreign = handle(&foreign);
    let (members, parameters) = (
        json!({ "QueueUrl": "q.fifo", "ReceiptHandle": "garbage", "VisibilityTimeout": 1 }),
        [("QueueUrl", "q.fifo"), ("ReceiptHandle", "garbage"), ("VisibilityTimeout", "1")],
    );
    let text = "The input receipt handle \"garbage\" is not a valid receipt handle.";
    let code = "ReceiptHandleIsInvalid";
    for action in ["DeleteMessage", "ChangeMessageVisibility"] {
        sqs.refused(action, &members, &parameters, Refusal::new(code, code, 404, text));
        let parameters =
            [("QueueUrl", "q.fifo"), ("ReceiptHandle", foreign), ("VisibilityTimeout", "1")];
        let response = sqs.http().query(&super::with_action(action, &parameters));
        let error = super::Error::of_query(&response);
        assert_eq!((error.status, error.names.as_str()), (404, code));
        let text = format!("The receipt handle \"{foreign}\" is not valid for this queue.");
        assert_eq!(error.text, text);
    }
}

#[test]
fn what_is_missing_or_out_of_range_is_said_alike_in_both_protocols() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let [at, handle, timeout] =
            [("QueueUrl", queue), ("ReceiptHandle", "h"), ("VisibilityTimeout", "-1")];
        sqs.refused(
            "ChangeMessageVisibility",
            &json!({ "QueueUrl": queue, "ReceiptHandle": "h" }),
            &[at, handle],
            Refusal::missing_parameter("The request must contain the parameter VisibilityTimeout."),
        );
        let no_handle = "The request must contain the parameter ReceiptHandle.";
        sqs.refused(
            "ChangeMessageVisibility",
            &json!({ "QueueUrl": queue, "VisibilityTimeout": -1 }),
            &[at, timeout],
            Refusal::missing_parameter(no_handle),
        );
        sqs.refused(
            "DeleteMessage",
            &json!({ "QueueUrl": queue }),
            &[at],
            Refusal::missing_parameter(no_handle),
        );
        sqs.refused(
            "ChangeMessageVisibility",
            &json!({ "QueueUrl": queue, "ReceiptHandle": "h", "VisibilityTimeout": -1 }),
            &[at, handle, timeout],
            Refusal::invalid_parameter(
                "Value -1 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 \
                 and 43200.",
            ),
        );
    }
}
