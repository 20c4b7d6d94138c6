//! What people should know about the mappings: each thing is logged once, and shown as long as it
//! is so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::lambda::document::MappingDocument;
use crate::lambda::mapping::{Mapping, Origin, function_name};
use crate::lambda::sync::summary::words;
use crate::queues::QueueName;

/// The longest an invocation with an answer may take, whatever the function's timeout is.
/// Source: esm-contract §7.1.
const SYNCHRONOUS_MAX: Duration = Duration::from_mins(15);

/// What a remark is about; one of the same topic replaces it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// What could not be read from AWS.
    Reading,
    /// The same of single functions.
    Details,
    /// Mappings that were made here and cannot be served.
    Created,
    /// AWS's mappings that are not ours.
    NotServed,
    /// The mappings that are served.
    Served,
    /// Mappings of a queue that were served.
    Gone(QueueName),
    /// A queue that was made, or was not made as it should.
    Queue(QueueName),
}

/// All remarks there are.
#[derive(Debug, Default)]
pub(super) struct Remarks(BTreeMap<Topic, Vec<String>>);

impl Remarks {
    /// Replaces the remarks of a topic; those that were not there are logged.
    pub(super) fn put(&mut self, topic: Topic, remarks: Vec<String>) {
        let before = self.0.remove(&topic).unwrap_or_default();
        for remark in remarks.iter().filter(|remark| !before.contains(remark)) {
            tracing::warn!("{remark}");
        }
        if !remarks.is_empty() {
            self.0.insert(topic, remarks);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.values().flatten().cloned().collect()
    }
}

/// What is known when mappings are looked at.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// AWS's own words for its mappings.
    pub(super) documents: &'a [MappingDocument],
    /// The names of all of AWS's functions, if they are known.
    pub(super) functions: Option<BTreeSet<&'a str>>,
    /// The region that is read.
    pub(super) region: Option<&'a str>,
    /// The VisibilityTimeouts of queues here.
    pub(super) visibilities: &'a HashMap<QueueName, Duration>,
}

/// What is odd about mappings that are served: `served` has those that are not switched off, each
/// with its function's timeout if it is known, and whether the function runs here.
///
/// Source: esm-contract §§6, 7.1 and 11.
pub(super) fn of_served(
    served: &[(&Mapping, Option<Duration>, bool)],
    facts: &Facts,
) -> Vec<String> {
    let mut remarks = rivals(served);
    for (mapping, timeout, is_local) in served {
        remarks.extend(of_timeout(mapping, *timeout, facts));
        if !is_local {
            remarks.extend(of_places(mapping, facts));
        }
        remarks.extend(of_configuration(mapping, facts));
    }
    remarks
}

/// Queues with several mappings.
fn rivals(served: &[(&Mapping, Option<Duration>, bool)]) -> Vec<String> {
    let mut by_queue: BTreeMap<&QueueName, Vec<&str>> = BTreeMap::new();
    for (mapping, ..) in served {
        by_queue.entry(&mapping.queue).or_default().push(mapping.function_name());
    }
    let several = by_queue.into_iter().filter(|(_, functions)| functions.len() > 1);
    let remark = |(queue, functions): (&QueueName, Vec<&str>)| {
        let functions = functions.join(", ");
        format!(
            "the queue {queue} has several mappings ({functions}): each message goes to one of them"
        )
    };
    several.map(remark).collect()
}

fn of_timeout(mapping: &Mapping, timeout: Option<Duration>, facts: &Facts) -> Vec<String> {
    let Some(timeout) = timeout else { return Vec::new() };
    let mut remarks = Vec::new();
    let name = words(mapping);
    let longest = timeout + mapping.window;
    if let Some(visibility) = facts.visibilities.get(&mapping.queue).filter(|v| **v < longest) {
        remarks.push(format!(
            "{name}: the queue's VisibilityTimeout of {visibility:?} is shorter than the \
             function's timeout and the window together, {longest:?}; other consumers would get \
             messages that are being worked on, and AWS refuses such a mapping"
        ));
    }
    if timeout > SYNCHRONOUS_MAX {
        remarks.push(format!(
            "{name}: the function's timeout of {timeout:?} is longer than {SYNCHRONOUS_MAX:?}, the \
             most that an invocation with an answer may take: it fails then"
        ));
    }
    remarks
}

/// What ARNs tell about regions and accounts.
fn of_places(mapping: &Mapping, facts: &Facts) -> Vec<String> {
    let segment = |arn: &str, n: usize| arn.split(':').nth(n).unwrap_or_default().to_owned();
    let mut remarks = Vec::new();
    let (name, function) = (words(mapping), &mapping.function);
    let is_arn = function.starts_with("arn:");
    if let Some(region) = facts.region.filter(|region| is_arn && segment(function, 3) != **region) {
        let other = segment(function, 3);
        remarks.push(format!(
            "{name}: the function is in {other}, and AWS is read in {region}: it is invoked there, \
             and its timeout and limits are not known"
        ));
    } else if mapping.origin == Origin::Aws
        && facts.functions.as_ref().is_some_and(|all| !all.contains(function_name(function)))
    {
        remarks.push(format!("{name}: AWS lists no such function; it was deleted, most likely"));
    }
    if let Some(arn) = mapping.source_arn.as_deref().filter(|_| is_arn) {
        let (theirs, ours) = (segment(arn, 4), segment(function, 4));
        if theirs != ours {
            remarks.push(format!(
                "{name}: the queue is one of the account {theirs}, the function one of {ours}"
            ));
        }
    }
    remarks
}

