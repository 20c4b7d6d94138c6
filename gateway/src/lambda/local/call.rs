//! What a local function is asked, and what it answers.

use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::Value;

use crate::lambda::outcome::Answer;

/// The longest client context, in base64, bytes. Source: esm-contract §7.2.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;

/// An event for a local function, with all that Invoke can say.
#[derive(Debug, Clone)]
pub(in crate::lambda) struct LocalCall {
    /// The event, JSON.
    pub(in crate::lambda) event: Bytes,
    /// It starts before this or not at all.
    pub(in crate::lambda) start_by: Instant,
    /// The function may run this long, if its own timeout is not shorter. `None`: its own.
    pub(in crate::lambda) timeout: Option<Duration>,
    /// What the invoker says of itself.
    pub(in crate::lambda) client_context: Option<ClientContext>,
    /// What the function gets as its trace header. `None`: one is made.
    pub(in crate::lambda) trace_header: Option<String>,
}

impl LocalCall {
    /// A call with nothing but its event.
    pub(in crate::lambda) fn new(event: Bytes, start_by: Instant) -> Self {
        Self { event, start_by, timeout: None, client_context: None, trace_header: None }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(in crate::lambda) struct LocalAnswer {
    /// What the function answered, or why it did not run.
    pub(in crate::lambda) answer: Answer,
    /// The invocation's id, which the function saw too, if it ran.
    pub(in crate::lambda) request_id: String,
    /// The end of what the invocation logged, 4 KB at most, in Lambda's form; empty if it did not
    /// run. In base64 it is the header `X-Amz-Log-Result`.
    pub(in crate::lambda) log_tail: Bytes,
}

/// A client context, as the header of the Runtime API has it: JSON on one line, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lambda) struct ClientContext(String);

impl ClientContext {
    /// Reads the header `X-Amz-Client-Context`: a JSON object in base64.
    ///
    /// Errors: the words for an InvalidRequestContentException.
    pub(in crate::lambda) fn parse(base64: &str) -> Result<Self, &'static str> {
        const INVALID: &str = "Client context must be a valid Base64-encoded JSON object.";
        if base64.len() > CLIENT_CONTEXT_BYTES_MAX {
            return Err("Client context must be no more than 3583 bytes in base64.");
        }
        let json = base64::engine::general_purpose::STANDARD.decode(base64).map_err(|_| INVALID)?;
        match serde_json::from_slice(&json) {
            Ok(object @ Value::Object(_)) => Ok(Self(in_ascii(&object.to_string()))),
            _ => Err(INVALID),
        }
    }

    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

/// JSON, with everything beyond ASCII escaped: such characters stand in texts only.
fn in_ascii(json: &str) -> String {
    use std::fmt::Write;
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // A String takes everything.
                let _infallible = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ClientContext, &'static str> {
        ClientContext::parse(&base64::engine::general_purpose::STANDARD.encode(json))
    }

    #[test]
    fn a_client_context_is_an_object_and_becomes_one_line_of_ascii() {
        let context = parse("{\n \"custom\": {\"who\": \"é 🦀 \\n \u{7f}\"}}").unwrap();
        let header = context.header();
        assert_eq!(header, r#"{"custom":{"who":"\u00e9 \ud83e\udd80 \n \u007f"}}"#);
        let back: Value = serde_json::from_str(header).unwrap();
        assert_eq!(back["custom"]["who"], "é 🦀 \n \u{7f}");
        for bad in ["[]", "7", "{", ""] {
            assert!(parse(bad).unwrap_err().contains("JSON object"), "{bad}");
        }
        assert!(ClientContext::parse("§").unwrap_err().contains("Base64"));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3_000));
        assert!(parse(&long).unwrap_err().contains("3583"));
    }
}
