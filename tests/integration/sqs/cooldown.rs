//! The minute after a deletion and after a purge (sqs-contract §§4.2 and 4.3).

use karin_tests::gateway::Gateway;
use karin_tests::wait;
use serde_json::json;

use super::{NO_QUEUE, Refusal, Sqs, text};

const DELETED: Refusal = Refusal::new(
    "QueueDeletedRecently",
    "AWS.SimpleQueueService.QueueDeletedRecently",
    400,
    "You must wait 60 seconds after deleting a queue before you can create another with the same \
     name.",
);

const PURGED: Refusal = Refusal::new(
    "PurgeQueueInProgress",
    "AWS.SimpleQueueService.PurgeQueueInProgress",
    403,
    "Only one PurgeQueue operation on orders is allowed every 60 seconds.",
);

#[track_caller]
fn refuses_to_create(sqs: &Sqs) {
    let parameters = [("QueueName", "orders")];
    sqs.refused("CreateQueue", &json!({ "QueueName": "orders" }), &parameters, DELETED);
}

#[track_caller]
fn refuses_to_purge(sqs: &Sqs) {
    // The name stands in the error, not the URL.
    let url = "http://elsewhere/123456789012/orders";
    sqs.refused("PurgeQueue", &json!({ "QueueUrl": url }), &[("QueueUrl", url)], PURGED);
}

/// Lets what is remembered of a queue end, as if its time were over.
fn let_time_pass(sqs: &Sqs, marker: &str) {
    sqs.redis.cli(&["PEXPIRE", marker, "1"]);
    wait::until(wait::PATIENCE, "its end", || sqs.redis.cli(&["EXISTS", marker]) == "0");
}

// contract: 4.2-deleted-recently
#[test]
fn a_deleted_queue_cannot_be_created_for_a_minute_by_any_gateway() {
    let mut sqs = Sqs::with_queue("orders");
    sqs.json("DeleteQueue", &json!({ "QueueUrl": "orders" }));
    refuses_to_create(&sqs);
    let second = Gateway::start(&sqs.redis, &[]);
    assert_eq!(second.http().json("CreateQueue", r#"{"QueueName":"orders"}"#).status, 400);
    sqs.gateway.restart();
    refuses_to_create(&sqs);
    sqs.json("CreateQueue", &json!({ "QueueName": "others" }));
    let left_ms: u64 = sqs.redis.cli(&["PTTL", "karin:{orders}:gone"]).parse().expect("a number");
    assert!((30_000..=60_000).contains(&left_ms), "{left_ms}");
    let_time_pass(&sqs, "karin:{orders}:gone");
    sqs.json("CreateQueue", &json!({ "QueueName": "orders" }));
}

#[test]
fn what_is_remembered_of_a_queue_is_no_queue() {
    let sqs = Sqs::with_queue("orders");
    sqs.query("DeleteQueue", &[("QueueUrl", "orders")]);
    assert_eq!(sqs.redis.cli(&["EXISTS", "karin:{orders}:gone"]), "1");
    assert_eq!(sqs.json("ListQueues", &json!({})), json!({}));
    let parameters = [("QueueName", "orders")];
    sqs.refused("GetQueueUrl", &json!({ "QueueName": "orders" }), &parameters, NO_QUEUE);
}

#[test]
fn a_queue_that_was_never_there_can_be_created_after_its_deletion_failed() {
    let sqs = Sqs::start();
    let url = json!({ "QueueUrl": "orders" });
    sqs.refused("DeleteQueue", &url, &[("QueueUrl", "orders")], NO_QUEUE);
    sqs.refused("PurgeQueue", &url, &[("QueueUrl", "orders")], NO_QUEUE);
    sqs.json("CreateQueue", &json!({ "QueueName": "orders" }));
    sqs.json("PurgeQueue", &url);
}

#[test]
fn a_queue_that_came_back_another_way_is_there_whatever_was_deleted() {
    let sqs = Sqs::with_queue("orders");
    sqs.json("PurgeQueue", &json!({ "QueueUrl": "orders" }));
    sqs.json("DeleteQueue", &json!({ "QueueUrl": "orders" }));
    sqs.redis.cli(&["KARIN.SEND", "karin:{orders}", "x"]);
    let created = sqs.json("CreateQueue", &json!({ "QueueName": "orders" }));
    assert!(text(&created, "QueueUrl").ends_with("/orders"), "{created}");
    // It is another queue, which nobody has purged.
    sqs.json("PurgeQueue", &json!({ "QueueUrl": "orders" }));
}

// contract: 4.3-purge-in-progress
#[test]
fn a_purge_cannot_be_repeated_for_a_minute_at_any_gateway_and_takes_nothing_then() {
    let mut sqs = Sqs::with_queue("orders");
    sqs.query("PurgeQueue", &[("QueueUrl", "orders")]);
    sqs.send("orders", "kept");
    refuses_to_purge(&sqs);
    let second = Gateway::start(&sqs.redis, &[]);
    assert_eq!(second.http().json("PurgeQueue", r#"{"QueueUrl":"orders"}"#).status, 403);
    sqs.gateway.restart();
    refuses_to_purge(&sqs);
    assert_eq!(sqs.receive_one("orders")["Body"], "kept");
    let_time_pass(&sqs, "karin:{orders}:purged");
    sqs.json("PurgeQueue", &json!({ "QueueUrl": "orders" }));
    sqs.redis.cli(&["UNLINK", "karin:{orders}"]);
    let missing = json!({ "QueueUrl": "orders" });
    sqs.refused("PurgeQueue", &missing, &[("QueueUrl", "orders")], NO_QUEUE);
}

#[test]
fn another_cooldown_is_named_in_the_errors_and_none_leaves_nothing_behind() {
    let sqs = Sqs::start_with(&["--queue-cooldown", "7"]);
    let (name, url) = (json!({ "QueueName": "orders" }), json!({ "QueueUrl": "orders" }));
    sqs.json("CreateQueue", &name);
    sqs.json("PurgeQueue", &url);
    let purge = sqs.http().json("PurgeQueue", &url.to_string());
    assert!(purge.text().contains("is allowed every 7 seconds."), "{purge:?}");
    sqs.json("DeleteQueue", &url);
    let create = sqs.http().json("CreateQueue", &name.to_string());
    assert!(create.text().contains("You must wait 7 seconds after"), "{create:?}");

    let sqs = Sqs::start_without_cooldown();
    for _ in 0..2 {
        sqs.json("CreateQueue", &name);
        sqs.json("PurgeQueue", &url);
        sqs.json("PurgeQueue", &url);
        sqs.json("DeleteQueue", &url);
    }
    assert_eq!(sqs.redis.cli(&["DBSIZE"]), "0");
}
