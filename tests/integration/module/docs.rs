//! docs/commands.md against the server: every command, its syntax, arity and complexity, and the
//! examples, which are run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use karin_tests::artifact;
use karin_tests::redis::RedisServer;
use redis::Value;

use super::client::{Client, fields, integer, items, text};

/// One command's part of the document; RELEASE has two.
#[derive(Debug, Default)]
struct Section {
    /// `KARIN.ACK key …`, one for each way to call it.
    forms: Vec<String>,
    complexity: Vec<String>,
    /// Command and the lines of its reply.
    examples: Vec<(String, Vec<String>)>,
}

impl Section {
    fn command(&self) -> String {
        self.forms[0].split(' ').next().unwrap().to_lowercase()
    }
}

/// Reads the document.
fn sections() -> Vec<Section> {
    let path = artifact::repository().join("docs/commands.md");
    let document = std::fs::read_to_string(path).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    let (mut is_command, mut is_example) = (false, false);
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            is_command = heading.starts_with("KARIN.");
            if is_command {
                let forms = heading.split(" · ").map(str::to_owned).collect();
                sections.push(Section { forms, ..Section::default() });
            }
        }
        let Some(section) = sections.last_mut().filter(|_| is_command) else { continue };
        if line.starts_with("```") {
            is_example = line == "```redis";
        } else if is_example && let Some(command) = line.strip_prefix("> ") {
            section.examples.push((command.to_owned(), Vec::new()));
        } else if is_example && let Some((_, reply)) = section.examples.last_mut() {
            reply.push(line.to_owned());
        } else if let Some(complexity) = line.strip_prefix("Complexity: ") {
            section.complexity.push(complexity.to_owned());
        }
    }
    expand_options(&mut sections);
    sections
}

/// `[option …]` of SENDM stands for what SEND has, but for NOMKQUEUE.
fn expand_options(sections: &mut [Section]) {
    let send = sections.iter().find(|section| section.command() == "karin.send").unwrap();
    let (_, options) = send.forms[0].split_once(" body ").unwrap();
    let options = options.replace("[NOMKQUEUE] ", "");
    for form in sections.iter_mut().flat_map(|section| &mut section.forms) {
        *form = form.replace("[option …]", &options);
    }
}

/// What COMMAND DOCS says of a command.
#[track_caller]
fn docs_of(client: &mut Client, command: &str) -> BTreeMap<String, Value> {
    fields(&fields(&client.ok(&format!("COMMAND DOCS {command}")))[command])
}

/// A list of arguments as syntax, one line for each choice.
fn syntax(arguments: &Value) -> Vec<String> {
    let mut lines = vec![String::new()];
    for argument in items(arguments) {
        let choices = syntax_of_one(&fields(argument));
        let join = |line: &String| {
            let space = if line.is_empty() { "" } else { " " };
            choices.iter().map(|choice| format!("{line}{space}{choice}")).collect::<Vec<_>>()
        };
        lines = lines.iter().flat_map(join).collect();
    }
    lines
}

fn syntax_of_one(argument: &BTreeMap<String, Value>) -> Vec<String> {
    let kind = text(&argument["type"]);
    let choices = match kind.as_str() {
        "pure-token" => vec![String::new()],
        "block" => syntax(&argument["arguments"]),
        "oneof" => items(&argument["arguments"])
            .iter()
            .flat_map(|choice| syntax_of_one(&fields(choice)))
            .collect(),
        _ => vec![text(&argument["name"]).replace('-', "_")],
    };
    let token = argument.get("token").map(text).unwrap_or_default();
    let flags: Vec<String> =
        argument.get("flags").map(|f| items(f).iter().map(text).collect()).unwrap_or_default();
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    let decorate = |choice: String| {
        let whole = format!("{token} {choice}").trim().to_owned();
        match (has("optional"), has("multiple")) {
            (true, true) => format!("[{whole} …]"),
            (true, false) => format!("[{whole}]"),
            (false, true) => format!("{whole} [{whole} …]"),
            (false, false) => whole,
        }
    };
    choices.into_iter().map(decorate).collect()
}

/// How many words a form has at least, and whether it may have more.
fn words_of(form: &str) -> (i64, bool) {
    let mut depth = 0;
    let mut needed = String::new();
    for character in form.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 => needed.push(character),
            _ => {}
        }
    }
    (i64::try_from(needed.split_whitespace().count()).unwrap(), form.contains('['))
}

