//! An endpoint that answers what no real one can be made to answer.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A request, as far as a script looks at it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) at: Instant,
    /// `GET /2015-03-31/functions?Marker=x`; for SQS `GetQueueUrl`.
    pub(super) what: String,
}

/// Status, headers and body.
pub(super) type Answer = (u16, &'static [(&'static str, &'static str)], String);

type Script = dyn FnMut(&Call, usize) -> Answer + Send;

/// A server on a loopback port, for as long as the test runs.
#[derive(Clone)]
pub(super) struct Scripted {
    port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Scripted {
    /// Answers each call with what `script` gives for it and the number of calls before it.
    pub(super) fn start(script: impl FnMut(&Call, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, calls: Arc::default() };
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let calls = Arc::clone(&server.calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, calls) = (Arc::clone(&script), Arc::clone(&calls));
                std::thread::spawn(move || {
                    let _closed = serve(stream, &script, &calls);
                });
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All calls so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls with these words in them.
    pub(super) fn calls_of(&self, words: &str) -> usize {
        self.calls().iter().filter(|call| call.what.contains(words)).count()
    }
}

fn serve(
    stream: TcpStream,
    script: &Mutex<Box<Script>>,
    calls: &Mutex<Vec<Call>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut what = line.trim_end_matches(" HTTP/1.1\r\n").to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-amz-target" => value.trim_start_matches("AmazonSQS.").clone_into(&mut what),
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let call = Call { at: Instant::now(), what };
        let number = {
            let mut calls = calls.lock().unwrap();
            calls.push(call.clone());
            calls.len() - 1
        };
        let (status, headers, body) = script.lock().unwrap()(&call, number);
        let mut answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            let _infallible = write!(answer, "{name}: {value}\r\n");
        }
        reader.get_mut().write_all(format!("{answer}\r\n{body}").as_bytes())?;
    }
}
