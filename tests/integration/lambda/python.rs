//! AWS's own runtime client for Python, unchanged.

use std::fs;

use karin_tests::clients::Packages;
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

use super::{counts, send, wait_until_empty};

const APP: &str = r#"
import json, os

def handler(event, context):
    assert context.get_remaining_time_in_millis() > 1000
    assert context.invoked_function_arn.endswith(":function:py"), context.invoked_function_arn
    bodies = [record["body"] for record in event["Records"]]
    if "fail" in bodies:
        raise ValueError("as asked")
    print("python got " + json.dumps(bodies))
    return {"batchItemFailures": []}
"#;

#[test]
fn a_python_handler_runs_on_awss_runtime_client() {
    let python = Packages::Lambda.interpreter();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("app.py"), APP).unwrap();
    let redis = RedisServer::start(&[]);
    let command = format!("exec {} -m awslambdaric app.handler", python.display());
    let function = format!("py={},command={command}", directory.path().display());
    let gateway = Gateway::start(&redis, &["--function", &function, "--map", "q=py"]);
    for body in ["one", "two"] {
        send(&gateway, "q", body);
        until(PATIENCE, "python's words", || {
            gateway.log().contains(&format!("python got [\"{body}\"]"))
        });
        wait_until_empty(&gateway, "q");
    }
    send(&gateway, "q", "fail");
    until(PATIENCE, "the failure", || gateway.log().contains("as asked"));
    assert_eq!(counts(&gateway, "q"), (0, 1, 0), "the message stays");
}
