//! The configuration in force, as the settings page shows it: each option under its name, and no
//! secret.

use std::net::SocketAddr;

use crate::auth::Permissions;
use crate::config::{Config, KeepPayloads, LogFormat, SyncAttributes};

/// An option and its value; `None`: it is not set.
pub(super) type Setting = (&'static str, Option<String>);

/// A key or token: what it is called, and what it is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    /// The id of a key; a token has none.
    pub(super) id: Option<String>,
    /// Its place among the tokens.
    pub(super) number: usize,
    /// The actions it may do; none: all.
    pub(super) actions: Vec<String>,
    /// The queues it may do them on; none: all.
    pub(super) queues: Vec<String>,
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(super) settings: Vec<Setting>,
    pub(super) credentials: Vec<Credential>,
    pub(super) has_password: bool,
    /// Whether Redis is our own.
    pub(super) is_embedded: bool,
    /// Where Redis is, without its password.
    pub(super) redis: String,
}

impl InForce {
    /// What this configuration means; karin listens at `address`.
    pub(crate) fn new(config: &Config, address: SocketAddr, redis: String) -> Self {
        let keys = config.keys.iter().map(|key| Credential {
            id: Some(key.id.clone()),
            ..Credential::of(0, key.permissions())
        });
        let tokens = config.tokens.iter().zip(1..);
        let tokens = tokens.map(|(token, number)| Credential::of(number, token.permissions()));
        Self {
            settings: settings(config, address),
            credentials: keys.chain(tokens).collect(),
            has_password: config.admin_password.is_some(),
            is_embedded: config.redis_url.is_none(),
            redis,
        }
    }
}

impl Credential {
    fn of(number: usize, permissions: &Permissions) -> Self {
        Self {
            id: None,
            number,
            actions: permissions.actions().map(str::to_owned).collect(),
            queues: permissions.queues().map(str::to_owned).collect(),
        }
    }
}

fn settings(config: &Config, address: SocketAddr) -> Vec<Setting> {
    let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let url = |url: &String| without_user(url);
    let list = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(", "));
    let functions = config.functions.iter().map(|function| function.name.as_str()).collect();
    let mappings: Vec<String> = config
        .mappings
        .iter()
        .map(|mapping| format!("{}={}", mapping.queue, mapping.function))
        .collect();
    vec![
        ("listen", Some(address.to_string())),
        ("base-url", config.base_url.as_ref().map(url)),
        ("account", config.account.clone()),
        ("region", config.region.clone()),
        ("strict-account", Some(config.strict_account.to_string())),
        ("key-prefix", Some(config.key_prefix.clone())),
        ("data-dir", Some(path(&config.data_dir))),
        ("queue-cooldown", Some(seconds(config.queue_cooldown))),
        ("lambda-endpoint", config.lambda_endpoint.as_ref().map(url)),
        ("lambda-profile", config.lambda_profile.map(|profile| profile.name().to_owned())),
        ("max-hops", Some(config.max_hops.to_string())),
        ("function", list(functions)),
        ("functions", config.functions_folder.as_ref().map(path)),
        ("map", list(mappings.iter().map(String::as_str).collect())),
        ("sync-interval", Some(config.sync_interval.map_or("off".to_owned(), seconds))),
        ("sync-attributes", Some(sync_attributes(config.sync_attributes).to_owned())),
        ("sync-sqs-endpoint", config.sync_sqs_endpoint.as_ref().map(url)),
        ("keep-payloads", Some(keep_payloads(config.keep_payloads).to_owned())),
        ("log", Some(config.log.clone())),
        ("log-format", Some(log_format(config.log_format).to_owned())),
    ]
}

/// A URL without the name and password it may hold.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}{path}")
}

fn sync_attributes(when: SyncAttributes) -> &'static str {
    match when {
        SyncAttributes::Once => "once",
        SyncAttributes::Always => "always",
        SyncAttributes::Never => "never",
    }
}

fn keep_payloads(of: KeepPayloads) -> &'static str {
    match of {
        KeepPayloads::None => "none",
        KeepPayloads::Failed => "failed",
        KeepPayloads::All => "all",
    }
}

fn log_format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let token = "hunter2-hunter2-hunter2-hunter2";
        let options = Options {
            key: vec!["AKID:hunter2,actions=SendMessage,queues=orders|x-*".to_owned().into()],
            token: vec![token.to_owned().into()],
            admin_password: Some("hunter2-hunter2".to_owned().into()),
            lambda_endpoint: Some("http://me:hunter2@127.0.0.1:9001/x".to_owned()),
            map: vec!["orders=worker".to_owned()],
            ..Options::default()
        };
        let config = Config::from_options(options, |_| None).unwrap();
        let address = "127.0.0.1:9324".parse().unwrap();
        let in_force = InForce::new(&config, address, "unix:///x".to_owned());
        let shown = format!("{in_force:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(in_force.has_password && in_force.is_embedded);
        let of = |name| in_force.settings.iter().find(|(n, _)| *n == name).unwrap().1.as_deref();
        assert_eq!(of("lambda-endpoint"), Some("http://127.0.0.1:9001/x"));
        assert_eq!(of("map"), Some("orders=worker"));
        assert_eq!(of("function"), None);
        let [key, token] = &in_force.credentials[..] else { panic!("{shown}") };
        assert_eq!((key.id.as_deref(), key.queues.len()), (Some("AKID"), 2));
        assert_eq!((token.id.as_deref(), token.number, token.actions.len()), (None, 1, 0));
    }
}
