//! What is known of AWS's functions.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lambda::document::FunctionDocument;
use crate::lambda::mapping::function_name;

/// The functions as they were read last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Catalog {
    /// All versions of all functions.
    pub(super) functions: Vec<FunctionDocument>,
    /// ReservedConcurrentExecutions by function name, where it is set; 0: the function is blocked.
    pub(super) reserved: BTreeMap<String, u32>,
    /// Function URLs by function name.
    pub(super) urls: BTreeMap<String, Vec<FunctionUrl>>,
}

/// A function's URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(clippy::struct_field_names, reason = "AWS's names")]
pub(super) struct FunctionUrl {
    pub(super) function_url: String,
    /// With the alias, if it is an alias's.
    pub(super) function_arn: String,
    /// `NONE` or `AWS_IAM`.
    pub(super) auth_type: String,
}

impl Catalog {
    /// How long the function may run, given by name or ARN; `None` if it is not known. Of several
    /// versions the longest counts: a lease that is too long delays a retry, one that is too short
    /// runs a message twice.
    pub(super) fn timeout_of(&self, function: &str) -> Option<Duration> {
        let name = function_name(function);
        let same = self.functions.iter().filter(|f| function_name(&f.function_arn) == name);
        same.filter_map(|function| function.timeout).max().map(Duration::from_secs)
    }

    /// The names of the functions, each once.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.functions.iter().map(|function| function_name(&function.function_arn)).collect()
    }

    /// Forgets what was known of functions that are not there any more.
    pub(super) fn forget_deleted(&mut self) {
        let (reserved, urls) = (take(&mut self.reserved), take(&mut self.urls));
        let names = self.names();
        let reserved = reserved.into_iter().filter(|(name, _)| names.contains(name.as_str()));
        let urls = urls.into_iter().filter(|(name, _)| names.contains(name.as_str()));
        let (reserved, urls) = (reserved.collect(), urls.collect());
        (self.reserved, self.urls) = (reserved, urls);
    }

    /// The function's reserved concurrency, if there is one.
    pub(super) fn reserved_for(&self, function: &str) -> Option<u32> {
        self.reserved.get(function_name(function)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(arn: &str, timeout: u64) -> FunctionDocument {
        FunctionDocument {
            function_arn: arn.to_owned(),
            timeout: Some(timeout),
            ..FunctionDocument::default()
        }
    }

    #[test]
    fn the_longest_timeout_of_a_functions_versions_counts() {
        let functions = vec![
            function("arn:aws:lambda:r:1:function:f:$LATEST", 3),
            function("arn:aws:lambda:r:1:function:f:7", 30),
            function("arn:aws:lambda:r:1:function:f:8", 10),
        ];
        let catalog = Catalog { functions, ..Catalog::default() };
        let live = "arn:aws:lambda:r:1:function:f:live";
        assert_eq!(catalog.timeout_of(live), Some(Duration::from_secs(30)));
        assert_eq!(catalog.timeout_of("f"), Some(Duration::from_secs(30)));
        assert_eq!(catalog.timeout_of("g"), None);
    }

    #[test]
    fn of_deleted_functions_nothing_stays() {
        let mut catalog = Catalog {
            functions: vec![function("arn:aws:lambda:r:1:function:f:7", 3)],
            reserved: [("f".to_owned(), 1), ("g".to_owned(), 2)].into(),
            urls: [("f".to_owned(), vec![]), ("g".to_owned(), vec![])].into(),
        };
        catalog.forget_deleted();
        assert_eq!(catalog.reserved_for("f:live"), Some(1));
        assert_eq!((catalog.reserved.len(), catalog.urls.len()), (1, 1));
    }
}
