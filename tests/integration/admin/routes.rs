//! All routes of the admin page, as they stand in its source: a page that is added is in every
//! test that goes through them.

use std::collections::HashMap;
use std::path::Path;

use karin_tests::artifact::repository;

/// A path with its placeholders, and the methods it answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pattern: String,
    pub(super) has_get: bool,
    pub(super) has_post: bool,
}

impl Route {
    /// The path with something in place of each `{placeholder}`.
    pub(super) fn path(&self) -> String {
        let segments = self.pattern.split('/').map(|segment| match segment {
            "{name}" | "{queue}" => "orders",
            segment if segment.starts_with('{') => "1",
            segment => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// All of them, sorted. Panics at one that cannot be read.
pub(super) fn all() -> Vec<Route> {
    let mut sources = Vec::new();
    read(&repository().join("gateway/src/admin"), &mut sources);
    let mut routes: Vec<Route> = sources.iter().flat_map(|source| of(source)).collect();
    routes.sort();
    routes
}

fn read(folder: &Path, sources: &mut Vec<String>) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, sources);
        } else if path.extension().is_some_and(|e| e == "rs") {
            sources.push(std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

fn of(source: &str) -> Vec<Route> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let constants: HashMap<&str, &str> = source.lines().filter_map(constant).collect();
    let calls = source.split(".route(").skip(1);
    calls.map(|call| route(arguments(call), &constants)).collect()
}

/// `const NAME: &str = "text";`
fn constant(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("const ")?;
    let (name, rest) = rest.split_once(": &str = \"")?;
    Some((name, rest.split_once('"')?.0))
}

/// What stands before the parenthesis that closes the call.
fn arguments(call: &str) -> &str {
    let mut depth = 1;
    for (index, character) in call.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &call[..index];
        }
    }
    panic!("a call without an end: {call}")
}

fn route(arguments: &str, constants: &HashMap<&str, &str>) -> Route {
    let (path, methods) = arguments.split_once(',').expect("a path and its methods");
    let path = path.trim();
    let pattern = match path.strip_prefix('"').and_then(|path| path.strip_suffix('"')) {
        Some(literal) => literal,
        None => constants.get(path).unwrap_or_else(|| panic!("{path}: write it as a text")),
    };
    assert!(pattern.starts_with("/admin"), "{pattern}: it would never be asked");
    let has = |method: &str| {
        let word = format!("{method}(");
        methods.match_indices(&word).any(|(index, _)| {
            !methods[..index].ends_with(|before: char| before.is_alphanumeric() || before == '_')
        })
    };
    let (has_get, has_post) = (has("get"), has("post"));
    assert!(has_get || has_post, "{pattern}: neither GET nor POST");
    Route { pattern: pattern.to_owned(), has_get, has_post }
}

#[test]
fn routes_are_read_from_the_source() {
    let source = "const QUEUES: &str = \"/admin/queues\";\nRouter::new()\n    .route(QUEUES, get(list))\n\
                  .route(\n \"/admin/queues/{name}/x/{id}\",\n get(a::page).post(async || b(\"\")),\n)\n\
                  .route(\"/admin/y\", post(c))";
    let told = of(source).into_iter().map(|r| (r.path(), r.has_get, r.has_post));
    let expected = [
        ("/admin/queues", true, false),
        ("/admin/queues/orders/x/1", true, true),
        ("/admin/y", false, true),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(p, g, s)| (p.to_owned(), g, s)));
    let all = all();
    assert!(all.iter().any(|route| route.pattern == "/admin" && route.has_get), "{all:?}");
    assert!(all.iter().any(|route| route.pattern == "/admin/sign-out" && route.has_post));
}
