//! What is known of AWS's functions.

use std::collections::BTreeMap;
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
}
