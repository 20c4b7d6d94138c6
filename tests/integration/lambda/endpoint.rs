//! A scripted Lambda endpoint, for answers that no real one can be made to give.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use karin_tests::wait::until_some;
use serde_json::Value;

/// An Invoke that came.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    /// When, by the machine's clock.
    pub(crate) at: Duration,
    /// The function's name.
    pub(crate) function: String,
    /// How many came before it for the same function.
    pub(crate) before: usize,
    /// X-Amz-Invocation-Type.
    pub(crate) kind: String,
    /// X-Amzn-Trace-Id.
    pub(crate) trace: String,
    pub(crate) event: Value,
    pub(crate) event_bytes: usize,
}

impl Invocation {
    pub(crate) fn bodies(&self) -> Vec<&str> {
        let records = self.event["Records"].as_array().unwrap();
        records.iter().map(|record| record["body"].as_str().unwrap()).collect()
    }

    pub(crate) fn receive_count(&self) -> &str {
        self.event["Records"][0]["attributes"]["ApproximateReceiveCount"].as_str().unwrap()
    }
}

/// What it answers.
pub(crate) enum Reply {
    /// Status, headers without Content-Length, body.
    Http(u16, Vec<(&'static str, String)>, String),
    /// The connection ends.
    Cut,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Http(200, Vec::new(), body.to_owned())
    }

    /// An error as Lambda writes it; without a code only the status.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let mut headers = vec![("Content-Type", "application/json".to_owned())];
        if !code.is_empty() {
            headers.push(("x-amzn-ErrorType", code.to_owned()));
        }
        Self::Http(status, headers, r#"{"message":"as scripted","Type":"User"}"#.to_owned())
    }
}

type DryRun = dyn Fn() -> Reply + Send + Sync;
type Script = dyn Fn(&Invocation) -> Reply + Send + Sync;

/// A running endpoint; its threads end with the test.
pub(crate) struct Endpoint {
    url: String,
    seen: Arc<Mutex<Vec<Invocation>>>,
}

impl Endpoint {
    /// One that answers as AWS does, knows every function, and has no mappings.
    pub(crate) fn start(script: impl Fn(&Invocation) -> Reply + Send + Sync + 'static) -> Self {
        Self::of_a_tool(|| Reply::Http(204, Vec::new(), String::new()), script)
    }

    /// One that answers so to a dry run, by which a tool is recognised.
    pub(crate) fn of_a_tool(
        dry_run: impl Fn() -> Reply + Send + Sync + 'static,
        script: impl Fn(&Invocation) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, ours): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let dry_run: Arc<DryRun> = Arc::new(dry_run);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&ours));
                let dry_run = Arc::clone(&dry_run);
                std::thread::spawn(move || serve(stream.unwrap(), &dry_run, &script, &seen));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What this function was invoked with so far.
    pub(crate) fn invocations(&self, function: &str) -> Vec<Invocation> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|invocation| invocation.function == function).cloned().collect()
    }

    pub(crate) fn wait_for(
        &self,
        function: &str,
        count: usize,
        deadline: Duration,
    ) -> Vec<Invocation> {
        until_some(deadline, &format!("{count} invocations of {function}"), || {
            let invocations = self.invocations(function);
            (invocations.len() >= count).then_some(invocations)
        })
    }
}

fn serve(
    stream: TcpStream,
    dry_run: &Arc<DryRun>,
    script: &Arc<Script>,
    seen: &Mutex<Vec<Invocation>>,
) {
    let mut reader = BufReader::new(stream);
    while let Some((target, headers, body)) = request(&mut reader) {
        let path = target.strip_prefix("/2015-03-31/functions/");
        let name = path.and_then(|path| path.split_once("/invocations")).map(|(name, _)| name);
        let runs = headers.get("x-amz-invocation-type").is_none_or(|kind| kind != "DryRun");
        let reply = match name.filter(|name| !name.is_empty()) {
            Some(_) if !runs => dry_run(),
            Some(function) => {
                let mut seen = seen.lock().unwrap();
                let before = seen.iter().filter(|i| i.function == function).count();
                let invocation = Invocation {
                    at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
                    function: function.to_owned(),
                    before,
                    kind: headers.get("x-amz-invocation-type").cloned().unwrap_or_default(),
                    trace: headers.get("x-amzn-trace-id").cloned().unwrap_or_default(),
                    event: serde_json::from_slice(&body).unwrap(),
                    event_bytes: body.len(),
                };
                seen.push(invocation.clone());
                drop(seen);
                script(&invocation)
            }
            // The lists: there is nothing.
            None => Reply::ok("{}"),
        };
        let Reply::Http(status, headers, body) = reply else { return };
        let mut head =
            format!("HTTP/1.1 {status} As Scripted\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let answer = format!("{head}\r\n{body}");
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Target, headers by their names in lower case, body; `None` at the end of the connection.
fn request(
    reader: &mut BufReader<TcpStream>,
) -> Option<(String, HashMap<String, String>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, headers, body))
}
