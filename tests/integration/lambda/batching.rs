//! What goes into one event, and how many events there are at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::json;

use super::{Event, Function, action, counts, now, queue_url, send, wait_until_empty};

/// The largest event, bytes. Source: esm-contract §1.
const EVENT_BYTES_MAX: usize = 6_291_456;
/// Waits until there is a file `go`.
const WAIT_FOR_GO: &str = "while [[ ! -e go ]]; do sleep 0.02; done";

/// Sends all in one command, so that one POPDUE finds them all.
fn send_all(redis: &RedisServer, queue: &str, bodies: &[String]) {
    let mut command = redis::cmd("KARIN.SENDM");
    command.arg(format!("karin:{{{queue}}}")).arg(bodies.len());
    for body in bodies {
        command.arg("MSG").arg(body);
    }
    command.query::<redis::Value>(&mut redis.connection()).unwrap();
}

fn send_to_group(gateway: &Gateway, queue: &str, group: &str, body: &str) {
    let input = json!({
        "QueueUrl": queue_url(gateway, queue), "MessageBody": body, "MessageGroupId": group,
        "MessageDeduplicationId": format!("{group}-{body}"),
    });
    action(gateway, "SendMessage", &input);
}

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// As long as a message can be, each told by its first character.
fn large_bodies(count: u32) -> Vec<String> {
    (0..count).map(|number| number.to_string().repeat(1_048_576)).collect()
}

fn initials(events: &[Event]) -> String {
    bodies(events).into_iter().filter_map(|body| body.chars().next()).collect()
}

fn bodies(events: &[Event]) -> Vec<&str> {
    events.iter().flat_map(Event::bodies).collect()
}

fn assert_received_once(events: &[Event]) {
    for record in events.iter().flat_map(|event| &event.records) {
        assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1", "{record}");
    }
}

fn commands(redis: &RedisServer, name: &str) -> u64 {
    let statistics = redis.info("commandstats");
    let prefix = format!("cmdstat_karin.{name}:calls=");
    let line = statistics.lines().find_map(|line| line.strip_prefix(&prefix));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn a_window_starts_with_its_first_message_and_gathers_all_that_come() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let map = "q=f,batch_size=1000,window=2";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    let first = now();
    let mut sent = 0;
    let events = until_some(PATIENCE, "the window to end", || {
        if sent < 100 {
            send(&gateway, "q", &sent.to_string());
            sent += 1;
        }
        let events = function.events();
        (!events.is_empty()).then_some(events)
    });
    let took = events[0].at.saturating_sub(first);
    assert!(took >= Duration::from_millis(1_950), "the window ended after {took:?}");
    assert!(took < Duration::from_secs(4), "the window ended after {took:?}");
    assert!(events[0].records.len() > 20, "{} messages", events[0].records.len());
    wait_until_empty(&gateway, "q");
    assert_received_once(&function.events());
}

#[test]
fn a_batch_that_is_full_does_not_wait_for_its_window() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = format!("{},concurrency=1", function.option("f"));
    let map = "q=f,batch_size=3,window=300";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    for body in numbered(0..6) {
        send(&gateway, "q", &body);
    }
    let events = function.wait_for(2, PATIENCE);
    assert_eq!(events[0].bodies(), ["0", "1", "2"]);
    assert_eq!(events[1].bodies(), ["3", "4", "5"]);
    wait_until_empty(&gateway, "q");
}

#[test]
fn thousands_of_messages_go_in_one_event() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    for thousand in 0..4 {
        send_all(&redis, "q", &numbered(thousand * 1_000..(thousand + 1) * 1_000));
    }
    let map = "q=f,batch_size=4000,window=300";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    let events = function.wait_for(1, PATIENCE);
    assert_eq!(events[0].bodies(), numbered(0..4_000));
    assert_received_once(&events);
    wait_until_empty(&gateway, "q");
    assert!(commands(&redis, "popdue") >= 4, "a POPDUE gives 1,000 at most");
    assert_eq!(function.events().len(), 1);
}

