//! The Korean README says what the English one does.

use super::File;

/// What of a document both must have, in the same order.
type Part = fn(&str) -> Vec<String>;

pub(super) fn both_readmes_are_in_step(files: &[File]) -> Vec<String> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let (Some(english), Some(korean)) = (find("README.md"), find("README.ko.md")) else {
        return Vec::new();
    };
    let parts: [(&str, Part); 3] =
        [("headings", headings), ("blocks of code", blocks), ("rows of tables", rows)];
    let differs = parts.iter().filter_map(|(what, of)| {
        let [english, korean] = [english, korean].map(|file| of(&file.text));
        let number = english.iter().zip(&korean).take_while(|(a, b)| a == b).count();
        let [a, b] = [&english, &korean].map(|all| all.get(number).map_or("nothing", |s| s));
        (english != korean).then(|| format!("README.ko.md: other {what}: {b:?}, not {a:?}"))
    });
    differs.collect()
}

/// Their levels; the words differ.
fn headings(text: &str) -> Vec<String> {
    let lines = outside_of_code(text);
    let marks = lines.filter_map(|line| line.split_once(' ')).map(|(mark, _)| mark);
    marks.filter(|mark| mark.starts_with('#')).map(str::to_owned).collect()
}

/// Whole.
fn blocks(text: &str) -> Vec<String> {
    text.split("\n```").skip(1).step_by(2).map(str::to_owned).collect()
}

/// What stands in backticks in the first column, and how many columns there are.
fn rows(text: &str) -> Vec<String> {
    let rows = outside_of_code(text).filter(|line| line.starts_with("| "));
    rows.map(|row| {
        let row = row.replace("\\|", "/");
        let columns = row.matches(" |").count();
        let first = row.split(" |").next().unwrap_or_default();
        let code: Vec<&str> = first.split('`').skip(1).step_by(2).collect();
        format!("{columns} {}", code.join(" "))
    })
    .collect()
}

fn outside_of_code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}
