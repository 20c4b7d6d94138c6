//! What the server says of itself.

use std::collections::HashMap;

use redis::Value;

use super::{QueueError, Queues};

/// What INFO says.
#[derive(Debug, Clone, Default)]
pub struct ServerInfo(HashMap<String, String>);

impl ServerInfo {
    /// From an answer to INFO. Errors: it is no text.
    pub(super) fn of(answer: &Value) -> Result<Self, QueueError> {
        match answer {
            Value::BulkString(text) => Ok(Self::parse(&String::from_utf8_lossy(text))),
            Value::VerbatimString { text, .. } => Ok(Self::parse(text)),
            other => Err(QueueError::Unexpected(format!("no text: {other:?}"))),
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        // Each module is a line of its own, all under one name.
        let field = |line: &'_ str| match line.trim_end().strip_prefix("module:name=") {
            Some(module) => {
                module.split_once(',').map(|(n, v)| (format!("module:{n}"), v.to_owned()))
            }
            None => line.trim_end().split_once(':').map(|(n, v)| (n.to_owned(), v.to_owned())),
        };
        Self(text.lines().filter_map(field).collect())
    }

    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The number in a field.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.text(field)?.parse().ok()
    }

    /// Redis or one of its descendants, and its version.
    pub fn version(&self) -> Option<String> {
        match self.text("valkey_version") {
            Some(version) => Some(format!("Valkey {version}")),
            None => self.text("redis_version").map(|version| format!("Redis {version}")),
        }
    }

    /// The version of karin's module there.
    pub fn module_version(&self) -> Option<String> {
        let fields = self.text("module:karin")?.split(',');
        let mut versions = fields.filter_map(|field| field.strip_prefix("ver="));
        let version: u32 = versions.next()?.parse().ok()?;
        Some(format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100))
    }
}

impl Queues {
    /// What the server says of itself. Errors: `Unavailable` also if we may not ask.
    pub async fn server_info(&self) -> Result<ServerInfo, QueueError> {
        ServerInfo::of(&self.0.client.call_idempotent(&redis::cmd("INFO")).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_names() {
        let text = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.0\r\n\r\n# Memory\r\n\
                    used_memory:1024\r\nmaxmemory_policy:noeviction\r\nexecutable:a:b\r\n";
        let info = ServerInfo::parse(text);
        assert_eq!(info.version().as_deref(), Some("Valkey 8.1.0"));
        assert_eq!(info.number("used_memory"), Some(1_024));
        assert_eq!(info.text("executable"), Some("a:b"));
        assert_eq!(info.number("maxmemory_policy"), None);
        assert_eq!(ServerInfo::parse("redis_version:7.0.0").version().unwrap(), "Redis 7.0.0");
        assert_eq!(ServerInfo::parse("nonsense").version(), None);
        let info =
            "module:name=other,ver=3,api=1\r\nmodule:name=karin,ver=10203,api=1,filters=0\r\n";
        assert_eq!(ServerInfo::parse(info).module_version().as_deref(), Some("1.2.3"));
        assert_eq!(ServerInfo::parse("").module_version(), None);
    }
}