#[test]
fn what_does_not_fit_into_six_megabytes_goes_on_in_the_next_event() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("echo ${#body} >> sizes; answer null");
    let option = format!("{},concurrency=1", function.option("f"));
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    send_all(&redis, "q", &large_bodies(8));
    let map = "q=f,batch_size=10,window=1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    let events = function.wait_for(2, PATIENCE);
    assert_eq!(initials(&events[..1]), "01234", "five fit into one event");
    assert_eq!(initials(&events[1..]), "567");
    assert_received_once(&events);
    wait_until_empty(&gateway, "q");
    for size in function.lines("sizes") {
        assert!(size.parse::<usize>().unwrap() <= EVENT_BYTES_MAX, "{size} bytes");
    }
    let releases = commands(&redis, "release");
    assert_eq!(releases, 1, "what a predecessor left; what was over was carried");
}

#[test]
fn what_is_carried_and_cannot_run_in_time_is_given_back_uncounted() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(&format!("{WAIT_FOR_GO}; answer null"));
    let option = format!("{},concurrency=1,timeout=60", function.option("f"));
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    send_all(&redis, "q", &large_bodies(7));
    let mut gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    until(PATIENCE, "the sixth to be carried", || counts(&gateway, "q") == (1, 6, 0));
    until(PATIENCE, "it to be given back", || counts(&gateway, "q") == (2, 5, 0));
    assert_eq!(function.events().len(), 1, "the first event still runs");
    std::fs::write(function.file("go"), "").unwrap();
    wait_until_empty(&gateway, "q");
    assert_eq!(initials(&function.events()).len(), 7);
    assert_received_once(&function.events());

    // And when karin stops.
    std::fs::remove_file(function.file("go")).unwrap();
    let before = function.events().len();
    send_all(&redis, "q", &large_bodies(7));
    function.wait_for(before + 1, PATIENCE);
    until(PATIENCE, "the sixth to be carried", || counts(&gateway, "q") == (1, 6, 0));
    gateway.ask_to_stop();
    until(PATIENCE, "it to be given back", || {
        redis.cli(&["KARIN.INFO", "karin:{q}"]).contains("in_flight\n5\n")
    });
    std::fs::write(function.file("go"), "").unwrap();
    until_some(PATIENCE, "its end", || gateway.ended());
    gateway.restart();
    wait_until_empty(&gateway, "q");
    assert_received_once(&function.events());
    assert_eq!(initials(&function.events()).len(), 14);
}

#[test]
fn what_a_filter_drops_costs_no_invocation_and_is_deleted() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let map = r#"q=f,batch_size=2,filter={"body":[{"prefix":"yes"}]}"#;
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    for body in ["no-1", "no-2", "no-3"] {
        send(&gateway, "q", body);
    }
    wait_until_empty(&gateway, "q");
    assert!(function.events().is_empty());
    send_all(&redis, "q", &["no-4", "yes-1", "no-5", "no-6", "yes-2"].map(str::to_owned));
    let events = function.wait_for(1, PATIENCE);
    assert_eq!(events[0].bodies(), ["yes-1", "yes-2"], "filters come before batches");
    wait_until_empty(&gateway, "q");
    assert_eq!(function.events().len(), 1);
}

#[test]
fn what_a_filter_drops_is_kept_on_request_and_costs_no_receive() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    redis.cli(&["KARIN.CREATE", "karin:{q}", "VisibilityTimeout", "2"]);
    let map = r#"q=f,filtered=keep,filter={"body":[{"prefix":"yes"}]}"#;
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    send_all(&redis, "q", &["no", "yes"].map(str::to_owned));
    assert_eq!(function.wait_for(1, PATIENCE)[0].bodies(), ["yes"]);
    until(PATIENCE, "one of two to be kept", || {
        let (visible, in_flight, delayed) = counts(&gateway, "q");
        (visible + delayed, in_flight) == (1, 0)
    });
    let polls = commands(&redis, "release");
    until(PATIENCE, "it to come again", || commands(&redis, "release") > polls + 1);
    assert!(commands(&redis, "popdue") < 20, "not again and again");
    let peeked = redis.cli(&["KARIN.PEEK", "karin:{q}"]);
    assert!(peeked.contains("no"), "{peeked}");
    assert_eq!(function.events().len(), 1);
    let received = until_some(PATIENCE, "it to be received", || {
        let input = json!({
            // In one line with the poller, which would be there first whenever it is due.
            "QueueUrl": queue_url(&gateway, "q"), "VisibilityTimeout": 0, "WaitTimeSeconds": 5,
            "MessageSystemAttributeNames": ["All"],
        });
        action(&gateway, "ReceiveMessage", &input)["Messages"].get(0).cloned()
    });
    assert_eq!(received["Attributes"]["ApproximateReceiveCount"], "1");
}