#[test]
fn every_command_is_documented_and_every_documented_command_is_there() {
    let server = RedisServer::start(&[]);
    let list = Client::new(&server).ok("COMMAND LIST FILTERBY MODULE karin");
    let all: BTreeSet<String> = items(&list).iter().map(text).collect();
    let (internal, public): (BTreeSet<_>, BTreeSet<_>) =
        all.into_iter().partition(|name| name.starts_with("karin.x"));
    let documented: BTreeSet<String> = sections().iter().map(Section::command).collect();
    assert_eq!(documented, public);
    let path = artifact::repository().join("docs/commands.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, rest) = document.split_once("## Internal commands").unwrap();
    for name in internal {
        let short = name.strip_prefix("karin.").unwrap().to_uppercase();
        assert!(rest.contains(&short), "{name}");
    }
}

#[test]
fn syntax_arity_and_complexity_are_what_the_server_says() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let mut forms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for section in sections() {
        let command = section.command();
        let docs = docs_of(&mut client, &command);
        assert_eq!(section.complexity, [text(&docs["complexity"])], "{command}");
        forms.entry(command).or_default().extend(section.forms);
    }
    for (command, forms) in forms {
        let docs = docs_of(&mut client, &command);
        let upper = command.to_uppercase();
        let lines = syntax(&docs["arguments"]);
        let server_forms = lines.iter().map(|line| format!("{upper} {line}")).collect();
        assert_eq!(forms, server_forms, "{command}");
        let words: Vec<_> = forms.iter().map(|form| words_of(form)).collect();
        let least = words.iter().map(|&(count, _)| count).min().unwrap();
        let is_open = words.iter().any(|&(count, open)| open || count != least);
        let info = client.ok(&format!("COMMAND INFO {command}"));
        let arity = integer(&items(&items(&info)[0])[1]);
        assert_eq!(arity, if is_open { -least } else { least }, "{command}");
    }
}

#[test]
fn the_examples_do_what_the_document_says() {
    let server = RedisServer::start(&[]);
    for section in sections() {
        assert!(!section.examples.is_empty(), "{:?} has no example", section.forms);
        let mut bound = BTreeMap::new();
        server.cli(&["FLUSHALL"]);
        for (command, expected) in &section.examples {
            let reply = run(&server, &replaced(command, &bound));
            let reply: Vec<&str> = reply.lines().collect();
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            bound = match_lines(&expected, &reply, &bound)
                .unwrap_or_else(|| panic!("{command}: {expected:#?} is not {reply:#?}"));
        }
    }
}

/// Runs one line as somebody types it into redis-cli.
fn run(server: &RedisServer, line: &str) -> String {
    let mut cli = Command::new("redis-cli")
        .arg("--no-raw")
        .arg("-s")
        .arg(server.socket_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(cli.stdin.take().unwrap(), "{line}").unwrap();
    let output = cli.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Ids and receipts of the document, and what they are here.
type Bound = BTreeMap<String, String>;

fn replaced(command: &str, bound: &Bound) -> String {
    bound.iter().fold(command.to_owned(), |line, (name, value)| line.replace(name, value))
}

/// Holds a reply against the document's, in which `…` stands for any lines. `None`: they differ.
fn match_lines(expected: &[&str], reply: &[&str], bound: &Bound) -> Option<Bound> {
    match expected {
        [] => reply.is_empty().then(|| bound.clone()),
        ["…", rest @ ..] => {
            (0..=reply.len()).find_map(|skipped| match_lines(rest, &reply[skipped..], bound))
        }
        [line, rest @ ..] => {
            let (found, following) = reply.split_first()?;
            match_lines(rest, following, &match_line(line, found, bound)?)
        }
    }
}

/// The same for one line, in which `*` stands for anything.
fn match_line(expected: &str, found: &str, bound: &Bound) -> Option<Bound> {
    let mut bound = bound.clone();
    let mut found = found.to_owned();
    let (names, values) = (ids(expected), ids(&found));
    for (name, value) in names.into_iter().zip(values) {
        if *bound.entry(name.clone()).or_insert_with(|| value.clone()) != value {
            return None;
        }
        found = found.replace(&value, &name);
    }
    let mut rest = found.as_str();
    let mut parts = expected.split('*');
    rest = rest.strip_prefix(parts.next()?)?;
    let Some(last) = parts.next_back() else { return rest.is_empty().then_some(bound) };
    for part in parts {
        rest = rest.split_once(part)?.1;
    }
    rest.ends_with(last).then_some(bound)
}

/// Ids and receipts: words of 36 characters.
fn ids(line: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words = line.split(|c: char| !is_part(c));
    words.filter(|word| word.len() == 36).map(str::to_owned).collect()
}

#[test]
fn an_example_that_differs_is_told() {
    let id = "849983ee-77e8-4c02-9c5b-883e84159f3d";
    let other = "949983ee-77e8-4c02-9c5b-883e84159f3d";
    let first = Bound::new();
    let bound = match_lines(&[id, "(integer) *"], &[other, "(integer) 5"], &first).unwrap();
    assert_eq!(replaced(&format!("x {id}"), &bound), format!("x {other}"));
    for (expected, reply) in [
        (&["a"][..], &["b"][..]),
        (&["a"], &["a", "b"]),
        (&["a", "b"], &["a"]),
        (&["a*"], &["b"]),
        (&["*a"], &["b"]),
        (&["a", "…", "c"], &["a", "b"]),
        (&[id], &[id]),
    ] {
        assert_eq!(match_lines(expected, reply, &bound), None, "{expected:?}");
    }
    assert!(match_lines(&["a", "…", "d*"], &["a", "b", "c", "de"], &bound).is_some());
}
