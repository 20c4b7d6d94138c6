//! A case file, read (tests/golden/README.md).

use std::ops::Range;

/// One case: its steps, once per scene.
#[derive(Debug, Default)]
pub(super) struct Case {
    /// `<Action>/<case>`.
    pub(super) name: String,
    /// Why it is in one protocol only, where it is.
    pub(super) only: Option<String>,
    /// Options of a gateway of its own; most cases share one.
    pub(super) gateway: Vec<String>,
    /// Run at the start of each scene.
    pub(super) setup: Vec<Step>,
    pub(super) scenes: Vec<Scene>,
}

#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) struct Step {
    /// The first is 1.
    pub(super) line: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// An action in JSON that must succeed, and what to remember of its answer: names and
    /// JSON pointers.
    Act { action: String, members: String, caught: Vec<(String, String)> },
    /// Moves the module's clock by seconds.
    Clock(i64),
    /// A Redis command.
    Redis(Vec<String>),
    /// Gives the base64 of a text a name.
    Base64 { name: String, text: String },
    /// A request and what it must be answered.
    Exchange(Box<Exchange>),
}

impl What {
    /// Whether it moves the clock or configures Redis.
    pub(super) fn changes_the_server(&self) -> bool {
        match self {
            Self::Clock(_) => true,
            Self::Redis(words) => words.first().is_some_and(|word| word == "CONFIG"),
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) answer: Answer,
}

#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn is_json(&self) -> bool {
        self.header("X-Amz-Target").is_some()
            || self.header("Content-Type").is_some_and(|kind| kind.contains("json"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Beside those every answer has.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// Its lines in the file, the first is 0.
    pub(super) lines: Range<usize>,
}

impl Case {
    /// Reads a case file. Errors: the line and what is wrong with it.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut case = Self { name: name.to_owned(), ..Self::default() };
        let mut lines = Lines { all: text.lines().collect(), next: 0 };
        while let Some((number, line)) = lines.take() {
            let at = |error: String| format!("{name}:{number}: {error}");
            if let Some(reason) = line.strip_prefix("# only ") {
                case.only = Some(reason.to_owned());
            } else if let Some(scene) = line.strip_prefix("=== ") {
                case.scenes.push(Scene { name: scene.trim().to_owned(), steps: Vec::new() });
            } else if let Some(options) = line.strip_prefix("! gateway ") {
                case.gateway = options.split_whitespace().map(str::to_owned).collect();
            } else if let Some(what) = line.strip_prefix("! ") {
                let what = directive(what.trim()).map_err(at)?;
                case.add(Step { line: number, what });
            } else if let Some(start) = line.strip_prefix(">>> ") {
                let exchange = exchange(start.trim(), &mut lines).map_err(at)?;
                case.add(Step { line: number, what: What::Exchange(Box::new(exchange)) });
            } else if !line.trim().is_empty() && !line.starts_with('#') {
                return Err(at(format!("what is this? {line}")));
            }
        }
        if case.scenes.is_empty() {
            case.scenes.push(Scene { name: String::new(), steps: std::mem::take(&mut case.setup) });
        }
        Ok(case)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.setup.iter().chain(self.scenes.iter().flat_map(|scene| &scene.steps))
    }

    pub(super) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.steps().filter_map(|step| match &step.what {
            What::Exchange(exchange) => Some(&**exchange),
            _ => None,
        })
    }

    /// Whether other cases on its server would see what it does.
    pub(super) fn wants_no_others(&self) -> bool {
        self.steps().any(|step| step.what.changes_the_server())
    }

    fn add(&mut self, step: Step) {
        let steps = self.scenes.last_mut().map_or(&mut self.setup, |scene| &mut scene.steps);
        steps.push(step);
    }
}

