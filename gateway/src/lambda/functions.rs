//! AWS's functions, as they are shown to people.

use serde::{Deserialize, Serialize};

use crate::lambda::catalog::Catalog;
use crate::lambda::control::Control;
use crate::lambda::document::FunctionDocument;
use crate::lambda::mapping::function_name;

/// The version of what is deployed last.
const LATEST: &str = "$LATEST";

/// A function on AWS, as it was read last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudFunction {
    /// Its bare name.
    pub name: String,
    /// Its ARN, of the version that is described.
    pub arn: String,
    /// The runtime; empty for an image.
    pub runtime: String,
    /// What somebody wrote about it.
    pub description: String,
    /// Its timeout.
    pub timeout_seconds: Option<u64>,
    /// Its memory.
    pub memory_megabytes: Option<u64>,
    /// ReservedConcurrentExecutions, where it is set; 0: it is switched off.
    pub reserved: Option<u32>,
    /// Its URLs, each with its alias (empty: none) and who may use it, `NONE` or `AWS_IAM`.
    pub urls: Vec<(String, String, String)>,
}

impl Control {
    /// AWS's functions, by name.
    pub fn cloud_functions(&self) -> Vec<CloudFunction> {
        of(&self.view().catalog)
    }
}

fn of(catalog: &Catalog) -> Vec<CloudFunction> {
    let mut shown = Vec::new();
    for name in catalog.names() {
        let same = catalog.functions.iter().filter(|f| function_name(&f.function_arn) == name);
        let is_latest = |f: &&FunctionDocument| f.version.as_deref().is_none_or(|v| v == LATEST);
        let Some(function) = same.clone().find(is_latest).or_else(|| same.clone().next()) else {
            continue;
        };
        let urls = catalog.urls.get(name).into_iter().flatten().map(|url| {
            let alias = url.function_arn.split(':').nth(7).unwrap_or_default();
            (url.function_url.clone(), alias.to_owned(), url.auth_type.clone())
        });
        shown.push(CloudFunction {
            name: name.to_owned(),
            arn: function.function_arn.clone(),
            runtime: function.runtime.clone().unwrap_or_default(),
            description: function.description.clone().unwrap_or_default(),
            timeout_seconds: function.timeout,
            memory_megabytes: function.memory_size,
            reserved: catalog.reserved_for(name),
            urls: urls.collect(),
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::catalog::FunctionUrl;

    #[test]
    fn each_function_is_shown_once_as_its_latest_version_with_its_urls() {
        let version = |version: &str, timeout| FunctionDocument {
            function_arn: format!("arn:aws:lambda:r:1:function:f:{version}"),
            version: Some(version.to_owned()),
            timeout: Some(timeout),
            ..FunctionDocument::default()
        };
        let url = FunctionUrl {
            function_url: "https://u.example/".into(),
            function_arn: "arn:aws:lambda:r:1:function:f:live".into(),
            auth_type: "NONE".into(),
        };
        let catalog = Catalog {
            functions: vec![version("7", 30), version("$LATEST", 3)],
            reserved: [("f".to_owned(), 0)].into(),
            urls: [("f".to_owned(), vec![url])].into(),
        };
        let [f] = &of(&catalog)[..] else { panic!("{catalog:?}") };
        assert_eq!((f.name.as_str(), f.timeout_seconds, f.reserved), ("f", Some(3), Some(0)));
        assert_eq!(f.urls, [("https://u.example/".into(), "live".into(), "NONE".into())]);
    }
}
