//! What can be asked for, and where.

use hyper::Method;
use percent_encoding::percent_decode_str;

/// An operation of Lambda's API that we have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// CreateEventSourceMapping.
    CreateEventSourceMapping,
    /// DeleteEventSourceMapping.
    DeleteEventSourceMapping,
    /// GetAccountSettings.
    GetAccountSettings,
    /// GetEventSourceMapping.
    GetEventSourceMapping,
    /// GetFunction.
    GetFunction,
    /// GetFunctionConcurrency.
    GetFunctionConcurrency,
    /// GetFunctionConfiguration.
    GetFunctionConfiguration,
    /// Invoke.
    Invoke,
    /// ListEventSourceMappings.
    ListEventSourceMappings,
    /// ListFunctionUrlConfigs.
    ListFunctionUrlConfigs,
    /// ListFunctions.
    ListFunctions,
    /// ListTags.
    ListTags,
    /// TagResource.
    TagResource,
    /// UntagResource.
    UntagResource,
    /// UpdateEventSourceMapping.
    UpdateEventSourceMapping,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 15] = [
        Self::CreateEventSourceMapping,
        Self::DeleteEventSourceMapping,
        Self::GetAccountSettings,
        Self::GetEventSourceMapping,
        Self::GetFunction,
        Self::GetFunctionConcurrency,
        Self::GetFunctionConfiguration,
        Self::Invoke,
        Self::ListEventSourceMappings,
        Self::ListFunctionUrlConfigs,
        Self::ListFunctions,
        Self::ListTags,
        Self::TagResource,
        Self::UntagResource,
        Self::UpdateEventSourceMapping,
    ];

    /// What it is permitted by, which is its name but for Invoke. Source: esm-contract §7.5.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::CreateEventSourceMapping => "CreateEventSourceMapping",
            Self::DeleteEventSourceMapping => "DeleteEventSourceMapping",
            Self::GetAccountSettings => "GetAccountSettings",
            Self::GetEventSourceMapping => "GetEventSourceMapping",
            Self::GetFunction => "GetFunction",
            Self::GetFunctionConcurrency => "GetFunctionConcurrency",
            Self::GetFunctionConfiguration => "GetFunctionConfiguration",
            Self::Invoke => "InvokeFunction",
            Self::ListEventSourceMappings => "ListEventSourceMappings",
            Self::ListFunctionUrlConfigs => "ListFunctionUrlConfigs",
            Self::ListFunctions => "ListFunctions",
            Self::ListTags => "ListTags",
            Self::TagResource => "TagResource",
            Self::UntagResource => "UntagResource",
            Self::UpdateEventSourceMapping => "UpdateEventSourceMapping",
        }
    }

    /// Whether it is about functions, and not about mappings.
    pub(super) fn is_about_function(self) -> bool {
        matches!(
            self,
            Self::GetAccountSettings
                | Self::GetFunction
                | Self::GetFunctionConcurrency
                | Self::GetFunctionConfiguration
                | Self::Invoke
                | Self::ListFunctionUrlConfigs
                | Self::ListFunctions
        )
    }

    /// Whether it changes something, or runs code.
    pub(super) fn is_write(self) -> bool {
        matches!(
            self,
            Self::CreateEventSourceMapping
                | Self::DeleteEventSourceMapping
                | Self::Invoke
                | Self::TagResource
                | Self::UntagResource
                | Self::UpdateEventSourceMapping
        )
    }
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) operation: Operation,
    /// The function, mapping or ARN in the path, decoded; empty if there is none.
    pub(super) resource: String,
}

