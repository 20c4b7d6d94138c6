//! Answers that list tags, source queues and move tasks.

use super::super::response::{
    CancelledTask, MoveTask, MoveTasks, QueueTags, Response, SourceQueueUrls, StartedTask,
};
use super::answers::check;

fn task() -> MoveTask {
    MoveTask {
        task_handle: Some("h".into()),
        status: "RUNNING",
        source_arn: "arn:s".into(),
        destination_arn: Some("arn:d".into()),
        max_number_of_messages_per_second: Some(5),
        approximate_number_of_messages_moved: 1,
        approximate_number_of_messages_to_move: 2,
        failure_reason: None,
        started_timestamp: 1_760_000_000_000,
    }
}

#[test]
fn tags_are_a_map_in_json_and_pairs_in_xml() {
    let tags = QueueTags { tags: vec![("k".into(), String::new()), ("<".into(), "v".into())] };
    check(
        Response::ListQueueTags(tags),
        "{\"Tags\":{\"k\":\"\",\"<\":\"v\"}}",
        "<ListQueueTagsResponse><ListQueueTagsResult><Tag><Key>k</Key><Value></Value></Tag>\
         <Tag><Key>&lt;</Key><Value>v</Value></Tag></ListQueueTagsResult>^\
         </ListQueueTagsResponse>",
    );
    check(
        Response::ListQueueTags(QueueTags { tags: vec![] }),
        "{}",
        "<ListQueueTagsResponse><ListQueueTagsResult/>^</ListQueueTagsResponse>",
    );
}

#[test]
fn source_queues_have_a_lower_case_member_in_json() {
    let urls = |urls: &[&str]| SourceQueueUrls {
        queue_urls: urls.iter().map(|&url| url.to_owned()).collect(),
        next_token: None,
    };
    check(
        Response::ListDeadLetterSourceQueues(urls(&["u"])),
        "{\"queueUrls\":[\"u\"]}",
        "<ListDeadLetterSourceQueuesResponse><ListDeadLetterSourceQueuesResult><QueueUrl>u\
         </QueueUrl></ListDeadLetterSourceQueuesResult>^</ListDeadLetterSourceQueuesResponse>",
    );
    check(
        Response::ListDeadLetterSourceQueues(urls(&[])),
        "{}",
        "<ListDeadLetterSourceQueuesResponse><ListDeadLetterSourceQueuesResult/>^\
         </ListDeadLetterSourceQueuesResponse>",
    );
}

#[test]
fn a_move_task_counts_in_numbers() {
    check(
        Response::ListMessageMoveTasks(MoveTasks { results: vec![task()] }),
        "{\"Results\":[{\"TaskHandle\":\"h\",\"Status\":\"RUNNING\",\"SourceArn\":\"arn:s\",\
         \"DestinationArn\":\"arn:d\",\"MaxNumberOfMessagesPerSecond\":5,\
         \"ApproximateNumberOfMessagesMoved\":1,\"ApproximateNumberOfMessagesToMove\":2,\
         \"StartedTimestamp\":1760000000000}]}",
        "<ListMessageMoveTasksResponse><ListMessageMoveTasksResult>\
         <ListMessageMoveTasksResultEntry><TaskHandle>h</TaskHandle><Status>RUNNING</Status>\
         <SourceArn>arn:s</SourceArn><DestinationArn>arn:d</DestinationArn>\
         <MaxNumberOfMessagesPerSecond>5</MaxNumberOfMessagesPerSecond>\
         <ApproximateNumberOfMessagesMoved>1</ApproximateNumberOfMessagesMoved>\
         <ApproximateNumberOfMessagesToMove>2</ApproximateNumberOfMessagesToMove>\
         <StartedTimestamp>1760000000000</StartedTimestamp></ListMessageMoveTasksResultEntry>\
         </ListMessageMoveTasksResult>^</ListMessageMoveTasksResponse>",
    );
    let failed = MoveTask {
        task_handle: None,
        status: "FAILED",
        destination_arn: None,
        max_number_of_messages_per_second: None,
        failure_reason: Some("CouldNotDetermineMessageSource".into()),
        ..task()
    };
    let written = serde_json::to_value(&failed).expect("JSON");
    assert_eq!(
        written,
        serde_json::json!({
            "Status": "FAILED",
            "SourceArn": "arn:s",
            "ApproximateNumberOfMessagesMoved": 1,
            "ApproximateNumberOfMessagesToMove": 2,
            "FailureReason": "CouldNotDetermineMessageSource",
            "StartedTimestamp": 1_760_000_000_000_u64,
        })
    );
}

#[test]
fn tasks_are_started_and_cancelled() {
    check(
        Response::StartMessageMoveTask(StartedTask { task_handle: "h".into() }),
        "{\"TaskHandle\":\"h\"}",
        "<StartMessageMoveTaskResponse><StartMessageMoveTaskResult><TaskHandle>h</TaskHandle>\
         </StartMessageMoveTaskResult>^</StartMessageMoveTaskResponse>",
    );
    check(
        Response::CancelMessageMoveTask(CancelledTask { approximate_number_of_messages_moved: 2 }),
        "{\"ApproximateNumberOfMessagesMoved\":2}",
        "<CancelMessageMoveTaskResponse><CancelMessageMoveTaskResult>\
         <ApproximateNumberOfMessagesMoved>2</ApproximateNumberOfMessagesMoved>\
         </CancelMessageMoveTaskResult>^</CancelMessageMoveTaskResponse>",
    );
}
