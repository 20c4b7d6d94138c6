//! Runs a case against a server.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karin_tests::gateway::Gateway;
use karin_tests::http::Response;
use karin_tests::redis::RedisServer;
use karin_tests::sigv4;
use serde_json::Value;

use super::case::{Answer, Case, Exchange, Request, Step, What};
use super::template::{Encoding, Names, compare, fill};
use super::write;

/// A gateway and its Redis, used by many cases.
pub(super) struct Server {
    // Dropped first, so that it never misses its Redis.
    gateway: Gateway,
    redis: RedisServer,
    queues: AtomicU32,
}

/// What must be written into the case's file: lines, and what stands there instead.
pub(super) type Rewrites = Vec<(std::ops::Range<usize>, String)>;

/// Why a case failed, and in write mode what to write.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) failures: Vec<String>,
    pub(super) rewrites: Rewrites,
}

impl Server {
    pub(super) fn start(options: &[String]) -> Self {
        let redis = RedisServer::start(&[]);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let gateway = Gateway::start(&redis, &options);
        Self { gateway, redis, queues: AtomicU32::new(0) }
    }

    /// Runs every scene of the case with a queue name of its own. With `write` goes on after an
    /// answer that differs.
    pub(super) fn run(&self, case: &Case, write: bool) -> Outcome {
        let mut outcome = Outcome::default();
        for scene in &case.scenes {
            let mut names = self.names();
            let mut failed = false;
            for step in case.setup.iter().chain(&scene.steps) {
                // What was changed for all cases is set back, come what may.
                let wanted = !failed || write || step.what.changes_the_server();
                let done = if wanted { self.step(step, &mut names, &mut outcome) } else { Ok(()) };
                if let Err(error) = done {
                    failed = true;
                    let (file, line) = (&case.name, step.line);
                    let text = format!("{file}/case.http:{line} {}\n{error}", scene.name);
                    outcome.failures.push(text);
                }
            }
        }
        outcome
    }

    fn step(&self, step: &Step, names: &mut Names, outcome: &mut Outcome) -> Result<(), String> {
        match &step.what {
            What::Act { action, members, caught } => self.act(action, members, caught, names),
            What::Clock(seconds) => {
                self.redis.cli(&["KARIN.DEBUG", "CLOCK", &seconds.to_string()]);
                Ok(())
            }
            What::Redis(words) => self.redis_command(words, names),
            What::Base64 { name, text } => {
                let text = fill(text, names, Encoding::Plain)?;
                names.set(name, STANDARD.encode(&text));
                Ok(())
            }
            What::Exchange(exchange) => {
                let before = names.clone();
                self.exchange(exchange, names).map_err(|failure| {
                    outcome.rewrites.extend(failure.rewrite(exchange, &before));
                    failure.text
                })
            }
        }
    }

    fn names(&self) -> Names {
        let queue = format!("g{}", self.queues.fetch_add(1, Ordering::Relaxed));
        let mut names = Names::default();
        names.set("host", format!("127.0.0.1:{}", self.gateway.port()));
        names.set("origin", self.gateway.url());
        names.set("url", format!("{}/000000000000/{queue}", self.gateway.url()));
        names.set("arn", format!("arn:aws:sqs:us-east-1:000000000000:{queue}"));
        names.set("key", format!("karin:{{{queue}}}"));
        names.set("queue", queue);
        let now = sigv4::now();
        names.set("today", &now[..8]);
        names.set("now", now);
        names
    }

    fn act(
        &self,
        action: &str,
        members: &str,
        caught: &[(String, String)],
        names: &mut Names,
    ) -> Result<(), String> {
        let body = fill(members, names, Encoding::Plain)?;
        let target = format!("AmazonSQS.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", &*target)];
        let response = self.gateway.http().request("POST", "/", &headers, &body);
        let text = String::from_utf8_lossy(&response.body);
        if response.status != 200 {
            return Err(format!("setup: {} {text}", response.status));
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        for (name, pointer) in caught {
            let value = answer.pointer(pointer).and_then(Value::as_str);
            names.set(name, value.ok_or_else(|| format!("setup: no {pointer} in {text}"))?);
        }
        Ok(())
    }

    fn redis_command(&self, words: &[String], names: &Names) -> Result<(), String> {
        let filled = |word: &String| {
            let bytes = fill(word, names, Encoding::Plain)?;
            String::from_utf8(bytes).map_err(|e| e.to_string())
        };
        let words = words.iter().map(filled).collect::<Result<Vec<_>, _>>()?;
        let answer = self.redis.cli(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let error = ["ERR", "KARIN", "WRONG"].iter().any(|word| answer.starts_with(word));
        if error { Err(format!("setup: {answer}")) } else { Ok(()) }
    }

    fn exchange(&self, exchange: &Exchange, names: &mut Names) -> Result<(), Failure> {
        let response = self.send(&exchange.request, names).map_err(Failure::without_answer)?;
        let id = response.header("x-amzn-RequestId").unwrap_or_default();
        names.set("rid", if id.is_empty() { "an id" } else { id });
        let differs = check(exchange, &response, names);
        differs.map_or(Ok(()), |text| {
            let request = String::from_utf8_lossy(&body(&exchange.request, names)).into_owned();
            let request: String = request.chars().take(500).collect();
            Err(Failure {
                text: format!("  request:  {request}\n{text}"),
                response: Some(response),
            })
        })
    }

    fn send(&self, request: &Request, names: &Names) -> Result<Response, String> {
        let plain = |text: &str| {
            let bytes = fill(text, names, Encoding::Plain)?;
            String::from_utf8(bytes).map_err(|e| e.to_string())
        };
        let target = fill(&request.target, names, target_encoding(&request.target))?;
        let target = String::from_utf8(target).map_err(|e| e.to_string())?;
        let mut headers = Vec::new();
        for (name, value) in &request.headers {
            headers.push((name.as_str(), plain(value)?));
        }
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let body = fill(&request.body, names, body_encoding(request))?;
        Ok(self.gateway.http().request(&request.method, &target, &headers, &body))
    }
}

/// The path is written as it is, the parameters after it are encoded.
fn target_encoding(target: &str) -> Encoding {
    if target.contains('?') { Encoding::Percent } else { Encoding::Plain }
}

fn body_encoding(request: &Request) -> Encoding {
    if request.is_json() { Encoding::Plain } else { Encoding::Percent }
}

fn body(request: &Request, names: &Names) -> Vec<u8> {
    fill(&request.body, names, body_encoding(request)).unwrap_or_default()
}

struct Failure {
    text: String,
    response: Option<Response>,
}

impl Failure {
    fn without_answer(text: String) -> Self {
        Self { text, response: None }
    }