#[test]
fn what_a_filter_drops_is_moved_on_request_with_all_it_has() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let filter = r#"filter={"body":[{"prefix":"yes"}]}"#;
    let maps = [
        format!("q=f,filtered=move:others,{filter}"),
        format!("p=f,filtered=move:others.fifo,{filter}"),
    ];
    let arguments = ["--function", &option, "--map", &maps[0], "--map", &maps[1]];
    let gateway = Gateway::start(&redis, &arguments);
    for queue in ["q", "p"] {
        let input = json!({
            "QueueUrl": queue_url(&gateway, queue), "MessageBody": "no", "MessageGroupId": "g",
            "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "7"}},
        });
        action(&gateway, "SendMessage", &input);
        wait_until_empty(&gateway, queue);
    }
    for queue in ["others", "others.fifo"] {
        let input = json!({
            "QueueUrl": queue_url(&gateway, queue), "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        });
        let message = action(&gateway, "ReceiveMessage", &input)["Messages"][0].clone();
        assert_eq!(message["Body"], "no", "{queue}: {message}");
        assert_eq!(message["Attributes"]["MessageGroupId"], "g", "{queue}: {message}");
        assert_eq!(message["MessageAttributes"]["n"]["StringValue"], "7", "{queue}: {message}");
    }
    assert!(function.events().is_empty());
}

#[test]
fn nothing_is_taken_for_which_there_is_no_room_to_run() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(&format!("{WAIT_FOR_GO}; answer null"));
    let option = format!("{},concurrency=4", function.option("f"));
    let map = "q=f,batch_size=1,concurrency=1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    for body in numbered(0..5) {
        send(&gateway, "q", &body);
    }
    function.wait_for(1, PATIENCE);
    assert_eq!(counts(&gateway, "q"), (4, 1, 0), "the others can be had by anybody");
    std::fs::write(function.file("go"), "").unwrap();
    wait_until_empty(&gateway, "q");
    let events = function.events();
    assert_eq!(bodies(&events), ["0", "1", "2", "3", "4"]);
    assert_received_once(&events);
}

#[test]
fn a_concurrency_of_one_is_serial() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("echo begin >> log; sleep 0.02; echo end >> log; answer null");
    let option = format!("{},concurrency=4", function.option("f"));
    let map = "q=f,batch_size=1,concurrency=1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    send_all(&redis, "q", &numbered(0..30));
    function.wait_for(30, PATIENCE);
    wait_until_empty(&gateway, "q");
    let log = function.lines("log");
    assert_eq!(log.len(), 60);
    for pair in log.chunks(2) {
        assert_eq!(pair, ["begin", "end"], "one after the other");
    }
    assert_eq!(bodies(&function.events()), numbered(0..30), "and in order");
}

#[test]
fn mappings_of_one_function_share_its_only_process_without_losing_a_receive() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("sleep 0.02; answer null");
    let option = format!("{},concurrency=1,timeout=5", function.option("f"));
    let arguments = [
        "--function",
        &option,
        "--map",
        "q=f,batch_size=1,concurrency=5",
        "--map",
        "p=f,batch_size=1,concurrency=5",
        "--map",
        "w=f,batch_size=100,window=1",
    ];
    for queue in ["q", "p", "w"] {
        redis.cli(&["KARIN.CREATE", &format!("karin:{{{queue}}}")]);
        send_all(&redis, queue, &(0..60).map(|n| format!("{queue}{n}")).collect::<Vec<_>>());
    }
    let gateway = Gateway::start(&redis, &arguments);
    for queue in ["q", "p", "w"] {
        wait_until_empty(&gateway, queue);
    }
    let events = function.events();
    assert_received_once(&events);
    let unique: BTreeSet<&str> = bodies(&events).into_iter().collect();
    assert_eq!((unique.len(), bodies(&events).len()), (180, 180), "each once");
    assert!(!gateway.log().contains("refused"), "nothing was throttled");
    // While both queues have messages, they take turns.
    let of = |queue: &str| {
        let place = |(n, event): (usize, &Event)| event.bodies()[0].starts_with(queue).then_some(n);
        events.iter().enumerate().filter_map(place).collect::<Vec<usize>>()
    };
    for queue in ["q", "p"] {
        let gaps = of(queue).windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(gaps <= 4, "{queue} waited for {gaps} others");
    }
}

