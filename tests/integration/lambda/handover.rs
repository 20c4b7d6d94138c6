//! Mappings whose function deletes its messages itself.

use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};

use super::endpoint::{Endpoint, Reply};
use super::outcomes::{SLACK, first_received, left, send_all, with_dead_letters, with_sqs};
use super::{Function, counts, send, wait_until_empty};

#[test]
fn a_function_that_deletes_its_messages_itself_gets_those_it_did_not_delete_again() {
    let redis = RedisServer::start(&[]);
    let deleting = with_sqs(
        "answer null
         sqs DeleteMessage '{\"QueueUrl\":\"'$url'\",\"ReceiptHandle\":\"'$handle'\"}'",
    );
    let forgetful = Function::new("answer null");
    let (deletes, forgets) = (deleting.option("deletes"), forgetful.option("forgets"));
    let arguments = [
        "--function",
        &deletes,
        "--function",
        &forgets,
        "--map",
        "deletes=deletes,acknowledge=function",
        "--map",
        "forgets=forgets,acknowledge=function",
    ];
    // From the beginning: the gateway remembers it for a moment.
    redis.cli(&["KARIN.CREATE", "karin:{forgets}", "VisibilityTimeout", "2"]);
    let gateway = Gateway::start(&redis, &arguments);
    with_dead_letters(&gateway, "forgets", "forgotten");
    send(&gateway, "deletes", "x");
    send(&gateway, "forgets", "y");
    wait_until_empty(&gateway, "deletes");
    assert_eq!(deleting.events().len(), 1);
    until(PATIENCE, "the forgotten message to be dead-lettered", || {
        left(&redis, "forgotten") == ["y".to_owned()].into()
    });
    let events = forgetful.events();
    assert_eq!(events.len(), 2);
    let since = events[1].at.saturating_sub(first_received(&events[1]));
    assert!(since + Duration::from_millis(20) >= Duration::from_secs(2), "{since:?}");
    assert!(since < Duration::from_secs(2) + SLACK, "{since:?}");
}

#[test]
fn an_event_is_handed_over_asynchronously_and_is_at_most_a_megabyte() {
    let endpoint = Endpoint::start(|invocation| match invocation.before {
        0 => Reply::error(429, "TooManyRequestsException"),
        _ => Reply::Http(202, vec![], String::new()),
    });
    let redis = RedisServer::start(&[]);
    let map = "q=f,batch_size=3,window=2,acknowledge=function";
    let gateway = Gateway::start(&redis, &["--lambda-endpoint", endpoint.url(), "--map", map]);
    let body = "x".repeat(340_000);
    send_all(&gateway, "q", &[&body, &body, &body]);
    until(PATIENCE, "all to be handed over", || counts(&gateway, "q") == (0, 3, 0));
    let invocations = until_some(PATIENCE, "three messages in two events", || {
        let invocations = endpoint.invocations("f");
        let taken = invocations.iter().skip(1).map(|i| i.bodies().len()).sum::<usize>();
        (taken == 3).then_some(invocations)
    });
    assert!(invocations.len() >= 3);
    for invocation in &invocations {
        assert_eq!(invocation.kind, "Event");
        assert!(invocation.event_bytes <= 1_000_000, "{}", invocation.event_bytes);
        assert_eq!(invocation.receive_count(), "1", "the refusal was not counted");
    }
    assert_eq!(counts(&gateway, "q"), (0, 3, 0), "nothing is deleted here");
}
