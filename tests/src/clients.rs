//! The real clients of `tests/clients`: which interpreter runs them, and running them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifact::repository;

/// A set of pinned packages that `tests/clients/prepare` installs on first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// The current boto3, which speaks the JSON protocol.
    BotoJson,
    /// A boto3 from before November 2023, which speaks the Query protocol.
    BotoQuery,
    /// `cargo lambda`, and a function for it.
    CargoLambda,
    /// Celery and kombu, on a botocore that speaks JSON.
    Celery,
    /// Celery and kombu from before November 2023, on a botocore that speaks Query.
    CeleryOld,
    /// The AWS CLI.
    Cli,
    /// dramatiq-sqs.
    Dramatiq,
    /// The last generation of AWS's SDK for JavaScript v2, in JSON and in Query.
    JavaScriptV2,
    /// AWS's Lambda runtime client and event reader for Python, and ministack.
    Lambda,
    /// Both generations of the JavaScript SDK v3.
    Node,
    /// AWS's Lambda runtime client and event reader for Node.js.
    RuntimeNode,
    /// A function on AWS's Lambda runtime client for Rust.
    RuntimeRust,
    /// AWS's SDK for Rust.
    Rust,
    /// serverless-offline-sqs.
    Serverless,
    /// sqs-producer and sqs-consumer.
    SqsConsumer,
    /// taskiq-sqs.
    Taskiq,
}

impl Packages {
    /// What `prepare` calls them.
    fn name(self) -> &'static str {
        match self {
            Self::BotoJson => "json",
            Self::BotoQuery => "query",
            Self::CargoLambda => "cargo-lambda",
            Self::Celery => "celery",
            Self::CeleryOld => "celery-old",
            Self::Cli => "cli",
            Self::Dramatiq => "dramatiq",
            Self::JavaScriptV2 => "javascript-v2",
            Self::Lambda => "lambda",
            Self::Node => "node",
            Self::RuntimeNode => "runtime-node",
            Self::RuntimeRust => "runtime-rust",
            Self::Rust => "rust",
            Self::Serverless => "serverless",
            Self::SqsConsumer => "sqs-consumer",
            Self::Taskiq => "taskiq",
        }
    }

    /// Installs the packages unless they are there; returns the interpreter, beside which the
    /// packages' own programs stand. Rust's have none: it is the program of `rust`.
    pub fn interpreter(self) -> PathBuf {
        let name = self.name();
        let output = Command::new(folder().join("prepare")).arg(name).output();
        let output = output.unwrap_or_else(|e| panic!("tests/clients/prepare: {e}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tests/clients/prepare {name}: {errors}");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    }
}

/// `tests/clients`.
pub fn folder() -> PathBuf {
    repository().join("tests/clients")
}

/// A command with an environment in which AWS's clients find nothing of this machine.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command
}

/// Runs a script of `tests/clients`; panics with all it printed when it does not end well.
#[track_caller]
pub fn run(packages: Packages, script: &str, arguments: &[&str]) {
    let mut command = command(&packages.interpreter());
    finish(command.current_dir(folder()).arg(script).args(arguments));
}

/// Runs the program of `tests/clients/rust`, as [`run`] does a script.
#[track_caller]
pub fn run_rust(endpoint: &str) {
    finish(command(&Packages::Rust.interpreter()).arg(endpoint));
}

#[track_caller]
fn finish(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{printed}");
    assert!(output.status.success(), "{command:?}:\n{printed}\n{errors}");
}
