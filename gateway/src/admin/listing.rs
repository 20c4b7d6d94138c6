//! Lists that are shown in pages and searched, by their URL's `q` and `page`.

use hyper::Uri;

/// Rows of one page.
pub(super) const ROWS: usize = 50;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// What is looked for; empty: everything.
    pub(super) q: String,
    /// From 1.
    page: usize,
}

/// Where in a list a page is.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// From 1.
    pub(super) page: usize,
    /// How many there are.
    pub(super) pages: usize,
    /// The URL of the page before.
    pub(super) previous: Option<String>,
    /// The URL of the page after.
    pub(super) next: Option<String>,
}

impl Wanted {
    pub(super) fn of(uri: &Uri) -> Self {
        let mut wanted = Self { q: String::new(), page: 1 };
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "q" => wanted.q = value.trim().chars().take(100).collect(),
                "page" => wanted.page = value.parse().unwrap_or(1),
                _ => {}
            }
        }
        wanted
    }

    /// Whether a row with one of these texts is looked for.
    pub(super) fn finds(&self, texts: &[&str]) -> bool {
        let wanted = self.q.to_lowercase();
        texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    /// The rows of the page that is asked for, or of the last one; `path` is where the list is.
    pub(super) fn cut<T>(&self, rows: Vec<T>, path: &str) -> (Vec<T>, Place) {
        let pages = rows.len().div_ceil(ROWS).max(1);
        let page = self.page.clamp(1, pages);
        let rows = rows.into_iter().skip((page - 1) * ROWS).take(ROWS).collect();
        let url = |page: usize| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            if !self.q.is_empty() {
                query.append_pair("q", &self.q);
            }
            format!("{path}?{}", query.append_pair("page", &page.to_string()).finish())
        };
        let previous = (page > 1).then(|| url(page - 1));
        let next = (page < pages).then(|| url(page + 1));
        (rows, Place { page, pages, previous, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_shown_in_pages_that_keep_what_is_looked_for() {
        let wanted = |uri: &str| Wanted::of(&uri.parse().unwrap());
        let rows: Vec<usize> = (0..120).collect();
        let (cut, place) = wanted("/x?q=A%20%26&page=2").cut(rows.clone(), "/x");
        assert_eq!((cut.len(), cut[0], place.page, place.pages), (50, 50, 2, 3));
        assert_eq!(place.previous.as_deref(), Some("/x?q=A+%26&page=1"));
        assert_eq!(place.next.as_deref(), Some("/x?q=A+%26&page=3"));
        for beyond in ["/x?page=9", "/x?page=99999999999999999999999", "/x?page=-1", "/x?page=0"] {
            let (cut, place) = wanted(beyond).cut(rows.clone(), "/x");
            assert!(place.page == 1 || cut.len() == 20, "{beyond}: {place:?}");
        }
        let (cut, place) = wanted("/x").cut(Vec::<u8>::new(), "/x");
        assert!(cut.is_empty() && place.pages == 1 && place.next.is_none());
        assert!(wanted("/x?q=ORD").finds(&["my-orders", "f"]) && wanted("/x").finds(&[""]));
        assert!(!wanted("/x?q=z").finds(&["my-orders"]));
    }
}