/// What is configured and means something else here, or nothing.
fn of_configuration(mapping: &Mapping, facts: &Facts) -> Vec<String> {
    let name = words(mapping);
    let remarks = mapping.filters.remarks();
    let mut remarks: Vec<String> = remarks.iter().map(|r| format!("{name}: {r}")).collect();
    let document = facts.documents.iter().find(|document| document.uuid == mapping.uuid);
    if document.is_some_and(|document| document.provisioned_poller_config.is_some()) {
        remarks.push(format!(
            "{name}: its ProvisionedPollerConfig means nothing here; ScalingConfig limits it"
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::lambda::document::{FilterCriteriaDocument, FilterDocument};
    use crate::lambda::mapping::select;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:f:live";

    fn document(queue: &str, function: &str) -> MappingDocument {
        MappingDocument {
            uuid: format!("{queue}{function}"),
            event_source_arn: Some(format!("arn:aws:sqs:eu-west-1:111122223333:{queue}")),
            function_arn: Some(function.to_owned()),
            state: Some("Disabled".to_owned()),
            maximum_batching_window_in_seconds: Some(5),
            ..MappingDocument::default()
        }
    }

    /// The remarks on these mappings, whose functions have this timeout.
    fn remarks(documents: &[MappingDocument], seconds: Option<u64>) -> Vec<String> {
        let mappings = select(documents, &HashSet::new()).ours;
        let timeout = seconds.map(Duration::from_secs);
        let served: Vec<_> = mappings.iter().map(|mapping| (mapping, timeout, false)).collect();
        let orders = QueueName::parse("orders").unwrap();
        let facts = Facts {
            documents,
            functions: Some(["f"].into()),
            region: Some("eu-west-1"),
            visibilities: &[(orders, Duration::from_secs(30))].into(),
        };
        of_served(&served, &facts)
    }

    #[track_caller]
    fn one(remarks: &[String], words: &str) {
        let [remark] = remarks else { panic!("{remarks:#?}") };
        assert!(remark.contains(words), "{remark}");
    }

    #[test]
    fn an_ordinary_mapping_is_no_remark_worth() {
        assert_eq!(remarks(&[document("orders", FUNCTION)], Some(25)), Vec::<String>::new());
        assert_eq!(remarks(&[document("orders", FUNCTION)], None), Vec::<String>::new());
    }

    #[test]
    fn what_is_odd_about_a_mapping_is_said() {
        let said = |document: MappingDocument, seconds| remarks(&[document], seconds);
        one(&said(document("orders", FUNCTION), Some(26)), "VisibilityTimeout of 30s");
        one(&said(document("other", FUNCTION), Some(901)), "900s");
        let abroad = FUNCTION.replace("eu-west-1", "us-east-1");
        one(&said(document("orders", &abroad), None), "in us-east-1");
        let deleted = FUNCTION.replace(":f:", ":g:");
        one(&said(document("orders", &deleted), None), "no such function");
        let foreign = FUNCTION.replace("1111", "9999");
        one(&said(document("orders", &foreign), None), "account 111122223333");
        let mut provisioned = document("orders", FUNCTION);
        provisioned.provisioned_poller_config = Some(json!({"MinimumPollers": 2}));
        one(&said(provisioned, None), "ProvisionedPollerConfig");
        let mut filtered = document("orders", FUNCTION);
        let pattern = Some(r#"{"attributes":{"SenderId":["x"]}}"#.to_owned());
        let filters = vec![FilterDocument { pattern }];
        filtered.filter_criteria = Some(FilterCriteriaDocument { filters });
        one(&said(filtered, None), "orders -> f: filter 1: ");
    }

    #[test]
    fn a_queue_with_two_mappings_is_one_remark() {
        let other = FUNCTION.replace(":live", "");
        let both = [document("orders", FUNCTION), document("orders", &other)];
        one(&remarks(&both, None), "orders has several mappings (f, f)");
    }

    #[test]
    fn a_remark_is_replaced_by_the_next_on_the_same() {
        let mut remarks = Remarks::default();
        remarks.put(Topic::Served, vec!["a".into(), "b".into()]);
        remarks.put(Topic::Reading, vec!["c".into()]);
        remarks.put(Topic::Served, vec!["b".into(), "d".into()]);
        assert_eq!(remarks.all(), ["c", "b", "d"]);
        remarks.put(Topic::Served, Vec::new());
        assert_eq!(remarks.all(), ["c"]);
    }
}
