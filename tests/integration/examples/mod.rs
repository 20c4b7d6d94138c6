//! The examples, by the commands of their READMEs. What they print is looked for by these; that
//! their queues end as they should, here. Those whose packages are slow to install run with
//! `KARIN_TEST_CLIENTS=all`.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use karin_tests::artifact::repository;
use karin_tests::clients::{Packages, folder};
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use crate::docs::Tour;

/// Whether `make test-clients` asked for what is slow to install.
fn is_wanted() -> bool {
    std::env::var("KARIN_TEST_CLIENTS").is_ok_and(|value| value == "all")
}

/// (visible, in flight, delayed)
fn counts(tour: &Tour, queue: &str) -> [u64; 3] {
    let input = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
    let answer = tour.http().json("GetQueueAttributes", &input.to_string());
    assert_eq!(answer.status, 200, "{queue}: {}", answer.text());
    let attributes = &answer.json()["Attributes"];
    ["", "NotVisible", "Delayed"].map(|name| {
        let name = format!("ApproximateNumberOfMessages{name}");
        attributes[name].as_str().unwrap().parse().unwrap()
    })
}

#[track_caller]
fn wait_until_empty(tour: &Tour, queue: &str) {
    until(PATIENCE, &format!("{queue} to be empty"), || counts(tour, queue) == [0, 0, 0]);
}

/// Every pinned package of an example is one the tests install, in the same version.
#[track_caller]
fn check_requirements(example: &str, installed: &str) {
    let read = |path: String| -> BTreeSet<String> {
        let text = std::fs::read_to_string(repository().join(&path)).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let wanted = read(format!("examples/{example}/requirements.txt"));
    let there = read(format!("tests/clients/requirements-{installed}.txt"));
    let missing: Vec<_> = wanted.difference(&there).collect();
    assert!(!wanted.is_empty() && missing.is_empty(), "{example}: {missing:?} are not installed");
}

#[test]
fn hello_prints_what_redis_cli_sent() {
    let tour = Tour::of("examples/hello/README.md", &[]).run();
    wait_until_empty(&tour, "hello");
}

#[test]
fn the_python_example_reports_one_message_of_its_batch() {
    check_requirements("python", "lambda");
    let packages = [Packages::Lambda, Packages::Cli];
    let tour = Tour::of("examples/python/README.md", &packages).run();
    wait_until_empty(&tour, "orders");
    // It was received, and stays hidden for a while.
    assert_eq!(counts(&tour, "orders-dead"), [0, 1, 0]);
}

#[test]
fn the_node_example_counts_words_and_refuses_an_empty_text() {
    let packages = [Packages::Node, Packages::Cli];
    let tour = Tour::of("examples/node/README.md", &packages).run();
    assert_eq!(counts(&tour, "counts").iter().sum::<u64>(), 1);
    assert_eq!(counts(&tour, "texts").iter().sum::<u64>(), 1, "the empty one comes again");
}

#[test]
fn the_steps_of_each_customer_are_done_in_order_and_dead_ones_are_brought_back() {
    check_requirements("fifo-orders", "lambda");
    let tour = Tour::of("examples/fifo-orders/README.md", &[Packages::Lambda]).run();
    wait_until_empty(&tour, "orders.fifo");
    wait_until_empty(&tour, "orders-dead.fifo");
    let ledger = std::fs::read_to_string(tour.folder().join("ledger.txt")).unwrap();
    for customer in ["alice", "bob", "mallory"] {
        let steps = ledger.lines().filter_map(|line| line.strip_prefix(customer));
        assert_eq!(steps.collect::<Vec<_>>(), [" placed", " paid", " shipped"], "{ledger}");
    }
}

#[test]
fn the_celery_example_runs_retries_and_delays_tasks() {
    check_requirements("celery", "celery");
    if is_wanted() {
        let tour = Tour::of("examples/celery/README.md", &[Packages::Celery]).run();
        wait_until_empty(&tour, "shop");
    }
}

#[test]
fn the_rust_example_reports_what_failed() {
    if is_wanted() {
        // Built beside the tests' own function on the same runtime.
        let tour = Tour::of("examples/rust/README.md", &[]);
        let built = repository().join("target/clients");
        std::fs::create_dir_all(&built).unwrap();
        symlink(built, tour.folder().join("target")).unwrap();
        let tour = tour.run();
        until(PATIENCE, "the failed one to stay", || counts(&tour, "texts") == [0, 1, 0]);
    }
}

/// Its packages are those of `tests/clients`, in the same versions.
#[test]
fn the_serverless_example_consumes_what_it_produced_when_it_is_due() {
    let manifest = |path: &str| -> Value {
        let text = std::fs::read_to_string(repository().join(path).join("package.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let example = manifest("examples/serverless");
    let tools = &manifest("tests/clients/serverless")["dependencies"];
    for (name, version) in example["devDependencies"].as_object().unwrap() {
        assert_eq!(&tools[name], version, "{name}");
    }
    let sdk = &manifest("tests/clients/runtime-node")["dependencies"]["@aws-sdk/client-sqs"];
    assert_eq!(&example["dependencies"]["@aws-sdk/client-sqs"], sdk);
    if is_wanted() {
        let tour = Tour::of("examples/serverless/README.md", &[Packages::Serverless]);
        Packages::RuntimeNode.interpreter();
        install(&tour);
        let tour = tour.run();
        wait_until_empty(&tour, "greetings");
    }
}

/// The tools' packages, and in its own folder the SDK, which has other versions of its parts.
fn install(tour: &Tour) {
    let packages = tour.folder().join("node_modules");
    std::fs::create_dir_all(&packages).unwrap();
    for entry in folder().join("serverless/node_modules").read_dir().unwrap().flatten() {
        if entry.file_name() != "@aws-sdk" {
            symlink(entry.path(), packages.join(entry.file_name())).unwrap();
        }
    }
    let sdk = folder().join("runtime-node/node_modules/@aws-sdk");
    symlink(sdk, packages.join("@aws-sdk")).unwrap();
}
