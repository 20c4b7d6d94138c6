//! What AWS tells only function by function: URLs and reserved concurrency.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;

use super::Markers;
use super::call::{Pace, Refused};
use crate::lambda::catalog::{Catalog, FunctionUrl};

/// Refusals in a row after which it is not asked for further functions: the permission is missing
/// for all, most likely.
const REFUSALS_MAX: u32 = 3;

/// What was read about some functions.
#[derive(Debug, Default)]
pub(in crate::lambda) struct Details {
    urls: BTreeMap<String, Vec<FunctionUrl>>,
    reserved: BTreeMap<String, Option<u32>>,
    /// What could not be read, for people.
    pub(in crate::lambda) remarks: Vec<String>,
}

impl Details {
    /// Puts it into the catalog; what was not read stays there as it is.
    pub(in crate::lambda) fn put_into(&self, catalog: &mut Catalog) {
        for (name, urls) in &self.urls {
            if urls.is_empty() {
                catalog.urls.remove(name);
            } else {
                catalog.urls.insert(name.clone(), urls.clone());
            }
        }
        for (name, reserved) in &self.reserved {
            match reserved {
                Some(reserved) => catalog.reserved.insert(name.clone(), *reserved),
                None => catalog.reserved.remove(name),
            };
        }
    }
}

/// Reads about the functions of these names.
pub(in crate::lambda) async fn read(client: &Client, pace: &Pace, names: Vec<String>) -> Details {
    let mut details = Details::default();
    let mut no_reserved = Refusals::new("reserved concurrencies", "lambda:GetFunctionConcurrency");
    let mut no_urls = Refusals::new("function URLs", "lambda:ListFunctionUrlConfigs");
    for name in names {
        if !no_reserved.is_enough() {
            match reserved(client, pace, &name).await {
                Ok(reserved) => {
                    no_reserved.answered();
                    details.reserved.insert(name.clone(), reserved);
                }
                Err(refused) => no_reserved.note(&name, refused),
            }
        }
        if !no_urls.is_enough() {
            match urls(client, pace, &name).await {
                Ok(urls) => {
                    no_urls.answered();
                    details.urls.insert(name, urls);
                }
                Err(refused) => no_urls.note(&name, refused),
            }
        }
        if no_reserved.is_enough() && no_urls.is_enough() {
            break;
        }
    }
    details.remarks = [no_reserved, no_urls].iter().filter_map(Refusals::remark).collect();
    details
}

async fn reserved(client: &Client, pace: &Pace, name: &str) -> Result<Option<u32>, Refused> {
    pace.turn().await;
    let answer = client.get_function_concurrency().function_name(name).send().await;
    let answer = answer.map_err(|error| Refused::of(&error))?;
    Ok(answer.reserved_concurrent_executions().and_then(|n| u32::try_from(n).ok()))
}

async fn urls(client: &Client, pace: &Pace, name: &str) -> Result<Vec<FunctionUrl>, Refused> {
    let mut urls = Vec::new();
    let request = client.list_function_url_configs().function_name(name);
    let mut pages = request.into_paginator().send();
    let mut markers = Markers::default();
    let mut follows = true;
    while follows {
        pace.turn().await;
        let Some(answer) = pages.next().await else { break };
        let answer = answer.map_err(|error| Refused::of(&error))?;
        urls.extend(answer.function_url_configs().iter().map(|url| FunctionUrl {
            function_url: url.function_url().to_owned(),
            function_arn: url.function_arn().to_owned(),
            auth_type: url.auth_type().as_str().to_owned(),
        }));
        follows = markers.note(answer.next_marker())?;
    }
    urls.sort_by(|one: &FunctionUrl, other| one.function_arn.cmp(&other.function_arn));
    Ok(urls)
}

/// Who was refused one kind of call, and why last.
struct Refusals {
    what: &'static str,
    permission: &'static str,
    names: Vec<String>,
    in_a_row: u32,
    why: Option<Refused>,
}

impl Refusals {
    fn new(what: &'static str, permission: &'static str) -> Self {
        Self { what, permission, names: Vec::new(), in_a_row: 0, why: None }
    }

    fn answered(&mut self) {
        self.in_a_row = 0;
    }

    fn note(&mut self, name: &str, refused: Refused) {
        // It was deleted between two calls.
        if matches!(refused, Refused::Missing(_)) {
            return;
        }
        self.names.push(name.to_owned());
        self.in_a_row += 1;
        self.why = Some(refused);
    }

    fn is_enough(&self) -> bool {
        self.in_a_row >= REFUSALS_MAX
            || (self.in_a_row > 0 && matches!(self.why, Some(Refused::Unknown(_))))
    }

    fn remark(&self) -> Option<String> {
        let (what, permission) = (self.what, self.permission);
        let some = self.names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let of = if self.is_enough() { format!("{some} and others") } else { some };
        Some(match self.why.as_ref()? {
            Refused::Unknown(why) => format!("the endpoint tells no {what}: {why}"),
            Refused::Forbidden(why) => {
                format!("{what} of {of} cannot be read ({permission}): {why}")
            }
            Refused::Missing(why) | Refused::Failed(why) => {
                format!("{what} of {of} cannot be read now: {why}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_replace_what_was_known_of_the_same_functions_only() {
        let url = |url: &str| FunctionUrl { function_url: url.into(), ..FunctionUrl::default() };
        let mut catalog = Catalog {
            reserved: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
            urls: [("a".to_owned(), vec![url("x")]), ("b".to_owned(), vec![url("y")])].into(),
            ..Catalog::default()
        };
        let details = Details {
            reserved: [("a".to_owned(), None), ("c".to_owned(), Some(0))].into(),
            urls: [("b".to_owned(), vec![]), ("c".to_owned(), vec![url("z")])].into(),
            remarks: Vec::new(),
        };
        details.put_into(&mut catalog);
        assert_eq!(catalog.reserved, [("b".to_owned(), 2), ("c".to_owned(), 0)].into());
        assert_eq!(catalog.urls.keys().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn one_remark_tells_of_all_refusals() {
        let mut refusals = Refusals::new("function URLs", "lambda:ListFunctionUrlConfigs");
        refusals.note("gone", Refused::Missing("404".into()));
        assert_eq!(refusals.remark(), None);
        for name in ["a", "b"] {
            refusals.note(name, Refused::Forbidden("not you".into()));
        }
        assert!(!refusals.is_enough());
        let remark = refusals.remark().unwrap();
        assert!(remark.contains("of a, b cannot be read (lambda:ListFunctionUrlConfigs): not you"));
        refusals.answered();
        refusals.note("c", Refused::Unknown("HTTP 404".into()));
        assert!(refusals.is_enough(), "an endpoint that does not know the call is asked once");
    }
}
