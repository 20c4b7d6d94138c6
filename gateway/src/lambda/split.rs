//! Halving an event that is refused as it is, so that one message does not take others with it.
//! Pure.
//!
//! Source: esm-contract §7.4 ("Our payload").

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::lambda::batch::Held;

const OPENING: &[u8] = br#"{"Records":["#;
const CLOSING: &[u8] = b"]}";

/// An event with its messages.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The event, JSON.
    pub(super) event: Bytes,
    /// The messages in it, in its order.
    pub(super) messages: Vec<Held>,
}

impl Part {
    /// Both halves, the first one first. A single message is not split.
    pub(super) fn split(mut self) -> (Self, Option<Self>) {
        let half = self.messages.len() / 2;
        let Some((first, second)) = halves(&self.event, half) else { return (self, None) };
        let messages = self.messages.split_off(half);
        let second = Self { event: second, messages };
        (Self { event: first, messages: self.messages }, Some(second))
    }
}

/// Events with the first `half` records of this one, and with the others.
fn halves(event: &[u8], half: usize) -> Option<(Bytes, Bytes)> {
    let records = event.strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
    let end = end_of(records, half).filter(|&end| end > 0)?;
    Some((event_of(records.get(..end)?), event_of(records.get(end + 1..)?)))
}

/// Where the first `count` of records with commas between them end.
fn end_of(records: &[u8], count: usize) -> Option<usize> {
    let mut end = 0;
    for index in 0..count {
        // Past the comma.
        let start = if index == 0 { 0 } else { end + 1 };
        let rest = records.get(start..)?;
        let mut record = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        record.next()?.ok()?;
        end = start + record.byte_offset();
    }
    Some(end)
}

fn event_of(records: &[u8]) -> Bytes {
    [OPENING, records, CLOSING].concat().into()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::*;
    use crate::queues::ReceivedMessage;

    fn part(bodies: &[&str]) -> Part {
        let records: Vec<Value> =
            bodies.iter().map(|body| json!({"body": body, "x": {"y": [1, "]}"]}})).collect();
        let held = |body: &&str| {
            let message = ReceivedMessage { id: (*body).into(), ..ReceivedMessage::default() };
            Held::new(&message, Instant::now())
        };
        Part {
            event: json!({ "Records": records }).to_string().into(),
            messages: bodies.iter().map(held).collect(),
        }
    }

    fn contents(part: &Part) -> Vec<String> {
        let event: Value = serde_json::from_slice(&part.event).unwrap();
        let records = event["Records"].as_array().unwrap();
        let bodies: Vec<String> =
            records.iter().map(|r| r["body"].as_str().unwrap().to_owned()).collect();
        let ids: Vec<&str> = part.messages.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(bodies, ids, "event and messages belong together");
        bodies
    }

    #[test]
    fn an_event_is_halved_until_each_message_is_alone() {
        let bodies = ["a", r#"{"Records":["#, "]}", "é\"\\", ""];
        let mut parts = vec![part(&bodies)];
        let mut alone = Vec::new();
        while let Some(part) = parts.pop() {
            let content = contents(&part);
            match part.split() {
                (first, Some(second)) => {
                    assert!(contents(&first).len() <= contents(&second).len());
                    parts.extend([second, first]);
                }
                (_, None) => alone.extend(content),
            }
        }
        assert_eq!(alone, bodies);
    }

    #[test]
    fn a_single_message_has_no_halves() {
        let (first, second) = part(&["a"]).split();
        assert!(second.is_none());
        assert_eq!(contents(&first), ["a"]);
    }
}
