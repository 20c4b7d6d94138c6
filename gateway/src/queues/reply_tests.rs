use super::*;

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn simple(text: &str) -> Value {
    Value::SimpleString(text.to_owned())
}

fn flat(pairs: Vec<(&str, Value)>) -> Value {
    Value::Array(pairs.into_iter().flat_map(|(name, value)| [simple(name), value]).collect())
}

fn one_message() -> Value {
    Value::Array(vec![
        bulk("id"),
        bulk("receipt"),
        Value::BulkString(vec![0, 255]),
        bulk(""),
        Value::Int(2),
        Value::Int(100),
        Value::Int(200),
        Value::Int(300),
        Value::Int(7),
        bulk("group"),
        bulk("dedup"),
        bulk("arn:aws:sqs:us-east-1:000000000000:source"),
        bulk("what a later version adds"),
    ])
}

fn pop_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("messages", Value::Array(vec![one_message()])),
        ("more", Value::Int(3)),
        ("dead", Value::Int(0)),
        ("next", Value::Int(-1)),
        ("hint", Value::Int(9)),
        ("wait", Value::Int(20_000)),
    ]
}

#[test]
fn a_pop_reads_the_same_from_a_flat_array_and_from_a_map() {
    let pairs = pop_fields().into_iter().map(|(name, value)| (bulk(name), value)).collect();
    for value in [flat(pop_fields()), Value::Map(pairs)] {
        let popped = popped(value).unwrap();
        assert_eq!((popped.more, popped.next_ms, popped.hint), (3, None, 9));
        assert_eq!(popped.wait_ms, 20_000);
        let message = &popped.messages[0];
        assert_eq!(message.body.as_ref(), [0, 255]);
        assert_eq!((message.receive_count, message.sequence), (2, 7));
        assert_eq!((&*message.group, &*message.deduplication_id), ("group", "dedup"));
        assert_eq!(message.source_arn, "arn:aws:sqs:us-east-1:000000000000:source");
        assert_eq!((message.sent_ms, message.first_received_ms, message.due_ms), (100, 200, 300));
    }
}

#[test]
fn what_is_left_counts_as_due_now() {
    let popped = popped(flat(pop_fields())).unwrap();
    assert_eq!(Outlook::of(&popped), Outlook { hint: 9, next_ms: Some(0) });
}

#[test]
fn a_send_gives_id_sequence_and_hint() {
    let value = Value::Array(vec![bulk("id"), Value::Int(4), Value::Int(5)]);
    let (sent, hint) = sent(value).unwrap();
    assert_eq!((sent.id.as_str(), sent.sequence, hint), ("id", 4, 5));
}

#[test]
fn a_batch_tells_the_large_one_from_the_sent_one() {
    let results = Value::Array(vec![
        Value::Array(vec![bulk("id"), Value::Int(4)]),
        Value::Array(vec![simple("KARINTOOLARGE"), Value::Int(1024)]),
        Value::Array(vec![simple("KARINNOGROUP"), Value::Int(0)]),
    ]);
    let (hint, results) = sent_batch(Value::Array(vec![Value::Int(6), results]), 3).unwrap();
    assert_eq!(hint, 6);
    assert_eq!(results[0].as_ref().unwrap().sequence, 4);
    assert!(matches!(results[1], Err(QueueError::TooLarge { maximum_message_size: 1024 })));
    assert!(matches!(results[2], Err(QueueError::NoGroup)));
}

#[test]
fn every_word_for_a_receipt_is_known() {
    let words =
        ["KARINGONE", "KARINSTALE", "KARINTOOLONG", "KARINCHANGED", "KARINFOREIGN", "KARINRECEIPT"];
    let mut values = vec![Value::Int(1), Value::Int(0)];
    values.extend(words.map(simple));
    let expected = [
        ReceiptOutcome::Done,
        ReceiptOutcome::Gone,
        ReceiptOutcome::Gone,
        ReceiptOutcome::Stale,
        ReceiptOutcome::TooLong,
        ReceiptOutcome::Changed,
        ReceiptOutcome::Foreign,
        ReceiptOutcome::Malformed,
    ];
    assert_eq!(outcomes(Value::Array(values), 8).unwrap(), expected);
    assert!(outcomes(Value::Array(vec![simple("KARINNEW")]), 1).is_err());
    assert!(outcomes(Value::Array(vec![]), 1).is_err());
}

