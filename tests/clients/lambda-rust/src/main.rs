//! Notes each event in the file that `FILE` names, one a line; fails for the body "fail", runs
//! long for "sleep" and for ever for "hang".

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let trace = event.context.xray_trace_id.unwrap_or_default();
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let line = format!("{}\n", json!({"at": at, "event": event.payload, "trace": trace}));
    let path = std::env::var("FILE")?;
    OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())?;
    match event.payload["Records"][0]["body"].as_str() {
        Some("fail") => Err("as asked".into()),
        Some("sleep") => sleep(Duration::from_secs(1)).await, // # slow on purpose
        Some("hang") => sleep(Duration::from_hours(1)).await,
        _ => Ok(Value::Null),
    }
}

async fn sleep(duration: Duration) -> Result<Value, Error> {
    tokio::time::sleep(duration).await;
    Ok(Value::Null)
}