#[test]
fn a_batch_whose_function_is_busy_for_too_long_is_given_back_uncounted() {
    let redis = RedisServer::start(&[]);
    let function =
        Function::new(&format!("if [[ $body == *block* ]]; then {WAIT_FOR_GO}; fi; answer null"));
    let option = format!("{},concurrency=1,timeout=60", function.option("f"));
    let maps = ["w=f,batch_size=10,window=2", "q=f"];
    let arguments = ["--function", &option, "--map", maps[0], "--map", maps[1]];
    let gateway = Gateway::start(&redis, &arguments);
    send(&gateway, "w", "x");
    until(PATIENCE, "the window to open", || counts(&gateway, "w") == (0, 1, 0));
    send(&gateway, "q", "block");
    let events = function.wait_for(1, PATIENCE);
    assert_eq!(events[0].bodies(), ["block"], "others have the function during a window");
    until(PATIENCE, "the batch to be given back", || counts(&gateway, "w") == (1, 0, 0));
    std::fs::write(function.file("go"), "").unwrap();
    wait_until_empty(&gateway, "w");
    let events = function.events();
    assert_eq!(bodies(&events), ["block", "x"]);
    assert_received_once(&events);
}

#[test]
fn a_filter_on_a_fifo_queue_leaves_the_order_as_it_is() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    redis.cli(&["KARIN.CREATE", "karin:{q.fifo}", "FIFO"]);
    for body in ["no-0", "1", "2", "no-3", "4", "no-5", "no-6", "7"] {
        redis.cli(&["KARIN.SEND", "karin:{q.fifo}", body, "GROUP", "g", "DEDUP", body]);
    }
    let filter = r#"filter={"body":[{"anything-but":{"prefix":"no"}}]}"#;
    let map = format!("q.fifo=f,batch_size=3,filtered=move:others.fifo,{filter}");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", &map]);
    wait_until_empty(&gateway, "q.fifo");
    assert_eq!(bodies(&function.events()), ["1", "2", "4", "7"]);
    let input = json!({"QueueUrl": queue_url(&gateway, "others.fifo"), "MaxNumberOfMessages": 10});
    let moved = action(&gateway, "ReceiveMessage", &input);
    let moved = moved["Messages"].as_array().unwrap().iter();
    let moved: Vec<&str> = moved.map(|message| message["Body"].as_str().unwrap()).collect();
    assert_eq!(moved, ["no-0", "no-3", "no-5", "no-6"]);
}

#[test]
fn a_fifo_queues_groups_run_side_by_side_and_each_in_order_through_failures() {
    let redis = RedisServer::start(&[]);
    // The first events of both groups wait for each other. Each third message fails once.
    let function = Function::new(
        r#"
group=$(grep -o '"MessageGroupId":"[^"]*"' <<<"$body" | head -1 | cut -d'"' -f4)
touch "$group"
while [[ ! -e a || ! -e b ]]; do sleep 0.02; done
first=$(grep -o '"body":"[^"]*"' <<<"$body" | head -1 | cut -d'"' -f4)
if [[ ! -e tried.$group.$first ]] && ((first % 3 == 0)); then
  touch "tried.$group.$first"
  fail '{"errorType":"E"}'
else
  answer null
fi"#,
    );
    let option = format!("{},concurrency=4", function.option("f"));
    let map = "q.fifo=f,batch_size=2,retry=backoff:0:1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    for number in 0..8 {
        for group in ["a", "b"] {
            send_to_group(&gateway, "q.fifo", group, &number.to_string());
        }
    }
    wait_until_empty(&gateway, "q.fifo");
    let events = function.events();
    for group in ["a", "b"] {
        let group_of = |event: &Event| event.records[0]["attributes"]["MessageGroupId"] == group;
        let mut next = 0;
        for event in events.iter().filter(|event| group_of(event)) {
            for record in &event.records {
                assert_eq!(record["attributes"]["MessageGroupId"], group, "one group an event");
            }
            let numbers: Vec<u32> = event.bodies().iter().map(|b| b.parse().unwrap()).collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
            // Either it goes on, or it repeats what failed.
            assert!(numbers[0] <= next && *numbers.last().unwrap() + 1 >= next, "{numbers:?}");
            let failed = numbers[0].is_multiple_of(3) && event.receive_count() == "1";
            next = if failed { numbers[0] } else { *numbers.last().unwrap() + 1 };
        }
        assert_eq!(next, 8, "{group}");
    }
}

