//! The commands of a document: its fenced blocks of shell and Python, and the comment before each
//! that says whether they are tried.
//!
//! | comment | the block |
//! |---|---|
//! | `<!-- tried -->` | is run and must succeed |
//! | `<!-- tried: stays -->` | is a terminal of its own, in which karin runs on |
//! | `<!-- tried: instead -->` | the same, after what ran so far was stopped |
//! | `…, prints "hello" -->` | it, or one that stays, prints this then |
//! | `<!-- not tried: why -->` | is not run |

use karin_tests::artifact;

/// What runs a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Shell,
    Python,
}

/// How a block is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// To its end.
    ToItsEnd,
    /// Beside what runs already, until the end of the document.
    Stays,
    /// In place of what runs already.
    Instead,
}

#[derive(Debug)]
pub(super) struct Block {
    /// Of its first line, from 1.
    pub(super) line: usize,
    pub(super) language: Language,
    pub(super) text: String,
    pub(super) run: Run,
    pub(super) prints: Vec<String>,
}

/// The blocks of a document that are tried, in their order. Panics when one says neither that it is
/// tried nor why not.
pub(super) fn tried(document: &str) -> Vec<Block> {
    let path = artifact::repository().join(document);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{document}: {e}"));
    let blocks = parse(&text).unwrap_or_else(|fault| panic!("{document}:{fault}"));
    assert!(!blocks.is_empty(), "{document}: nothing in it is tried");
    blocks
}

/// Errors: line number and fault.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut comment = "";
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            comment = line;
            continue;
        };
        let body: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").collect();
        let language = match language {
            "sh" => Language::Shell,
            "python" => Language::Python,
            _ => continue,
        };
        let line = index + 1;
        let Some((run, prints)) = mark(comment).map_err(|fault| format!("{line}: {fault}"))? else {
            continue;
        };
        let text = body.join("\n") + "\n";
        blocks.push(Block { line, language, text, run, prints });
        comment = "";
    }
    Ok(blocks)
}

/// `None`: it is not tried, for a reason.
fn mark(comment: &str) -> Result<Option<(Run, Vec<String>)>, String> {
    let inner = comment.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
    let inner = inner.ok_or("neither tried nor said why not")?;
    if let Some(reason) = inner.strip_prefix("not tried: ") {
        return if reason.is_empty() { Err("why not?".into()) } else { Ok(None) };
    }
    let rest = inner.strip_prefix("tried").ok_or_else(|| format!("what is {inner}?"))?;
    let rest = rest.replacen(": ", ", ", 1);
    let mut parts = rest.split(", prints ");
    let run = match parts.next().unwrap_or_default() {
        "" => Run::ToItsEnd,
        ", stays" => Run::Stays,
        ", instead" => Run::Instead,
        other => return Err(format!("what is {other}?")),
    };
    let mut prints = Vec::new();
    for part in parts {
        let text = part.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        prints.push(text.ok_or_else(|| format!("what is {part}?"))?.to_owned());
    }
    Ok(Some((run, prints)))
}

#[test]
fn a_block_is_tried_or_says_why_not() {
    let block = "```sh\nls\n```\n";
    let parsed = parse(&format!("<!-- tried: stays, prints \"a: b, c\" -->\n{block}")).unwrap();
    assert_eq!((parsed[0].run, parsed[0].line), (Run::Stays, 2));
    assert_eq!(parsed[0].prints, ["a: b, c"]);
    assert_eq!(parsed[0].text, "ls\n");
    assert!(parse(&format!("<!-- not tried: it is slow -->\n{block}")).unwrap().is_empty());
    assert!(parse("```yaml\na: b\n```\n").unwrap().is_empty());
    for comment in ["", "text", "<!-- tried: now -->", "<!-- not tried: -->", "<!-- maybe -->"] {
        assert!(parse(&format!("{comment}\n{block}")).is_err(), "{comment}");
    }
    let two = format!("<!-- tried -->\n{block}\n{block}");
    assert!(parse(&two).is_err(), "the second says nothing");
}
