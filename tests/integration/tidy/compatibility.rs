//! docs/sqs-compatibility.md, made of `tests/contract.toml` and of the tests that name its rows.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use karin_tests::artifact::repository;

use super::File;
use super::contract::{self, Row, named, rows};

const PATH: &str = "docs/sqs-compatibility.md";

const ACTIONS: [&str; 23] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

const QUEUE_ATTRIBUTES: [&str; 21] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

const MESSAGE_ATTRIBUTES: [&str; 9] = [
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

const TOPICS: [&str; 6] =
    ["Authentication", "Dead-letter queues", "Errors", "FIFO queues", "Fair queues", "Wire"];

/// Whether a row can be about it.
pub(super) fn is_subject(name: &str) -> bool {
    [&ACTIONS[..], &QUEUE_ATTRIBUTES, &MESSAGE_ATTRIBUTES, &TOPICS].concat().contains(&name)
}

const HEAD: &str = "# How far karin is SQS

What SQS does is written down in [tests/contract.toml](../tests/contract.toml), one entry a fact, \
with an id, and every fact is named by the tests that prove it. This page is made of that; to make \
it anew: `KARIN_WRITE_DOCS=1 cargo test -p karin-tests --test integration compatibility`.

Both protocols (JSON and Query) behave alike unless a fact says otherwise. *Complete*: every known \
fact about it is tested. *Left out* counts facts that do not hold here; they are listed below with \
the reason.
";

/// The document.
fn document(rows: &[Row], proved: &BTreeSet<&str>) -> String {
    let mut text = HEAD.to_owned();
    for (title, subjects) in [
        ("Actions", &ACTIONS[..]),
        ("Queue attributes", &QUEUE_ATTRIBUTES),
        ("System attributes of messages", &MESSAGE_ATTRIBUTES),
        ("Across actions", &TOPICS),
    ] {
        let _infallible = write!(text, "\n## {title}\n| | state | facts tested |\n|---|---|---|\n");
        for subject in subjects {
            text.push_str(&state(subject, rows, proved));
        }
    }
    text.push_str(
        "\n## What SQS has and karin leaves out\n| | SQS | why not here |\n|---|---|---|\n",
    );
    text.push_str(&reasons(rows, |row| row.left_out.as_deref()));
    text.push_str("\n## Where karin is stronger\n| | SQS | here |\n|---|---|---|\n");
    text.push_str(&reasons(rows, |row| row.stronger.as_deref()));
    text.push_str(&provenance(rows));
    text
}

fn state(subject: &str, rows: &[Row], proved: &BTreeSet<&str>) -> String {
    let about = rows.iter().filter(|row| row.about.iter().any(|about| about == subject));
    let (left_out, done): (Vec<&Row>, Vec<&Row>) = about.partition(|row| row.left_out.is_some());
    let tested = done.iter().filter(|row| proved.contains(row.id.as_str())).count();
    let mut state = match (tested, done.len()) {
        (_, 0) => "left out".to_owned(),
        (tested, all) if tested == all => "complete".to_owned(),
        (0, _) => "missing".to_owned(),
        _ => "partly".to_owned(),
    };
    if !done.is_empty() && !left_out.is_empty() {
        let _infallible = write!(state, ", {} left out", left_out.len());
    }
    format!("| {subject} | {state} | {tested} of {} |\n", done.len())
}

fn reasons(rows: &[Row], reason: fn(&Row) -> Option<&str>) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::new();
    for (row, reason) in rows.iter().filter_map(|row| Some((row, reason(row)?))) {
        let (id, says) = (&row.id, cell(&row.says));
        let _infallible = writeln!(text, "| {id} | {says} | {} |", cell(reason));
    }
    text
}

fn provenance(rows: &[Row]) -> String {
    let mut text = "\n## How we know\n| | facts |\n|---|---|\n".to_owned();
    for (source, means) in [
        ("R", "recorded from AWS"),
        ("M", "in AWS's service model"),
        ("D", "documented by AWS"),
        ("P", "an answer of AWS that somebody published"),
        ("E", "claimed by another implementation"),
        ("?", "concluded"),
    ] {
        let count = rows.iter().filter(|row| row.source == source).count();
        let _infallible = writeln!(text, "| {means} | {count} |");
    }
    text
}

fn document_of(files: &[File]) -> Option<String> {
    let contract = files.iter().find(|f| f.path == contract::PATH)?;
    let rows = rows(&contract.text).ok()?;
    Some(document(&rows, &named(files).into_keys().collect()))
}

pub(super) fn the_compatibility_page_is_what_the_facts_make(files: &[File]) -> Vec<String> {
    let Some(expected) = document_of(files) else { return Vec::new() };
    let page = files.iter().find(|f| f.path == PATH).map(|f| f.text.as_str());
    if page == Some(expected.as_str()) {
        return Vec::new();
    }
    vec![format!("{PATH}: make it anew, with KARIN_WRITE_DOCS=1 and the test compatibility")]
}

/// Writes the page where it was asked for.
#[test]
fn the_page_lists_every_action_and_attribute() {
    let mut files = Vec::new();
    super::collect(&repository(), "", &mut files);
    let page = document_of(&files).expect("the facts");
    for name in [&ACTIONS[..], &QUEUE_ATTRIBUTES, &MESSAGE_ATTRIBUTES].concat() {
        assert!(page.contains(&format!("| {name} |")), "{name}");
        assert!(!page.contains(&format!("| {name} | left out | 0 of 0 |")), "{name}: no facts");
    }
    if std::env::var_os("KARIN_WRITE_DOCS").is_some() {
        std::fs::write(repository().join(PATH), page).expect("to write the page");
    }
}