#[test]
fn a_poison_message_is_isolated_after_its_failures_and_the_healthy_ones_succeed() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(
        r#"
if [[ $body == *poison* ]]; then fail '{"errorType":"Poisoned"}'; else answer null; fi"#,
    );
    let option = format!("{},timeout=5", function.option("f"));
    redis.cli(&["KARIN.CREATE", "karin:{letters}"]);
    redis.cli(&[
        "KARIN.CREATE",
        "karin:{q}",
        "maxReceiveCount",
        "4",
        "deadLetterTargetArn",
        "letters",
    ]);
    let mixed = ["1", "2", "poison", "3", "4"].map(str::to_owned);
    send_all(&redis, "q", &mixed);
    let map = "q=f,isolate=2,window=1,retry=backoff:1:1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    until(PATIENCE, "the poison alone", || {
        function.events().iter().any(|event| event.bodies() == ["poison"])
    });
    until(PATIENCE, "the healthy ones to succeed", || {
        let alone = |body: &str| {
            function
                .events()
                .iter()
                .any(|event| event.bodies().contains(&body) && !event.bodies().contains(&"poison"))
        };
        ["1", "2", "3", "4"].into_iter().all(alone)
    });
    let events = function.events();
    let poisoned = events.iter().filter(|event| event.bodies().contains(&"poison"));
    let together = poisoned.filter(|event| event.records.len() > 1).count();
    assert_eq!(together, 2, "after two failures it goes alone");
    wait_until_empty(&gateway, "q");
    until(PATIENCE, "the poison to be put away", || counts(&gateway, "letters") == (1, 0, 0));
}

#[test]
fn a_message_that_goes_alone_takes_nobody_along_however_many_come() {
    let redis = RedisServer::start(&[]);
    let function =
        Function::new("if [[ $body == *poison* ]]; then fail '{}'; else answer null; fi");
    let option = format!("{},timeout=5", function.option("f"));
    let map = "q=f,isolate=1,window=1,retry=backoff:1:1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    send(&gateway, "q", "poison");
    let sizes = until_some(PATIENCE, "the poison three times", || {
        send(&gateway, "q", "healthy");
        let events = function.events();
        let poisoned = events.iter().filter(|event| event.bodies().contains(&"poison"));
        let sizes: Vec<usize> = poisoned.map(|event| event.records.len()).collect();
        (sizes.len() >= 3).then_some(sizes)
    });
    assert!(sizes[0] > 1 && sizes[1..].iter().all(|size| *size == 1), "{sizes:?}");
}

#[test]
fn on_a_fifo_queue_isolation_keeps_the_order() {
    let redis = RedisServer::start(&[]);
    // The fourth message fails three times.
    let function = Function::new(
        r#"
if [[ $body == *'"body":"3"'* ]] && (($(cat tries 2>/dev/null | wc -l) < 3)); then
  echo x >> tries
  fail '{"errorType":"Poisoned"}'
else
  answer null
fi"#,
    );
    let option = format!("{},concurrency=4", function.option("f"));
    let map = "q.fifo=f,isolate=1,retry=backoff:0:0";
    redis.cli(&["KARIN.CREATE", "karin:{q.fifo}", "FIFO"]);
    for number in 0..6 {
        let (body, dedup) = (number.to_string(), format!("d{number}"));
        redis.cli(&["KARIN.SEND", "karin:{q.fifo}", &body, "GROUP", "g", "DEDUP", &dedup]);
    }
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    wait_until_empty(&gateway, "q.fifo");
    let events = function.events();
    assert_eq!(events[0].bodies(), ["0", "1", "2", "3", "4", "5"]);
    assert!(events[1..].iter().all(|event| event.records.len() == 1), "{:?}", bodies(&events));
    let alone: Vec<&str> = bodies(&events[1..]);
    assert_eq!(alone, ["0", "1", "2", "3", "3", "3", "4", "5"]);
}
