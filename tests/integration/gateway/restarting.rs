//! karin is started anew, and no request fails.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use karin_tests::artifact;
use karin_tests::clients::{self, Packages};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use super::Queue;

/// boto3 without retries, which sends, receives and deletes as fast as it can.
struct Load {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Load {
    /// Returns when all its threads got their first answers.
    fn start(endpoint: &str) -> Self {
        let mut command = clients::command(&Packages::BotoJson.interpreter());
        command.current_dir(clients::folder()).args(["load.py", endpoint]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut load = Self { output: BufReader::new(child.stdout.take().unwrap()), child };
        assert_eq!(load.line(), "started\n");
        load
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// Ends it; panics if a request failed or a message was lost.
    #[track_caller]
    fn end_well(mut self) {
        drop(self.child.stdin.take());
        let result: Value = serde_json::from_str(&self.line()).unwrap();
        assert!(self.child.wait().unwrap().success());
        assert_eq!(result["failures"], json!([]), "{result}");
        assert_eq!(result["lost"], 0, "{result}");
        assert!(result["requests"].as_u64() > Some(100), "{result}");
    }
}

#[track_caller]
fn restarts_under_load(mut gateway: Gateway) {
    let load = Load::start(&gateway.url());
    for _ in 0..2 {
        assert!(gateway.terminate().success());
        gateway.restart();
        answers(&gateway);
    }
    load.end_well();
}

#[track_caller]
fn answers(gateway: &Gateway) {
    assert_eq!(gateway.http().get("/readyz").status, 200);
}

#[test]
fn a_restart_on_a_socket_that_is_held_fails_no_request() {
    let redis = RedisServer::start(&[]);
    let arguments = ["--redis-url", &redis.url(), "--shutdown-grace", "1"];
    restarts_under_load(Gateway::start_on_socket(&arguments));
}

#[test]
fn nor_does_that_of_a_karin_with_its_own_redis() {
    let module = artifact::module().display().to_string();
    let arguments = ["--module", &module, "--shutdown-grace", "1"];
    restarts_under_load(Gateway::start_on_socket(&arguments));
}

#[test]
fn gateways_restarted_in_turn_behind_a_load_balancer_fail_no_request() {
    let redis = RedisServer::start(&[]);
    let [mut one, mut two] = [(); 2].map(|()| Gateway::start(&redis, &["--shutdown-grace", "1"]));
    let balancer = Balancer::start([one.port(), two.port()]);
    let load = Load::start(&format!("http://127.0.0.1:{}", balancer.port));
    for _ in 0..2 {
        for gateway in [&mut one, &mut two] {
            assert!(gateway.terminate().success());
            gateway.restart();
            let port = gateway.port();
            until(PATIENCE, "the balancer to see it", || balancer.sees(port));
        }
    }
    load.end_well();
}

#[test]
fn a_gateway_that_leaves_says_so_and_goes_on_answering() {
    let redis = RedisServer::start(&[]);
    let mut gateway = Gateway::start(&redis, &["--shutdown-grace", "3"]);
    let queue = Queue::create(gateway.http(), "orders");
    let mut kept = gateway.http().connect();
    assert_eq!(kept.request("GET", "/healthz", &[], b"").header("Connection"), None);
    let poll = queue.call("ReceiveMessage", json!({}));
    assert_eq!(poll.header("Connection"), None, "{poll:?}");
    let start = Instant::now();
    gateway.ask_to_stop();
    until(PATIENCE, "the announcement", || gateway.http().get("/readyz").status == 503);
    assert_eq!(gateway.http().get("/readyz").text(), "stopping");
    assert_eq!(gateway.http().get("/healthz").status, 200, "it lives");
    let last = kept.request("GET", "/healthz", &[], b"");
    assert_eq!((last.status, last.header("Connection")), (200, Some("close")));
    assert!(kept.is_closed());
    queue.send("while it leaves");
    assert_eq!(queue.bodies(json!({})), ["while it leaves"]);
    let poll = queue.receive(json!({ "WaitTimeSeconds": 20 }));
    assert!(poll.is_empty(), "a long poll ends with an empty answer");
    let lived = start.elapsed();
    assert!(lived >= Duration::from_secs(3), "{lived:?}");
    until(PATIENCE, "the end", || gateway.ended().is_some());
    assert!(gateway.ended().unwrap().success());
}

#[test]
fn a_socket_that_is_handed_over_needs_keys_beyond_loopback() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(artifact::gateway()).current_dir(directory.path());
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let output = command.output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{why}");
    assert!(why.contains("not a loopback address") && why.contains("--insecure"), "{why}");
    assert!(!directory.path().join("karin-data").exists(), "it did not begin");
}

#[test]
fn the_service_manager_is_told_how_karin_fares() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = |what: &str| {
        let mut state = [0; 256];
        until(PATIENCE, what, || {
            let length = socket.recv(&mut state).expect(what);
            String::from_utf8_lossy(&state[..length]).contains(what)
        });
    };
    let redis = RedisServer::start(&[]);
    let arguments = ["--redis-url", &redis.url()];
    let path = path.to_str().unwrap();
    let environment = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "200000")];
    let mut gateway = Gateway::start_with(&arguments, &environment);
    told("READY=1");
    told("WATCHDOG=1");
    told("WATCHDOG=1");
    assert!(gateway.terminate().success());
    told("STOPPING=1");
}

/// Sends connections to the gateways that say that they are ready.
struct Balancer {
    port: u16,
    backends: Arc<[Backend; 2]>,
    is_over: Arc<AtomicBool>,
}

struct Backend {
    port: u16,
    is_ready: AtomicBool,
}

impl Balancer {
    fn start(ports: [u16; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let backends = ports.map(|port| Backend { port, is_ready: AtomicBool::new(true) });
        let (backends, is_over) = (Arc::new(backends), Arc::new(AtomicBool::new(false)));
        let balancer = Self { port, backends, is_over };
        for index in 0..ports.len() {
            let (backends, is_over) = (balancer.backends.clone(), balancer.is_over.clone());
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let backend = &backends[index];
                    backend.is_ready.store(is_ready(backend.port), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
        let (backends, is_over) = (balancer.backends.clone(), balancer.is_over.clone());
        std::thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let ready: Vec<_> =
                    backends.iter().filter(|b| b.is_ready.load(Ordering::Relaxed)).collect();
                let backend = ready[number % ready.len()].port;
                let gateway = TcpStream::connect(("127.0.0.1", backend)).unwrap();
                join(client.unwrap(), gateway);
            }
        });
        balancer
    }

    fn sees(&self, port: u16) -> bool {
        self.backends.iter().any(|b| b.port == port && b.is_ready.load(Ordering::Relaxed))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the one who waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        std::io::read_to_string(stream)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// What one says the other hears, until both have ended.
fn join(one: TcpStream, other: TcpStream) {
    for (mut from, mut to) in [(one.try_clone().unwrap(), other.try_clone().unwrap()), (other, one)]
    {
        std::thread::spawn(move || {
            let _ended = std::io::copy(&mut from, &mut to);
            let _flushed = to.flush();
            let _gone = to.shutdown(Shutdown::Write);
        });
    }
}