    fn rewrite(&self, exchange: &Exchange, names: &Names) -> Rewrites {
        let Some(response) = &self.response else { return Vec::new() };
        let mut names = names.clone();
        names.set("rid", response.header("x-amzn-RequestId").unwrap_or("no id"));
        let extra = extra_headers(exchange, response);
        vec![(exchange.answer.lines.clone(), write::block(response, &extra, &names))]
    }
}

/// What differs, or nothing.
fn check(exchange: &Exchange, response: &Response, names: &mut Names) -> Option<String> {
    let expected = head(&exchange.answer, exchange);
    let actual = actual_head(response);
    let mut report = String::new();
    if let Err(mismatch) = compare(&expected, &actual, names) {
        report.push_str(&beside(&mismatch.expected, &actual, mismatch.at));
    }
    let text = String::from_utf8_lossy(&response.body).into_owned();
    if let Err(mismatch) = compare(&exchange.answer.body, &text, names) {
        report.push_str(&beside(&mismatch.expected, &text, mismatch.at));
    }
    let length = response.header("Content-Length").and_then(|length| length.parse().ok());
    if length != Some(response.body.len()) {
        report.push_str("  Content-Length is not the body's length\n");
    }
    let id = response.header("x-amzn-RequestId");
    if !id.is_some_and(super::template::is_uuid) {
        report.push_str("  x-amzn-RequestId is no UUID\n");
    }
    (!report.is_empty()).then_some(report)
}

/// Headers every answer has; their values are looked at elsewhere.
const ALWAYS: [&str; 3] = ["content-length", "date", "x-amzn-requestid"];

fn content_type(exchange: &Exchange) -> &'static str {
    if exchange.request.is_json() { "application/x-amz-json-1.0" } else { "text/xml" }
}

/// Status and headers, one a line, sorted; `-` as value: not there.
fn head(answer: &Answer, exchange: &Exchange) -> String {
    let mut headers = vec![("content-type".to_owned(), content_type(exchange).to_owned())];
    headers.extend(ALWAYS.map(|name| (name.to_owned(), String::new())));
    for (name, value) in &answer.headers {
        let name = name.to_lowercase();
        headers.retain(|(n, _)| *n != name);
        if value != "-" {
            headers.push((name, value.clone()));
        }
    }
    lines_of(answer.status, headers)
}

fn actual_head(response: &Response) -> String {
    let header = |(name, value): &(String, String)| {
        let name = name.to_lowercase();
        let value = if ALWAYS.contains(&&*name) { String::new() } else { value.clone() };
        (name, value)
    };
    lines_of(response.status, response.headers.iter().map(header).collect())
}

fn lines_of(status: u16, mut headers: Vec<(String, String)>) -> String {
    headers.sort();
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    std::iter::once(format!("{status}\n")).chain(lines).collect()
}

/// Headers a case file must name: those not every answer of the protocol has.
fn extra_headers(exchange: &Exchange, response: &Response) -> Vec<(String, String)> {
    let usual = |(name, value): &&(String, String)| {
        let kind = name.eq_ignore_ascii_case("content-type") && value == content_type(exchange);
        !kind && !ALWAYS.contains(&&*name.to_lowercase())
    };
    let mut extra: Vec<_> = response.headers.iter().filter(usual).cloned().collect();
    if response.header("content-type").is_none() {
        extra.push(("Content-Type".into(), "-".into()));
    }
    extra
}

/// Both texts, one above the other, from a little before the first difference.
fn beside(expected: &str, actual: &str, at: usize) -> String {
    const BEFORE: usize = 70;
    const WIDTH: usize = 400;
    let start = (0..=at.saturating_sub(BEFORE))
        .rev()
        .find(|i| expected.is_char_boundary(*i) && actual.is_char_boundary(*i));
    let start = start.unwrap_or(0);
    let cut = |text: &str| -> String {
        let rest = text.get(start..).unwrap_or_default().chars().take(WIDTH);
        rest.collect::<String>().replace('\n', "⏎").replace('\r', "␍")
    };
    let column = actual.get(start..at).map_or(0, |text| text.chars().count());
    format!(
        "  expected: {}\n  actual:   {}\n            {}^\n",
        cut(expected),
        cut(actual),
        " ".repeat(column)
    )
}
