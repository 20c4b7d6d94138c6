//! What keys that are limited to queues reach by actions that are about several.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karin_tests::sigv4::Signer;

use super::authentication::{ID, SECRET, signer, start};
use super::*;

#[test]
fn no_message_is_moved_to_a_queue_that_a_key_is_not_for() {
    let sqs = start(&[
        "--key",
        &format!("{ID}:{SECRET}"),
        "--key",
        "AKIDLIMITED:secret,queues=orders|orders-dead",
    ]);
    let limited = Signer::new("AKIDLIMITED", "secret");
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let policy = |target: &str| {
        let policy = json!({ "deadLetterTargetArn": arn(target), "maxReceiveCount": 1 });
        json!({ "RedrivePolicy": policy.to_string() })
    };
    for name in ["orders-dead", "foreign"] {
        let created = sqs.signed(&signer(), "CreateQueue", &json!({ "QueueName": name }));
        assert_eq!(created.status, 200, "{created:?}");
    }
    let answer = |signer: &Signer, action: &str, members: Value| {
        let response = sqs.signed(signer, action, &members);
        if response.status == 200 {
            return "done".to_owned();
        }
        let error = Error::of_json(&response).names;
        error.split(' ').next().unwrap_or_default().to_owned()
    };
    let create = |target| json!({ "QueueName": "orders", "Attributes": policy(target) });
    let set = |target| json!({ "QueueUrl": "orders", "Attributes": policy(target) });
    let denied = "AccessDeniedException";
    assert_eq!(answer(&limited, "CreateQueue", create("foreign")), denied);
    assert_eq!(answer(&limited, "CreateQueue", create("no-such-queue")), denied);
    assert_eq!(answer(&limited, "CreateQueue", create("orders-dead")), "done");
    assert_eq!(answer(&limited, "SetQueueAttributes", set("foreign")), denied);
    assert_eq!(answer(&limited, "SetQueueAttributes", set("orders-dead")), "done");
    let back = json!({ "SourceArn": arn("orders-dead") });
    let to = |target| json!({ "SourceArn": arn("orders-dead"), "DestinationArn": arn(target) });
    assert_eq!(answer(&limited, "StartMessageMoveTask", back.clone()), denied);
    assert_eq!(answer(&limited, "StartMessageMoveTask", to("foreign")), denied);
    assert_eq!(answer(&limited, "StartMessageMoveTask", to("orders")), "done");
    assert_ne!(answer(&signer(), "StartMessageMoveTask", back), denied);
    let cancel = |queue: &str| {
        let handle = json!({ "taskId": "t", "sourceArn": arn(queue) }).to_string();
        json!({ "TaskHandle": STANDARD.encode(handle) })
    };
    assert_eq!(answer(&limited, "CancelMessageMoveTask", cancel("foreign")), denied);
    let own = answer(&limited, "CancelMessageMoveTask", cancel("orders-dead"));
    assert_eq!(own, "ResourceNotFoundException");
    assert_eq!(answer(&limited, "CancelMessageMoveTask", json!({ "TaskHandle": "x" })), denied);
}