struct Lines<'a> {
    all: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// The next line and its number, the first is 1.
    fn take(&mut self) -> Option<(usize, &'a str)> {
        let line = *self.all.get(self.next)?;
        self.next += 1;
        Some((self.next, line))
    }

    /// The lines up to the next that begins something.
    fn block(&mut self) -> &[&'a str] {
        let start = self.next;
        let begins =
            |line: &str| ["! ", ">>> ", "<<< ", "=== "].iter().any(|mark| line.starts_with(mark));
        while self.all.get(self.next).is_some_and(|line| !begins(line)) {
            self.next += 1;
        }
        &self.all[start..self.next]
    }
}

fn directive(what: &str) -> Result<What, String> {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    match word {
        "clock" => rest.parse().map(What::Clock).map_err(|e| format!("{rest}: {e}")),
        "base64" => {
            let (name, text) = rest.split_once(' ').ok_or("want a name and a text")?;
            Ok(What::Base64 { name: name.to_owned(), text: text.to_owned() })
        }
        "redis" => Ok(What::Redis(rest.split_whitespace().map(str::to_owned).collect())),
        action if action.starts_with(|c: char| c.is_ascii_uppercase()) => {
            let end = rest.rfind('}').map_or(0, |at| at + 1);
            let (members, names) = rest.split_at(end);
            let caught = names.split_whitespace().map(|name| {
                let (name, pointer) = name.split_once('=').ok_or("want name=/json/pointer")?;
                Ok((name.to_owned(), pointer.to_owned()))
            });
            let caught = caught.collect::<Result<_, &str>>().map_err(str::to_owned)?;
            let members = if members.is_empty() { "{}" } else { members };
            Ok(What::Act { action: action.to_owned(), members: members.to_owned(), caught })
        }
        _ => Err(format!("no such directive: {word}")),
    }
}

fn exchange(start: &str, lines: &mut Lines<'_>) -> Result<Exchange, String> {
    let words: Vec<&str> = start.split_whitespace().collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut request = Request { method: "POST".into(), ..Request::default() };
    match words.as_slice() {
        ["JSON", action, target @ ..] => {
            request.headers.push(pair("Content-Type", "application/x-amz-json-1.0"));
            request.headers.push(pair("X-Amz-Target", &format!("AmazonSQS.{action}")));
            request.target = target.first().unwrap_or(&"/").to_string();
        }
        ["Query", target @ ..] => {
            request.headers.push(pair("Content-Type", "application/x-www-form-urlencoded"));
            request.target = target.first().unwrap_or(&"/").to_string();
        }
        [method, target] => {
            (*method).clone_into(&mut request.method);
            (*target).clone_into(&mut request.target);
        }
        _ => return Err("want JSON <Action> [target], Query [target], or <METHOD> <target>".into()),
    }
    let (headers, body) = head_and_body(lines.block());
    for (name, value) in headers {
        request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
        request.headers.push((name, value));
    }
    request.body = body;
    let (number, line) = lines.take().ok_or("a request without <<<")?;
    let status = line.strip_prefix("<<< ").ok_or_else(|| format!("line {number} is no <<<"))?;
    let status = status.trim().parse().map_err(|e| format!("line {number}: {status}: {e}"))?;
    let block = lines.block();
    let used = block.iter().rposition(|line| !is_blank_or_comment(line)).map_or(0, |at| at + 1);
    let (headers, body) = head_and_body(block);
    let answer = Answer { status, headers, body, lines: number - 1..number + used };
    Ok(Exchange { request, answer })
}

fn is_blank_or_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// Headers first, as long as lines look like it; the rest is the body, its lines joined.
fn head_and_body(block: &[&str]) -> (Vec<(String, String)>, String) {
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (word && !name.is_empty()).then(|| (name.to_owned(), value.trim().to_owned()))
    };
    let headers: Vec<_> = block.iter().map_while(|line| header(line)).collect();
    let body = block.iter().skip(headers.len()).filter(|line| !is_blank_or_comment(line));
    let body = body.map(|line| line.trim_start()).collect();
    (headers, body)
}
