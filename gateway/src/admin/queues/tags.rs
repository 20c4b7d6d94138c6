//! The rows of a form in which tags are written.

/// Rows that are empty, for more tags.
const SPARE: usize = 3;

/// The rows for these tags.
pub(super) fn rows(mut tags: Vec<(String, String)>) -> Vec<(String, String)> {
    tags.retain(|(key, value)| !(key.is_empty() && value.is_empty()));
    tags.extend(std::iter::repeat_n((String::new(), String::new()), SPARE));
    tags
}

/// The tags that were written.
pub(super) fn written(rows: Vec<(String, String)>) -> Vec<(String, String)> {
    let rows = rows.into_iter().filter(|(key, value)| !(key.is_empty() && value.is_empty()));
    rows.collect()
}
