//! What AWS knows about our mappings and functions.
//!
//! A reading has two steps: [`read`] gets the mappings and the functions, a few calls that decide
//! what is served; [`details::read`] then asks for each function, which takes its time.
//!
//! Source: esm-contract §7.1.

pub(super) mod call;
pub(super) mod details;
pub(super) mod schedule;
pub(super) mod summary;

use std::collections::HashSet;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::FunctionVersion;

use self::call::{Pace, Refused};
use crate::lambda::catalog::Catalog;
use crate::lambda::document::{FilterCriteriaErrorDocument, FunctionDocument, MappingDocument};
use crate::lambda::store::AwsMap;

/// Pages read at most of one list: far above what an account can hold, and an end for an endpoint
/// that always has one more.
const PAGES_MAX: usize = 10_000;

/// Why AWS was not read; the text is for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SyncError(pub(super) String);

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The mappings and the functions; what only [`details::read`] reads is as it was before.
    pub(super) map: AwsMap,
    /// Whether all functions are in it.
    pub(super) knows_functions: bool,
    /// What could not be read, for people.
    pub(super) remarks: Vec<String>,
}

/// Reads all mappings and all functions. Without permission to list functions, or where the
/// endpoint cannot, they stay as they were in `before`.
///
/// Errors: AWS is away or refuses.
pub(super) async fn read(
    client: &Client,
    pace: &Pace,
    before: AwsMap,
) -> Result<Reading, SyncError> {
    let mut reading = Reading::default();
    reading.map.mappings = match mappings(client, pace).await {
        Ok(mappings) => mappings,
        // An endpoint that only invokes. Were there mappings before, it would be another fault.
        Err(Refused::Unknown(why)) if before.mappings.is_empty() => {
            reading.remarks.push(format!("the endpoint lists no mappings: {why}"));
            return Ok(reading);
        }
        Err(error) => return Err(SyncError(format!("mappings: {}", error.words()))),
    };
    for mapping in &mut reading.map.mappings {
        show_filters(client, pace, mapping, &before.mappings).await;
    }
    let Catalog { functions: functions_before, reserved, urls } = before.catalog;
    let functions = match functions(client, pace).await {
        Ok(functions) => {
            reading.knows_functions = true;
            functions
        }
        Err(error) => {
            let why = error.words();
            reading.remarks.push(format!(
                "the functions cannot be listed, so leases of unknown ones are as long as Lambda \
                 allows (lambda:ListFunctions): {why}"
            ));
            functions_before
        }
    };
    reading.map.catalog = Catalog { functions, reserved, urls };
    if reading.knows_functions {
        reading.map.catalog.forget_deleted();
    }
    Ok(reading)
}

/// Sorted by UUID, so that the same mappings are always the same list.
async fn mappings(client: &Client, pace: &Pace) -> Result<Vec<MappingDocument>, Refused> {
    let mut mappings: Vec<MappingDocument> = Vec::new();
    let mut pages = client.list_event_source_mappings().into_paginator().send();
    let mut markers = Markers::default();
    let mut follows = true;
    while follows {
        pace.turn().await;
        let Some(answer) = pages.next().await else { break };
        let answer = answer.map_err(|error| Refused::of(&error))?;
        let Some(listed) = &answer.event_source_mappings else {
            return Err(Refused::Unknown("an answer without EventSourceMappings".to_owned()));
        };
        mappings.extend(listed.iter().map(MappingDocument::from));
        follows = markers.note(answer.next_marker())?;
    }
    mappings.sort_by(|one, other| one.uuid.cmp(&other.uuid));
    Ok(mappings)
}

/// Sorted by ARN.
async fn functions(client: &Client, pace: &Pace) -> Result<Vec<FunctionDocument>, Refused> {
    let mut functions = Vec::new();
    let request = client.list_functions().function_version(FunctionVersion::All);
    let mut pages = request.into_paginator().send();
    let mut markers = Markers::default();
    let mut follows = true;
    while follows {
        pace.turn().await;
        let Some(answer) = pages.next().await else { break };
        let answer = answer.map_err(|error| Refused::of(&error))?;
        let Some(listed) = &answer.functions else {
            return Err(Refused::Unknown("an answer without Functions".to_owned()));
        };
        functions.extend(listed.iter().map(FunctionDocument::from));
        follows = markers.note(answer.next_marker())?;
    }
    functions.sort_by(|one, other| one.function_arn.cmp(&other.function_arn));
    functions.dedup_by(|one, other| one.function_arn == other.function_arn);
    Ok(functions)
}

/// A list leaves encrypted filters out; asked for the one mapping, AWS shows them to those who may
/// decrypt them. They are asked for again only once the mapping was changed.
///
/// Source: esm-contract §6, "KMSKeyArn".
async fn show_filters(
    client: &Client,
    pace: &Pace,
    mapping: &mut MappingDocument,
    before: &[MappingDocument],
) {
    if mapping.kms_key_arn.is_none() || mapping.filter_criteria.is_some() {
        return;
    }
    let is_same = |other: &&MappingDocument| {
        other.uuid == mapping.uuid
            && other.last_modified == mapping.last_modified
            && other.kms_key_arn == mapping.kms_key_arn
    };
    if let Some(known) = before.iter().find(is_same).and_then(|m| m.filter_criteria.clone()) {
        mapping.filter_criteria = Some(known);
        return;
    }
    pace.turn().await;
    match client.get_event_source_mapping().uuid(&mapping.uuid).send().await {
        Ok(shown) => {
            mapping.filter_criteria = shown.filter_criteria().map(Into::into);
            mapping.filter_criteria_error = shown.filter_criteria_error().map(Into::into);
        }
        Err(error) => {
            let message = Some(Refused::of(&error).words().to_owned());
            let error_code = None;
            mapping.filter_criteria_error =
                Some(FilterCriteriaErrorDocument { error_code, message });
        }
    }
}

/// The markers of one list so far: none comes twice, or the list would never end.
#[derive(Debug, Default)]
pub(super) struct Markers(HashSet<String>);

impl Markers {
    /// Notes the marker of a page. Returns whether another page follows. Errors: it came before, or
    /// there are too many.
    fn note(&mut self, marker: Option<&str>) -> Result<bool, Refused> {
        let Some(marker) = marker.filter(|marker| !marker.is_empty()) else { return Ok(false) };
        if !self.0.insert(marker.to_owned()) {
            return Err(Refused::Failed("the pages of a list go in a circle".to_owned()));
        }
        if self.0.len() >= PAGES_MAX {
            return Err(Refused::Failed(format!("a list has more than {PAGES_MAX} pages")));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_or_is_refused() {
        let mut markers = Markers::default();
        for marker in [Some("a"), Some("b"), None, Some(""), Some("")] {
            let follows = marker.is_some_and(|marker| !marker.is_empty());
            assert_eq!(markers.note(marker), Ok(follows), "{marker:?}");
        }
        let circle = markers.note(Some("a")).unwrap_err();
        assert!(circle.words().contains("circle"));
        let mut endless = Markers::default();
        let refused = (0..=PAGES_MAX).find_map(|n| endless.note(Some(&n.to_string())).err());
        assert!(refused.unwrap().words().contains("10000 pages"));
    }
}