impl Route {
    /// Reads method and path, with or without a slash at the end. `None`: we have no such
    /// operation. Source: esm-contract §§7.1 to 7.3.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        use Operation as O;
        let path = path.trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        let (operation, resource) = match (method.as_str(), segments.as_slice()) {
            ("POST", ["2015-03-31", "event-source-mappings"]) => (O::CreateEventSourceMapping, ""),
            ("GET", ["2015-03-31", "event-source-mappings"]) => (O::ListEventSourceMappings, ""),
            ("GET", ["2015-03-31", "event-source-mappings", uuid]) => {
                (O::GetEventSourceMapping, *uuid)
            }
            ("PUT", ["2015-03-31", "event-source-mappings", uuid]) => {
                (O::UpdateEventSourceMapping, *uuid)
            }
            ("DELETE", ["2015-03-31", "event-source-mappings", uuid]) => {
                (O::DeleteEventSourceMapping, *uuid)
            }
            ("GET", ["2015-03-31", "functions"]) => (O::ListFunctions, ""),
            ("GET", ["2015-03-31", "functions", name]) => (O::GetFunction, *name),
            ("GET", ["2015-03-31", "functions", name, "configuration"]) => {
                (O::GetFunctionConfiguration, *name)
            }
            ("POST", ["2015-03-31", "functions", name, "invocations"]) => (O::Invoke, *name),
            ("GET", ["2016-08-19", "account-settings"]) => (O::GetAccountSettings, ""),
            ("GET", ["2017-03-31", "tags", arn]) => (O::ListTags, *arn),
            ("POST", ["2017-03-31", "tags", arn]) => (O::TagResource, *arn),
            ("DELETE", ["2017-03-31", "tags", arn]) => (O::UntagResource, *arn),
            ("GET", ["2019-09-30", "functions", name, "concurrency"]) => {
                (O::GetFunctionConcurrency, *name)
            }
            ("GET", ["2021-10-31", "functions", name, "urls"]) => {
                (O::ListFunctionUrlConfigs, *name)
            }
            _ => return None,
        };
        let resource = percent_decode_str(resource).decode_utf8_lossy().into_owned();
        Some(Self { operation, resource })
    }
}

/// Whether a path's first segment is a version of Lambda's API, `20dd-dd-dd`.
pub(crate) fn is_api_path(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default().as_bytes();
    first.len() == 10
        && first.starts_with(b"20")
        && first.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Option<(Operation, String)> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Route::of(&method, path).map(|route| (route.operation, route.resource))
    }

    #[test]
    fn a_path_is_the_same_with_and_without_a_slash_at_its_end() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let encoded = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000\
                       %3Afunction%3Af/invocations";
        for (method, path, operation, resource) in [
            ("GET", "/2015-03-31/event-source-mappings", Operation::ListEventSourceMappings, ""),
            ("POST", "/2015-03-31/event-source-mappings", Operation::CreateEventSourceMapping, ""),
            (
                "PUT",
                "/2015-03-31/event-source-mappings/u",
                Operation::UpdateEventSourceMapping,
                "u",
            ),
            ("POST", encoded, Operation::Invoke, arn),
            ("GET", "/2015-03-31/functions", Operation::ListFunctions, ""),
        ] {
            let expected = Some((operation, resource.to_owned()));
            assert_eq!(route(method, path), expected, "{path}");
            assert_eq!(route(method, &format!("{path}/")), expected, "{path}/");
        }
    }

    #[test]
    fn what_lambda_has_and_we_have_not_is_no_operation() {
        for (method, path) in [
            ("POST", "/2015-03-31/functions"),
            ("DELETE", "/2015-03-31/functions/f"),
            ("POST", "/2015-03-31/event-source-mappings/u"),
            ("GET", "/2015-03-31/event-source-mappings/u/v"),
            ("GET", "/2015-03-31"),
            ("POST", "/2014-11-13/functions/f/invoke-async"),
            ("POST", "/2021-11-15/functions/f/response-streaming-invocations"),
            ("BREW", "/2015-03-31/functions/f"),
        ] {
            assert_eq!(route(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn paths_of_the_api_begin_with_a_date() {
        for path in ["/2015-03-31/functions/f/invocations", "/2099-99-99", "//2015-03-31/x"] {
            assert!(is_api_path(path), "{path}");
        }
        for path in ["/", "/000000000000/orders", "/2015-3-31", "/queue/2015-03-31", "/1999-01-01"]
        {
            assert!(!is_api_path(path), "{path}");
        }
    }
}
