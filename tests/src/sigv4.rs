//! Signs requests as an AWS client does (Signature Version 4), right or wrong.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::http::percent;

/// An access key, and how it is used.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The id of the key.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The region of the scope.
    pub region: String,
    /// The service of the scope.
    pub service: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// How far the clock is ahead, in seconds; negative: behind.
    pub ahead_s: i64,
}

impl Signer {
    /// A key for SQS in us-east-1, with a right clock.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            region: "us-east-1".to_owned(),
            service: "sqs".to_owned(),
            session_token: None,
            ahead_s: 0,
        }
    }

    /// The headers of a request, these among them and all of these signed; `Host` must be given.
    pub fn sign(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<(String, String)> {
        let date = date(self.now_s());
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.push(("X-Amz-Date".to_owned(), date.clone()));
        if let Some(token) = &self.session_token {
            headers.push(("X-Amz-Security-Token".to_owned(), token.clone()));
        }
        let mut signed: Vec<(String, &str)> =
            headers.iter().map(|(name, value)| (name.to_lowercase(), value.as_str())).collect();
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut lines = String::new();
        for (name, value) in &signed {
            let _infallible = writeln!(lines, "{name}:{}", value.trim());
        }
        let hash = hex(&Sha256::digest(body));
        let query = sorted(query);
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hash}");
        let signature = self.signature(&date, &canonical);
        let credential = self.credential(&date);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, \
             Signature={signature}"
        );
        headers.push(("Authorization".to_owned(), authorization));
        headers
    }

    /// A target that carries the signature itself; it holds for so many seconds, for requests to
    /// this host with this body.
    pub fn presign(
        &self,
        method: &str,
        target: &str,
        host: &str,
        expires_s: u32,
        body: &[u8],
    ) -> String {
        let date = date(self.now_s());
        let credential = percent(&self.credential(&date));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let between = if query.is_empty() { "" } else { "&" };
        let query = format!(
            "{query}{between}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}\
             &X-Amz-Date={date}&X-Amz-Expires={expires_s}&X-Amz-SignedHeaders=host"
        );
        let (sorted, hash) = (sorted(&query), hex(&Sha256::digest(body)));
        let canonical = format!("{method}\n{path}\n{sorted}\nhost:{host}\n\nhost\n{hash}");
        format!("{path}?{query}&X-Amz-Signature={}", self.signature(&date, &canonical))
    }

    fn now_s(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        i64::try_from(now.as_secs()).expect("a time") + self.ahead_s
    }

    fn credential(&self, date: &str) -> String {
        let Self { id, region, service, .. } = self;
        format!("{id}/{}/{region}/{service}/aws4_request", &date[..8])
    }

    fn signature(&self, date: &str, canonical: &str) -> String {
        let day = &date[..8];
        let hash = hex(&Sha256::digest(canonical.as_bytes()));
        let (region, service) = (&self.region, &self.service);
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let key = format!("AWS4{}", self.secret).into_bytes();
        let steps = [day, region, service, "aws4_request", &text];
        hex(&steps.iter().fold(key, |key, step| hmac(&key, step)))
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// A query whose parameters are encoded already.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The time now as signatures write it, `yyyymmddThhmmssZ`.
pub fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    date(i64::try_from(now.as_secs()).expect("a time"))
}

/// `yyyymmddThhmmssZ`, by counting years and months.
fn date(unix_s: i64) -> String {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut days, second) = (unix_s / 86_400, unix_s % 86_400);
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", days + 1)
}
