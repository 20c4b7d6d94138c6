//! Endpoint tokens: `https://host/~<token>` as a whole endpoint, for those who cannot sign with a
//! key we know, such as a Lambda function, which signs with its role's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;

use super::permissions::Permissions;
use super::secret::Secret;

/// Fewest characters of a token: 128 bits in base64.
const LENGTH_MIN: usize = 22;
/// Most characters of a token.
const LENGTH_MAX: usize = 256;
/// Random bytes of a token that karin makes.
const OWN_BYTES: usize = 32;

/// An endpoint token as configured: `TOKEN[,actions=…][,queues=…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    token: Secret,
    permissions: Permissions,
}

impl TokenSpec {
    /// What it may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Reads what `--token` says.
    ///
    /// Errors: what is wrong, in words that do not repeat the token.
    pub fn parse(written: &Secret) -> Result<Self, String> {
        let mut parts = written.reveal().split(',');
        let token = parts.next().unwrap_or_default().trim();
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&token.len()) {
            return Err(format!(
                "a token has {LENGTH_MIN} to {LENGTH_MAX} characters; openssl rand -hex 32 makes \
                 one"
            ));
        }
        if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            return Err("a token consists of letters, digits, \"-\" and \"_\"".to_owned());
        }
        let permissions = Permissions::parse(parts)?;
        Ok(Self { token: token.to_owned().into(), permissions })
    }

    /// A new one that may do everything, known to nobody.
    ///
    /// Errors: those of the system's randomness.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; OWN_BYTES];
        getrandom::fill(&mut bytes).map_err(|e| std::io::Error::other(e.to_string()))?;
        let token = URL_SAFE_NO_PAD.encode(bytes).into();
        Ok(Self { token, permissions: Permissions::default() })
    }

    /// `/~<token>`: what stands before the path of every request that comes with it.
    pub fn prefix(&self) -> String {
        format!("/~{}", self.token.reveal())
    }

    /// Whether it is the same token, whatever it may do.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.token == other.token
    }
}

/// A token at work.
#[derive(Debug)]
pub struct Token {
    text: Secret,
    prefix: Secret,
    permissions: Permissions,
}

impl Token {
    /// What stands before the path of QueueUrls, so that requests to them carry the token.
    pub fn prefix(&self) -> &str {
        self.prefix.reveal()
    }

    /// What it may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }
}

/// All tokens.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// The configured tokens, and karin's own.
    pub fn new(specs: &[TokenSpec]) -> Self {
        let token = |spec: &TokenSpec| Token {
            text: spec.token.clone(),
            prefix: spec.prefix().into(),
            permissions: spec.permissions.clone(),
        };
        Self(specs.iter().map(token).collect())
    }

    /// The token of this text; each is compared in constant time.
    pub fn find(&self, given: &str) -> Option<&Token> {
        let is_given = |token: &&Token| token.text.reveal().as_bytes().ct_eq(given.as_bytes());
        self.0.iter().find(|token| bool::from(is_given(token)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes `/~<token>` from the front of a request's target; what is left begins with a slash.
/// `None`: there is none, and the target stays as it was.
pub fn take_from(target: &mut Uri) -> Option<Secret> {
    let whole = target.path_and_query()?.as_str();
    let start = whole.strip_prefix('/')?;
    let after = start.strip_prefix('~').or_else(|| start.strip_prefix("%7E"));
    let after = after.or_else(|| start.strip_prefix("%7e"))?;
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (token, rest) = after.split_at_checked(end)?;
    // What is not UTF-8 is no token of ours; it is taken all the same.
    let token = percent_decode_str(token).decode_utf8_lossy().into_owned();
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let mut parts = std::mem::take(target).into_parts();
    parts.path_and_query = PathAndQuery::try_from(rest).ok();
    *target = Uri::from_parts(parts).unwrap_or_default();
    Some(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdefABCD-_";

    #[test]
    fn a_token_is_taken_from_the_front_of_the_path_only() {
        for (target, token, rest) in [
            ("/~abc", Some("abc"), "/"),
            ("/~abc/", Some("abc"), "/"),
            ("/~abc?Action=X", Some("abc"), "/?Action=X"),
            ("/~abc/0/q?a=/~b", Some("abc"), "/0/q?a=/~b"),
            ("/%7Eabc/0/q", Some("abc"), "/0/q"),
            ("/%7ea%62c/0/q", Some("abc"), "/0/q"),
            ("/~", Some(""), "/"),
            ("/~/~abc/", Some(""), "/~abc/"),
            ("/~%ff/", Some("\u{fffd}"), "/"),
            ("/~a%2F0/q", Some("a/0"), "/q"),
            ("/~abc//x", Some("abc"), "//x"),
            ("http://h:1/~abc/q", Some("abc"), "http://h:1/q"),
            ("/", None, "/"),
            ("//~abc/q", None, "//~abc/q"),
            ("/0/~abc/q", None, "/0/~abc/q"),
            ("/x~abc/q", None, "/x~abc/q"),
            ("*", None, "*"),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            let taken = take_from(&mut uri);
            assert_eq!(taken.as_ref().map(Secret::reveal), token, "{target}");
            assert_eq!(uri.to_string(), rest, "{target}");
        }
    }

    #[test]
    fn only_the_whole_token_is_found() {
        let specs =
            [TokenSpec::parse(&TOKEN.to_owned().into()).unwrap(), TokenSpec::random().unwrap()];
        let tokens = Tokens::new(&specs);
        assert_eq!(tokens.find(TOKEN).map(Token::prefix), Some("/~0123456789abcdefABCD-_"));
        assert!(tokens.find(specs[1].token.reveal()).is_some());
        for wrong in ["", "0123456789abcdefABCD-", "0123456789abcdefabcd-_", &format!("{TOKEN}x")] {
            assert!(tokens.find(wrong).is_none(), "{wrong}");
        }
        assert!(Tokens::default().find("").is_none());
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused_and_not_repeated() {
        for (text, words) in [
            ("", "22 to 256"),
            ("hunter2-hunter2-hunte", "22 to 256"),
            (&"hunter2".repeat(40), "22 to 256"),
            ("hunter2/hunter2/hunter2", "letters"),
            ("hunter2 hunter2 hunter2", "letters"),
            ("0123456789abcdef012345,hunter2", "only actions="),
        ] {
            let error = TokenSpec::parse(&text.to_owned().into()).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        let limited = format!("{TOKEN},actions=SendMessage,queues=orders");
        let limited = TokenSpec::parse(&limited.into()).unwrap();
        assert!(!limited.permissions.allow_queue(Some("q")));
        let shown = format!("{limited:?} {:?}", Tokens::new(std::slice::from_ref(&limited)));
        assert!(!shown.contains(TOKEN), "{shown}");
    }

    #[test]
    fn random_tokens_differ_and_are_tokens() {
        let [one, two] = [TokenSpec::random().unwrap(), TokenSpec::random().unwrap()];
        assert!(!one.is_same_as(&two));
        assert_eq!(TokenSpec::parse(&one.token), Ok(one));
    }
}
