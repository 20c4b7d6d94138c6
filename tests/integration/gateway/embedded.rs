//! karin with a Redis of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use karin_tests::gateway::{Gateway, run};
use karin_tests::{artifact, wait};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;

use super::Queue;

fn data(gateway: &Gateway) -> PathBuf {
    gateway.directory().join("data")
}

/// The process id of the Redis in a data directory, once it has written it down.
fn redis_process(data: &Path) -> Pid {
    wait::until_some(wait::PATIENCE, "redis.pid", || {
        let text = std::fs::read_to_string(data.join("redis.pid")).ok()?;
        text.trim().parse().ok().and_then(Pid::from_raw)
    })
}

fn until_gone(process: Pid) {
    wait::until(wait::PATIENCE, "the end of the embedded Redis", || {
        // A zombie of ours would count as alive; the embedded one is never our child.
        test_kill_process(process).is_err()
    });
}

/// A redis-server of our own; killed when dropped.
struct Server(Child);

impl Server {
    fn start(arguments: &[&str], socket: &Path) -> Self {
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        command.args(arguments).stdout(std::process::Stdio::null());
        let server = Self(command.spawn().expect("redis-server"));
        wait::until(wait::PATIENCE, "a server on the socket", || {
            std::os::unix::net::UnixStream::connect(socket).is_ok()
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_is_fine = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Receives until the message is there: Redis may be on its way back.
#[track_caller]
fn until_received(queue: &Queue, body: &str) {
    wait::until(wait::PATIENCE, "the message", || {
        let answer = queue.call("ReceiveMessage", json!({ "VisibilityTimeout": 0 }));
        answer.status == 200 && answer.text().contains(body)
    });
}

#[test]
fn a_killed_karin_takes_its_redis_along_and_finds_its_messages_again() {
    let mut gateway = Gateway::start_embedded(&[]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("kept");
    let redis = redis_process(&data(&gateway));
    gateway.kill();
    until_gone(redis);
    gateway.restart();
    assert_eq!(queue.bodies(json!({})), ["kept"]);
}

#[test]
fn nobody_else_can_open_its_data_or_its_socket() {
    let gateway = Gateway::start_embedded(&[]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data(&gateway)), 0o700);
    assert_eq!(mode(&data(&gateway).join("redis.sock")), 0o700);
}

#[test]
fn a_redis_that_dies_is_started_again() {
    let gateway = Gateway::start_embedded(&[]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("kept");
    let first = redis_process(&data(&gateway));
    // What was acknowledged is with the kernel, so a killed process loses nothing.
    kill_process(first, Signal::KILL).unwrap();
    until_received(&queue, "kept");
    assert_ne!(redis_process(&data(&gateway)), first);
}

#[test]
fn an_orphan_is_adopted_and_stopped_with_its_new_owner() {
    let mut gateway = Gateway::start_embedded(&[]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("kept");
    assert!(gateway.terminate().success());
    let data = data(&gateway);
    let config = data.join("redis.conf").display().to_string();
    let mut orphan = Server::start(&[&config], &data.join("redis.sock"));
    gateway.restart();
    assert!(gateway.log().contains("adopted"), "{}", gateway.log());
    until_received(&queue, "kept");
    assert!(gateway.terminate().success());
    wait::until(wait::PATIENCE, "the end of the orphan", || orphan.0.try_wait().unwrap().is_some());
}

#[test]
fn an_adopted_one_that_dies_is_replaced() {
    let mut gateway = Gateway::start_embedded(&[]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("kept");
    assert!(gateway.terminate().success());
    let data = data(&gateway);
    let config = data.join("redis.conf").display().to_string();
    let orphan = Server::start(&[&config], &data.join("redis.sock"));
    gateway.restart();
    drop(orphan);
    until_received(&queue, "kept");
}

#[test]
fn a_foreign_redis_on_the_socket_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    let socket = directory.path().join("redis.sock");
    let socket_text = socket.display().to_string();
    let arguments = ["--port", "0", "--save", "", "--dir", &path, "--unixsocket", &socket_text];
    let mut foreign = Server::start(&arguments, &socket);
    let module = artifact::module().display().to_string();
    let run = run(&["--listen", "127.0.0.1:0", "--module", &module, "--data-dir", &path]);
    assert_eq!(run.status.code(), Some(1));
    assert!(run.output.contains("another Redis is on"), "{}", run.output);
    assert!(foreign.0.try_wait().unwrap().is_none());
}

#[test]
fn a_data_directory_has_one_karin() {
    let gateway = Gateway::start_embedded(&[]);
    let data = data(&gateway).display().to_string();
    let run = run(&["--listen", "127.0.0.1:0", "--data-dir", &data]);
    assert_eq!(run.status.code(), Some(1));
    let words = format!("is in use by another karin (process {})", gateway.process_id());
    assert!(run.output.contains(&words), "{}", run.output);
}

#[test]
fn a_redis_that_keeps_dying_ends_karin_with_its_last_words() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("server");
    std::fs::write(&program, "#!/bin/sh\necho the disk is on fire\nexit 3\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let module = artifact::module().display().to_string();
    let program = program.display().to_string();
    let arguments = ["--listen", "127.0.0.1:0", "--module", &module, "--redis-server", &program];
    let run = run(&arguments);
    assert_eq!(run.status.code(), Some(1));
    assert!(run.output.contains("died 5 times"), "{}", run.output);
    assert!(run.output.contains("the disk is on fire"), "{}", run.output);
}

#[test]
fn what_is_not_installed_is_named() {
    let module = artifact::module().display().to_string();
    let run_with = |arguments: &[&str]| {
        let all = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let run = run(&all);
        assert_eq!(run.status.code(), Some(1));
        run.output
    };
    let output = run_with(&["--module", &module, "--redis-server", "no-such-redis"]);
    assert!(output.contains("no-such-redis is not installed"), "{output}");
    let output = run_with(&["--module", "/no/such/module.so"]);
    assert!(output.contains("no module at /no/such/module.so"), "{output}");
}

#[test]
fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(100)).display().to_string();
    let gateway = Gateway::start_embedded(&["--data-dir", &deep]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("hi");
    assert_eq!(queue.bodies(json!({})), ["hi"]);
}
