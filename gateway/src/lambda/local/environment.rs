//! The environment a function's process gets: what Lambda documents, the function's own variables,
//! and nothing of karin's.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::lambda::local::settings::LocalSpec;

/// Where programs are, if karin itself was not told.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All variables of a process of this function, whose Runtime API is at `runtime_api`.
///
/// Credentials are there because SDKs refuse to work without; they open nothing. AWS's endpoints
/// for SQS and Lambda are ours, so that a function's own sends stay here. The function's own
/// variables win.
pub(super) fn variables(
    spec: &LocalSpec,
    runtime_api: SocketAddr,
    log_stream: &str,
) -> BTreeMap<String, String> {
    let region = spec.host.identity.region().to_owned();
    let path = std::env::var("PATH").unwrap_or_else(|_| PATH_DEFAULT.into());
    let ours = [
        ("PATH", path),
        ("LANG", "C.UTF-8".into()),
        ("TZ", ":UTC".into()),
        ("LAMBDA_TASK_ROOT", spec.directory.display().to_string()),
        ("_HANDLER", spec.name.to_string()),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_megabytes().to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.to_owned()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", "karin".into()),
        ("AWS_SECRET_ACCESS_KEY", "karin".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("AWS_ENDPOINT_URL_SQS", spec.host.endpoint.clone()),
        ("AWS_ENDPOINT_URL_LAMBDA", spec.host.endpoint.clone()),
    ];
    let mut all: BTreeMap<_, _> =
        ours.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.extend(spec.environment.clone());
    all
}
