//! What AWS knows about our mappings and functions.
//!
//! Source: esm-contract §7.1.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::types::FunctionVersion;

use crate::lambda::catalog::Catalog;
use crate::lambda::document::{FunctionDocument, MappingDocument};
use crate::lambda::mapping::select;
use crate::lambda::store::AwsMap;

/// Pages read at most of one list: far above what an account can hold, and an end for an endpoint
/// whose markers go in a circle.
const PAGES_MAX: usize = 10_000;

/// Why AWS was not read; the text is for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SyncError(pub(super) String);

/// Reads all mappings, and all functions if there is a mapping to serve. Functions without
/// permission to list them are no failure: their timeouts stay unknown.
///
/// Errors: AWS is away or refuses.
pub(super) async fn read(client: &Client, wants_functions: bool) -> Result<AwsMap, SyncError> {
    let mut mappings: Vec<MappingDocument> = Vec::new();
    let mut pages = client.list_event_source_mappings().into_paginator().send();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await else { break };
        let page = page.map_err(|e| SyncError(DisplayErrorContext(&e).to_string()))?;
        mappings.extend(page.event_source_mappings().iter().map(MappingDocument::from));
    }
    let catalog = if wants_functions || !select(&mappings).ours.is_empty() {
        Catalog { functions: read_functions(client).await, ..Catalog::default() }
    } else {
        Catalog::default()
    };
    Ok(AwsMap { mappings, catalog })
}

async fn read_functions(client: &Client) -> Vec<FunctionDocument> {
    let mut functions = Vec::new();
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
        functions.extend(page.functions().iter().map(FunctionDocument::from));
    }
    functions
}
