//! Access keys.

use std::collections::HashMap;

use super::permissions::Permissions;
use super::secret::Secret;
use super::sigv4::SigningKeys;

/// Longest id of an access key; AWS's own limit.
const ID_LENGTH_MAX: usize = 128;

/// An access key as configured: `ID:SECRET[,actions=…][,queues=…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    /// The id, which requests name.
    pub id: String,
    secret: Secret,
    permissions: Permissions,
}

impl KeySpec {
    /// What it may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Reads what `--key` says.
    ///
    /// Errors: what is wrong, in words that do not repeat the secret.
    pub fn parse(written: &Secret) -> Result<Self, String> {
        let mut parts = written.reveal().split(',');
        let pair = parts.next().and_then(|first| first.trim().split_once(':'));
        let (id, secret) = pair.ok_or("it starts with ID:SECRET")?;
        if !is_id(id) {
            let form = "letters, digits, \"-\", \"_\" and \".\"";
            return Err(format!("an id consists of 1 to {ID_LENGTH_MAX} {form}"));
        }
        let refused = |why: &str| format!("{id}: {why}");
        if secret.is_empty() || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refused("the secret must be visible ASCII characters"));
        }
        let permissions = Permissions::parse(parts).map_err(|why| refused(&why))?;
        Ok(Self { id: id.to_owned(), secret: secret.to_owned().into(), permissions })
    }
}

/// The form of an id, which stands in a credential before the first slash.
fn is_id(text: &str) -> bool {
    (1..=ID_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// An access key at work.
#[derive(Debug)]
pub struct AccessKey {
    id: String,
    permissions: Permissions,
    signing: SigningKeys,
}

impl AccessKey {
    /// The id, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// The keys that are derived from its secret.
    pub(super) fn signing(&self) -> &SigningKeys {
        &self.signing
    }
}

/// All access keys, by their ids.
#[derive(Debug, Default)]
pub struct AccessKeys(HashMap<String, AccessKey>);

impl AccessKeys {
    /// The configured keys.
    pub fn new(specs: &[KeySpec]) -> Self {
        let key = |spec: &KeySpec| AccessKey {
            id: spec.id.clone(),
            permissions: spec.permissions.clone(),
            signing: SigningKeys::of(spec.secret.reveal()),
        };
        Self(specs.iter().map(|spec| (spec.id.clone(), key(spec))).collect())
    }

    /// The key of this id.
    pub fn get(&self, id: &str) -> Option<&AccessKey> {
        self.0.get(id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parse(text: &str) -> Result<KeySpec, String> {
        KeySpec::parse(&text.to_owned().into())
    }

    #[test]
    fn a_key_is_read_whole() {
        let key = parse("AKIDEXAMPLE:a/b+c=:d,actions=SendMessage,queues=orders-*").unwrap();
        assert_eq!((key.id.as_str(), key.secret.reveal()), ("AKIDEXAMPLE", "a/b+c=:d"));
        assert!(key.permissions.allow_action("SendMessage"));
        assert!(!key.permissions.allow_action("ReceiveMessage"));
        assert!(!key.permissions.allow_queue(Some("logs")));
    }

    #[test]
    fn no_error_and_no_debug_output_shows_a_secret() {
        for (text, words) in [
            ("", "ID:SECRET"),
            ("hunter2", "ID:SECRET"),
            ("a/b:hunter2", "an id"),
            (":hunter2", "an id"),
            ("a:", "a: the secret"),
            ("a:hunter2 hunter2", "a: the secret"),
            ("a:x,hunter2", "a: only"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        let spec = parse("a:hunter2").unwrap();
        let keys = AccessKeys::new(std::slice::from_ref(&spec));
        assert!(keys.get("a").is_some() && keys.get("b").is_none());
        assert!(!format!("{spec:?} {keys:?}").contains("hunter2"));
    }
}
