//! What gateways show of themselves while somebody looks: a key each, which soon expires.

use std::time::Duration;

use redis::Value;

use super::{QueueError, Queues};

/// How long a snapshot stays: it is renewed every two seconds while somebody looks.
const KEPT: Duration = Duration::from_secs(6);
/// More bytes of a snapshot are not read; no gateway writes as many.
pub const SNAPSHOT_BYTES_MAX: usize = 2 << 20;

impl Queues {
    /// Shows what is to be known of the gateway with this name, for some seconds.
    pub async fn show_snapshot(&self, name: &str, text: &str) -> Result<(), QueueError> {
        let mut command = redis::cmd("SET");
        command.arg(self.gateway(name)).arg(text).arg("PX").arg(KEPT.as_millis().to_string());
        self.0.client.call_idempotent(&command).await.map(|_| ())
    }

    /// What the gateway with this name shows, or whatever somebody wrote there; empty: nothing.
    pub async fn snapshot(&self, name: &str) -> Result<Vec<u8>, QueueError> {
        let mut command = redis::cmd("GETRANGE");
        command.arg(self.gateway(name)).arg(0).arg(SNAPSHOT_BYTES_MAX);
        match self.0.client.call_idempotent(&command).await? {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Ok(Vec::new()),
        }
    }

    /// The names gateways listen under now, as [`Queues::bulletin`] was given them.
    pub async fn gateway_names(&self) -> Result<Vec<String>, QueueError> {
        let start = self.gateway("");
        let mut command = redis::cmd("PUBSUB");
        command.arg("CHANNELS").arg(format!("{}*", literally(&start)));
        let Value::Array(channels) = self.0.client.call_idempotent(&command).await? else {
            return Ok(Vec::new());
        };
        let names = channels.into_iter().filter_map(|channel| match channel {
            Value::BulkString(channel) => {
                Some(String::from_utf8(channel).ok()?.strip_prefix(&start)?.to_owned())
            }
            _ => None,
        });
        Ok(names.collect())
    }
}

/// A text as a pattern that only the text itself matches.
fn literally(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_a_strange_prefix_matches_nothing_else() {
        assert_eq!(literally("karin:gw:"), "karin:gw:");
        assert_eq!(literally(r"a*[b]?\"), r"a\*\[b\]\?\\");
    }
}
