//! Local functions, as Lambda's lists show functions.

use std::time::Duration;

use serde_json::{Value, json};

use crate::lambda::api::error::ApiError;
use crate::lambda::api::names::{FunctionName, LATEST};
use crate::lambda::api::pages::Page;
use crate::lambda::api::{Answer, Api, Ask, json_answer};
use crate::lambda::control::View;
use crate::lambda::local::LocalFunction;
use crate::lambda::mapping::function_name;

/// Functions of one page, whatever MaxItems says. Source: esm-contract §7.1.
const FUNCTIONS_MAX: usize = 50;
/// What Lambda calls a program that speaks the Runtime API itself.
const RUNTIME: &str = "provided.al2023";
/// What it runs.
const HANDLER: &str = "bootstrap";

/// A function a mapping can have.
pub(super) struct Resolved {
    /// With the qualifier it was given with.
    pub(super) arn: String,
    /// `None`: not known.
    pub(super) timeout: Option<Duration>,
}

impl Api {
    /// The function of this name: here, or on AWS, or wherever nothing could be read of.
    pub(super) fn resolve(&self, name: &FunctionName) -> Option<Resolved> {
        let view = self.0.control.view();
        let has_version = |qualifier: &str| {
            let arns = view.catalog.functions.iter().map(|function| &function.function_arn);
            arns.filter(|arn| function_name(arn) == name.name)
                .any(|arn| arn.rsplit(':').next() == Some(qualifier))
        };
        let is_local = name.is_latest() && self.0.functions.get(&name.name).is_some();
        let is_unread = self.0.knows_others && view.catalog.functions.is_empty();
        let is_version = |q: &str| q.bytes().all(|byte| byte.is_ascii_digit());
        let is_listed = is_in_catalog(&view, &name.name)
            // Aliases are not in the list.
            && name.qualifier.as_deref().is_none_or(|q| !is_version(q) || has_version(q));
        if !(is_local || is_listed || is_unread) {
            return None;
        }
        let given = Some(&name.written).filter(|written| written.starts_with("arn:") && !is_local);
        let unqualified = || name.arn(self.unqualified_arn(&name.name, &view));
        Some(Resolved {
            arn: given.cloned().unwrap_or_else(unqualified),
            timeout: self.timeout_of(&name.name),
        })
    }

    /// How long the function of this bare name may run, if that is known.
    pub(super) fn timeout_of(&self, name: &str) -> Option<Duration> {
        let local = self.0.functions.get(name).map(|function| function.timeout());
        local.or_else(|| self.0.control.view().catalog.timeout_of(name))
    }

    /// AWS's ARN of the function if it is there only, else ours.
    pub(super) fn unqualified_arn(&self, name: &str, view: &View) -> String {
        if self.0.functions.get(name).is_none() {
            let mut arns = view.catalog.functions.iter().map(|function| &function.function_arn);
            let arn = arns.find(|arn| function_name(arn) == name);
            if let Some(end) = arn.and_then(|arn| arn.find(":function:").map(|end| (arn, end))) {
                let (arn, end) = end;
                return format!("{}:function:{name}", arn.get(..end).unwrap_or_default());
            }
        }
        self.0.identity.function_arn(name)
    }

    /// The local function the path names, and the name.
    ///
    /// Errors: it has no such form; there is none; it is no `$LATEST`.
    pub(super) fn local(&self, ask: &Ask<'_>) -> Result<(LocalFunction, FunctionName), ApiError> {
        self.permit(ask, None)?;
        let name = FunctionName::parse(&ask.resource).map_err(|b| ApiError::constraints(&[b]))?;
        let name = name.qualified(ask.query.text("Qualifier"))?;
        let function = self.0.functions.get(&name.name).filter(|_| name.is_latest());
        let missing = || ApiError::no_function(&name.arn(self.0.identity.function_arn(&name.name)));
        Ok((function.ok_or_else(missing)?, name))
    }