#[test]
fn messages_that_are_looked_at_have_no_receipt() {
    let messages = || ("messages", Value::Array(vec![one_message()]));
    let peeked = looked_at(flat(vec![messages(), ("after", Value::Int(7))])).unwrap();
    assert_eq!(peeked.after, Some(7));
    let message = &peeked.messages[0];
    assert_eq!((&*message.id, &*message.receipt, message.receive_count), ("id", "", 2));
    assert_eq!((&*message.deduplication_id, message.body.as_ref()), ("dedup", &[0, 255][..]));
    assert_eq!(looked_at(flat(vec![messages(), ("after", Value::Nil)])).unwrap().after, None);
}

#[test]
fn a_page_ends_with_nil() {
    let row = vec![
        bulk("karin:{a}"),
        Value::Int(0),
        Value::Int(1),
        Value::Int(0),
        Value::Int(0),
        Value::Int(250),
        Value::Int(3),
        Value::Int(0),
    ];
    let rows = Value::Array(vec![Value::Array(row)]);
    let page = page(flat(vec![("queues", rows), ("after", Value::Nil)])).unwrap();
    assert_eq!(page.after, None);
    assert_eq!(page.rows[0].key, b"karin:{a}");
    assert_eq!(page.rows[0].outlook, Outlook { hint: 3, next_ms: Some(250) });
    assert_eq!((page.rows[0].state, page.now_ms), (None, None), "an older module");
}

#[test]
fn rows_of_a_page_may_be_longer_than_we_know() {
    let numbers = [1, 2, 3, 4, -1, 5, 0, 77, -1].map(Value::Int);
    let rest = [bulk("00000000000000ff"), Value::Int(1_700), bulk("of a later version")];
    let row: Vec<Value> = [bulk("karin:{a}")].into_iter().chain(numbers).chain(rest).collect();
    let cut = |length: usize| {
        let rows = Value::Array(vec![Value::Array(row[..length].to_vec())]);
        page(flat(vec![("queues", rows), ("now_ms", Value::Int(9))]))
    };
    let page = cut(13).unwrap();
    let expected = QueueState {
        uid: 255,
        created_ms: 1_700,
        sequence: 77,
        ready: 1,
        delayed: 2,
        in_flight: 3,
        dead: 4,
        oldest_sent_ms: None,
    };
    assert_eq!((page.rows[0].state, page.now_ms), (Some(expected), Some(9)));
    for malformed in [0, 7, 9, 11] {
        assert!(cut(malformed).is_err(), "{malformed} fields");
    }
}

#[test]
fn error_classes_become_reasons() {
    let of = |code, details| classify(code, details);
    assert!(matches!(of("KARINNOQUEUE", ""), QueueError::NoQueue));
    assert!(matches!(of("KARINEXISTS", ""), QueueError::Exists));
    assert!(matches!(of("KARINATTRIBUTE", "x"), QueueError::Attribute(text) if text == "x"));
    assert!(matches!(of("OOM", ""), QueueError::Full(_)));
    assert!(matches!(of("LOADING", ""), QueueError::Unavailable(_)));
    assert!(matches!(of("ERR", "syntax"), QueueError::Unexpected(_)));
    let details = "message of 2000 bytes, MaximumMessageSize is 1024 bytes";
    let large = of("KARINTOOLARGE", details);
    assert!(matches!(large, QueueError::TooLarge { maximum_message_size: 1024 }));
}

#[test]
fn an_answer_of_another_shape_is_an_error_and_shows_no_content() {
    let secret = || bulk("secret");
    let errors = [
        popped(secret()).unwrap_err(),
        sent(Value::Array(vec![secret()])).unwrap_err(),
        number(&secret()).unwrap_err(),
        info(Value::Array(vec![secret()])).unwrap_err(),
    ];
    for error in errors {
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
