//! Pages of lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::lambda::api::error::{ApiError, ErrorKind};
use crate::lambda::api::json::Query;
use crate::protocol::echo;

/// The largest MaxItems. Source: esm-contract §7.1.
const MAX_ITEMS_MAX: i64 = 10_000;

/// What a request says of its page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// The name the page before ended with.
    after: Option<String>,
    items_max: usize,
}

impl Page {
    /// Reads Marker and MaxItems; a page never has more than `most`.
    ///
    /// Errors: one of them is none.
    pub(super) fn read(query: &Query, most: usize) -> Result<Self, ApiError> {
        let items_max = match query.text("MaxItems") {
            None => most,
            Some(text) => {
                let number = text.parse::<i64>().map_err(|_| {
                    let text = "STRING_VALUE can not be converted to an Integer";
                    ApiError::new(ErrorKind::Serialization, text)
                })?;
                check_max_items(number)?.min(most)
            }
        };
        let after = query.text("Marker").map(|marker| {
            let decoded = URL_SAFE_NO_PAD.decode(marker).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            decoded.ok_or_else(|| ApiError::invalid(format!("Invalid marker: {}", echo(marker))))
        });
        Ok(Self { after: after.transpose()?, items_max })
    }

    /// The items of this page, and the next one's marker. `name` tells the items apart and orders
    /// them, so that what comes or goes between two pages moves no other.
    pub(super) fn of<T>(
        &self,
        mut items: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        items.sort_by_key(|item| name(item));
        if let Some(after) = &self.after {
            items.retain(|item| name(item) > *after);
        }
        let is_last = items.len() <= self.items_max;
        items.truncate(self.items_max);
        let marker = items.last().filter(|_| !is_last);
        let marker = marker.map(|last| URL_SAFE_NO_PAD.encode(name(last)));
        (items, marker)
    }
}

fn check_max_items(number: i64) -> Result<usize, ApiError> {
    let broken = |constraint: &str| {
        ApiError::constraints(&[format!(
            "Value '{number}' at 'maxItems' failed to satisfy constraint: Member must have value \
             {constraint}"
        )])
    };
    if number < 1 {
        return Err(broken("greater than or equal to 1"));
    }
    if number > MAX_ITEMS_MAX {
        return Err(broken("less than or equal to 10000"));
    }
    usize::try_from(number).map_err(|_| broken("less than or equal to 10000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page, ApiError> {
        Page::read(&Query::of(Some(query)), 2)
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended_whatever_came_or_went() {
        let of = |query: &str, items: &[&'static str]| {
            page(query).unwrap().of(items.to_vec(), |item| (*item).to_owned())
        };
        let (first, marker) = of("", &["d", "a", "c", "b"]);
        assert_eq!(first, ["a", "b"]);
        let next = format!("Marker={}", marker.unwrap());
        assert_eq!(of(&next, &["d", "c", "b"]), (vec!["c", "d"], None));
        assert_eq!(of(&next, &["aa", "c"]).0, ["c"]);
        assert_eq!(of("MaxItems=1", &["a", "b"]).0, ["a"]);
        assert_eq!(of("MaxItems=10000", &["a", "b"]), (vec!["a", "b"], None));
        assert_eq!(of("", &[]), (vec![], None));
    }

    #[test]
    fn markers_and_counts_that_are_none_are_refused() {
        assert_eq!(page("MaxItems=x").unwrap_err().kind, ErrorKind::Serialization);
        for (query, words) in [
            ("MaxItems=0", "greater than or equal to 1"),
            ("MaxItems=10001", "less than or equal to 10000"),
            ("Marker=%%%", "Invalid marker"),
            ("Marker=/w", "Invalid marker"),
        ] {
            let error = page(query).unwrap_err();
            assert!(error.text.contains(words), "{query}: {error:?}");
        }
    }
}