    /// FunctionConfiguration. Never what is in its environment.
    fn configuration(&self, function: &LocalFunction, qualifier: Option<&str>) -> Value {
        let name = function.name();
        let arn = self.0.identity.function_arn(name);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        json!({
            "Architectures": [architecture],
            "CodeSize": 0,
            "Description": "",
            "FunctionArn": qualifier.map_or_else(|| arn.clone(), |q| format!("{arn}:{q}")),
            "FunctionName": name,
            "Handler": HANDLER,
            "LastModified": iso(self.0.started),
            "MemorySize": function.memory_megabytes(),
            "PackageType": "Zip",
            "Runtime": RUNTIME,
            "Timeout": function.timeout().as_secs(),
            "Version": LATEST,
        })
    }

    /// What Get shows besides, and List does not. Source: esm-contract §7.1.
    fn full_configuration(&self, function: &LocalFunction, qualifier: Option<&str>) -> Value {
        let mut shown = self.configuration(function, qualifier);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("State".to_owned(), "Active".into());
            shown.insert("LastUpdateStatus".to_owned(), "Successful".into());
        }
        shown
    }
}

fn is_in_catalog(view: &View, name: &str) -> bool {
    view.catalog.functions.iter().any(|function| function_name(&function.function_arn) == name)
}

/// ListFunctions.
pub(super) fn list(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    api.permit(ask, None)?;
    let page = Page::read(&ask.query, FUNCTIONS_MAX)?;
    let qualifier = match ask.query.text("FunctionVersion") {
        None => None,
        Some("ALL") => Some(LATEST),
        Some(other) => {
            let other = crate::protocol::echo(other);
            return Err(ApiError::constraints(&[format!(
                "Value '{other}' at 'functionVersion' failed to satisfy constraint: Member must \
                 satisfy enum value set: [ALL]"
            )]));
        }
    };
    let (functions, marker) = page.of(api.0.functions.all(), |f| f.name().to_owned());
    let shown: Vec<_> = functions.iter().map(|f| api.configuration(f, qualifier)).collect();
    let mut body = json!({"Functions": shown});
    if let (Some(marker), Some(body)) = (marker, body.as_object_mut()) {
        body.insert("NextMarker".to_owned(), marker.into());
    }
    Ok(json_answer(200, &body))
}

/// GetFunction.
pub(super) fn get(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let (function, name) = api.local(ask)?;
    let configuration = api.full_configuration(&function, name.qualifier.as_deref());
    let concurrency = json!({"ReservedConcurrentExecutions": function.processes()});
    let body = json!({"Configuration": configuration, "Concurrency": concurrency});
    Ok(json_answer(200, &body))
}

/// GetFunctionConfiguration.
pub(super) fn configuration(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let (function, name) = api.local(ask)?;
    Ok(json_answer(200, &api.full_configuration(&function, name.qualifier.as_deref())))
}

/// GetFunctionConcurrency: a local function's processes.
pub(super) fn concurrency(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let (function, _name) = api.local(ask)?;
    let body = json!({"ReservedConcurrentExecutions": function.processes()});
    Ok(json_answer(200, &body))
}

/// ListFunctionUrlConfigs: a local function has none.
pub(super) fn urls(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let _page = Page::read(&ask.query, FUNCTIONS_MAX)?;
    api.local(ask)?;
    Ok(json_answer(200, &json!({"FunctionUrlConfigs": []})))
}

/// GetAccountSettings.
pub(super) fn account_settings(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    api.permit(ask, None)?;
    let functions = api.0.functions.all();
    let processes: u64 = functions.iter().map(|f| u64::from(f.processes())).sum();
    let limit = json!({
        "ConcurrentExecutions": processes,
        "UnreservedConcurrentExecutions": 0,
    });
    let usage = json!({"FunctionCount": functions.len(), "TotalCodeSize": 0});
    Ok(json_answer(200, &json!({"AccountLimit": limit, "AccountUsage": usage})))
}

/// As Lambda writes LastModified of a function.
fn iso(time: std::time::SystemTime) -> String {
    let time = time::OffsetDateTime::from(time);
    let (date, clock) = (time.date(), time.time());
    let (hour, minute, second) = clock.as_hms();
    let milli = clock.millisecond();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}+0000")
}
