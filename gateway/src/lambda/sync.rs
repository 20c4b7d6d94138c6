//! What AWS knows about our mappings and functions.
//!
//! Source: esm-contract §7.1.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::types::FunctionVersion;

use crate::lambda::mapping::{Selection, function_name, select};

/// Pages read at most of one list: far above what an account can hold, and an end for an endpoint
/// whose markers go in a circle.
const PAGES_MAX: usize = 10_000;

/// What was read from AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The mappings.
    pub(super) selection: Selection,
    /// How long functions may run.
    pub(super) timeouts: Timeouts,
}

/// How long functions may run, by name. Of several versions the longest counts: a lease that is
/// too long delays a retry, one that is too short runs a message twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Timeouts(HashMap<String, Duration>);

impl Timeouts {
    /// Of this function, given by name or ARN; `None` if AWS did not tell.
    pub(super) fn of(&self, function: &str) -> Option<Duration> {
        self.0.get(function_name(function)).copied()
    }

    /// Takes over what was read now; what was not read stays.
    pub(super) fn update(&mut self, read: Self) {
        self.0.extend(read.0);
    }

    fn note(&mut self, function: &str, timeout: Duration) {
        let known = self.0.entry(function_name(function).to_owned()).or_default();
        *known = timeout.max(*known);
    }
}

/// Why AWS was not read; the text is for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SyncError(String);

/// Reads all mappings, and the timeouts of all functions if there is a mapping to serve. Functions
/// without permission to list them are no failure: their timeouts stay unknown.
///
/// Errors: AWS is away or refuses.
pub(super) async fn read(client: &Client, wants_timeouts: bool) -> Result<View, SyncError> {
    let mut configurations = Vec::new();
    let mut pages = client.list_event_source_mappings().into_paginator().send();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await else { break };
        let page = page.map_err(|e| SyncError(DisplayErrorContext(&e).to_string()))?;
        configurations.extend(page.event_source_mappings.unwrap_or_default());
    }
    let selection = select(&configurations);
    let timeouts = if wants_timeouts || !selection.ours.is_empty() {
        read_timeouts(client).await
    } else {
        Timeouts::default()
    };
    Ok(View { selection, timeouts })
}

/// Only names and timeouts are kept: the answer also has environment variables in clear.
async fn read_timeouts(client: &Client) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let request = client.list_functions().function_version(FunctionVersion::All);
    let mut pages = request.into_paginator().send();
    for _ in 0..PAGES_MAX {
        let page = match pages.next().await {
            None => break,
            Some(Ok(page)) => page,
            Some(Err(error)) => {
                tracing::warn!(
                    error = %DisplayErrorContext(&error),
                    "the functions' timeouts cannot be read; leases are as long as Lambda allows"
                );
                break;
            }
        };
        for function in page.functions() {
            let seconds = function.timeout().and_then(|t| u64::try_from(t).ok());
            if let (Some(arn), Some(seconds)) = (function.function_arn(), seconds) {
                timeouts.note(arn, Duration::from_secs(seconds));
            }
        }
    }
    timeouts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_timeout_of_a_functions_versions_counts() {
        let mut timeouts = Timeouts::default();
        timeouts.note("arn:aws:lambda:r:1:function:f:$LATEST", Duration::from_secs(3));
        timeouts.note("arn:aws:lambda:r:1:function:f:7", Duration::from_secs(30));
        timeouts.note("arn:aws:lambda:r:1:function:f:8", Duration::from_secs(10));
        assert_eq!(
            timeouts.of("arn:aws:lambda:r:1:function:f:live"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(timeouts.of("f"), Some(Duration::from_secs(30)));
        assert_eq!(timeouts.of("g"), None);
    }
}
