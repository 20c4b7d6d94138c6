//! Prints the texts of its messages in capitals.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// The text in capitals; `None` for the one that is not to be printed.
fn upper(text: &str) -> Option<String> {
    (text != "fail").then(|| text.to_uppercase())
}

async fn handle(event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let records = event.payload.records;
    let count = records.len();
    let mut response = SqsBatchResponse::default();
    for record in records {
        if let Some(text) = upper(record.body.as_deref().unwrap_or_default()) {
            println!("{text}");
        } else {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    let failed = response.batch_item_failures.len();
    if failed > 0 {
        println!("{failed} of {count} failed");
    }
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
