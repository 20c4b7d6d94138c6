//! A handler for SQS on AWS's runtime client that notes what AWS's type for the event makes of it,
//! and does what the bodies ask for.

use std::fs::OpenOptions;
use std::io::Write;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

async fn handle(event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let context = event.context;
    let name = &context.env_config.function_name;
    assert!(context.invoked_function_arn.ends_with(&format!(":function:{name}")));
    let mut response = SqsBatchResponse::default();
    for record in event.payload.records {
        let mut records = OpenOptions::new().create(true).append(true).open("records")?;
        writeln!(records, "{}", serde_json::to_string(&record)?)?;
        match record.body.as_deref().unwrap_or_default() {
            "fail" => return Err("as asked".into()),
            "exit" => std::process::exit(3),
            "not me" => {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = record.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
            _ => {}
        }
    }
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
