//! What a signed request says about itself, and whether it is true.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, DATE, HOST, HeaderName};
use hyper::http::request::Parts;

use super::canonical::{self, decode};
use super::signing::{Scope, push_sha256, signature_bytes};
use super::{AGE_SECONDS_MAX, AHEAD_SECONDS_MAX, ALGORITHM, EXPIRES_SECONDS_MAX, TERMINATOR};
use crate::auth::keys::{AccessKey, AccessKeys};
use crate::auth::{Calculated, Moment, Refused};

/// Longest name of a region; AWS's longest has 16 characters.
const REGION_LENGTH_MAX: usize = 64;
/// Room for what is signed.
const STRING_TO_SIGN_BYTES: usize = 192;
/// The header with the moment of signing.
static AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// The header with the token of temporary credentials, of which we give out none.
static SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// The header that names the action of a JSON request.
static TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// The parameter of a presigned URL that is not signed.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Who a request says it is from, and its signature.
#[derive(Debug)]
pub struct Claim<'a> {
    algorithm: Cow<'a, str>,
    /// Access key, date, region, service and terminator, with slashes between.
    credential: Cow<'a, str>,
    /// Names in lower case, sorted, each once, with semicolons between.
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    signed_at: Moment,
    /// The same as it is signed: `yyyymmddThhmmssZ`.
    signed_at_text: Cow<'a, str>,
    form: Form,
    has_session_token: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Header,
    Presigned { expires_seconds: i64 },
}

/// The parts of a credential.
struct Credential<'a> {
    key: &'a str,
    scope: Scope<'a>,
    terminator: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads the header Authorization, or the parameters of a presigned URL.
    ///
    /// Errors: [`Refused::NoCredentials`], [`Refused::Malformed`], [`Refused::Invalid`] if it has
    /// both.
    pub fn read(parts: &'a Parts) -> Result<Self, Refused> {
        let query = parts.uri.query().filter(|query| query.contains("X-Amz-"));
        let presigned = query.map(Parameters::read).transpose()?.filter(Parameters::are_there);
        match (parts.headers.get(AUTHORIZATION), presigned) {
            (Some(_), Some(_)) => Err(Refused::Invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
                 header."
                    .to_owned(),
            )),
            (Some(value), None) => {
                let written = value.to_str();
                let written = written.map_err(|_| malformed("Authorization is not ASCII."))?;
                Self::of_header(written, &parts.headers)
            }
            (None, Some(parameters)) => Self::of_query(parameters),
            (None, None) => Err(Refused::NoCredentials),
        }
    }

    fn of_header(written: &'a str, headers: &'a HeaderMap) -> Result<Self, Refused> {
        let (algorithm, parameters) = written.trim().split_once(' ').unwrap_or((written, ""));
        let [mut credential, mut signature, mut signed_headers] = [None; 3];
        for parameter in parameters.split(',') {
            match parameter.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed_headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => {}
            }
        }
        let date = headers.get(&AMZ_DATE).or_else(|| headers.get(DATE));
        let date = date.and_then(|value| value.to_str().ok());
        let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
            (credential, signature, signed_headers, date)
        else {
            let missing = [
                ("'Credential' parameter", credential.is_none()),
                ("'Signature' parameter", signature.is_none()),
                ("'SignedHeaders' parameter", signed_headers.is_none()),
                ("existence of either a 'X-Amz-Date' or a 'Date' header", date.is_none()),
            ];
            let missing = missing.iter().filter(|(_, is_missing)| *is_missing);
            let texts = missing.map(|(what, _)| format!("Authorization header requires {what}. "));
            let text = texts.collect::<String>() + "Authorization=" + algorithm;
            return Err(Refused::Malformed(text));
        };
        let (signed_at, signed_at_text) = moment(date.trim().into())?;
        Ok(Self {
            algorithm: algorithm.into(),
            credential: credential.into(),
            signed_headers: sorted(signed_headers.into())?,
            signature: signature.into(),
            signed_at,
            signed_at_text,
            form: Form::Header,
            has_session_token: headers.get(&SECURITY_TOKEN).is_some_and(|token| !token.is_empty()),
        })
    }

    fn of_query(parameters: Parameters<'a>) -> Result<Self, Refused> {
        let Parameters { values, expires, has_session_token } = parameters;
        let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)] =
            values
        else {
            let missing = PARAMETERS.iter().zip(&values).filter(|(_, value)| value.is_none());
            let texts = missing
                .map(|(name, _)| format!("AWS query-string parameters must include '{name}'. "));
            let text = texts.collect::<String>() + "Re-examine the query-string parameters.";
            return Err(Refused::Malformed(text));
        };
        let (signed_at, signed_at_text) = moment(date)?;
        let expires_seconds = match expires {
            Some(expires) => expires_seconds(&expires)?,
            None => AGE_SECONDS_MAX,
        };
        Ok(Self {
            algorithm,
            credential,
            signed_headers: sorted(signed_headers)?,
            signature,
            signed_at,
            signed_at_text,
            form: Form::Presigned { expires_seconds },
            has_session_token,
        })
    }

    /// The key it is signed with, if all is right that can be seen without the body.
    ///
    /// Errors: [`Refused::UnknownCredentials`], [`Refused::Malformed`], [`Refused::Invalid`].
    pub fn key<'k>(
        &self,
        parts: &Parts,
        keys: &'k AccessKeys,
        service: &str,
        now: Moment,
    ) -> Result<&'k AccessKey, Refused> {
        self.check_clock(now)?;
        for (name, spoken) in [(&HOST, "Host' or ':authority"), (&TARGET, "X-Amz-Target")] {
            let is_signed = self.signed_headers.split(';').any(|signed| signed == name);
            if !is_signed && (name == HOST || parts.headers.contains_key(name)) {
                return Err(Refused::Invalid(format!(
                    "'{spoken}' must be a 'SignedHeader' in the AWS Authorization."
                )));
            }
        }
        if self.algorithm != ALGORITHM {
            let algorithm = &self.algorithm;
            return Err(Refused::Malformed(format!(
                "Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now)."
            )));
        }
        let credential = self.credential()?;
        self.check_scope(&credential, service)?;
        keys.get(credential.key).ok_or(Refused::UnknownCredentials)
    }

    /// Whether the signature is this key's for this request. A session token makes it another
    /// key's, which we do not know, since we give out none.
    ///
    /// Errors: [`Refused::Mismatch`], [`Refused::UnknownCredentials`].
    pub fn verify(&self, key: &AccessKey, parts: &Parts, body: &[u8]) -> Result<(), Refused> {
        let scope = self.credential()?.scope;
        let Scope { date, region, service } = scope;
        let without = match self.form {
            Form::Header => None,
            Form::Presigned { .. } => Some(SIGNATURE_PARAMETER),
        };
        let canonical = canonical::request(parts, &self.signed_headers, without, body);
        let at = &self.signed_at_text;
        let mut text = Vec::with_capacity(STRING_TO_SIGN_BYTES);
        for part in [ALGORITHM, "\n", at, "\n", date, "/", region, "/", service, "/", TERMINATOR] {
            text.extend_from_slice(part.as_bytes());
        }
        text.push(b'\n');
        push_sha256(&mut text, &canonical);
        let signature = signature_bytes(&self.signature);
        if signature.is_some_and(|signature| key.signing().verify(scope, &text, &signature)) {
            return if self.has_session_token { Err(Refused::UnknownCredentials) } else { Ok(()) };
        }
        Err(Refused::Mismatch(Box::new(Calculated {
            canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
            string_to_sign: String::from_utf8_lossy(&text).into_owned(),
        })))
    }

    fn credential(&self) -> Result<Credential<'_>, Refused> {
        let mut elements = self.credential.split('/');
        let mut next = || elements.next();
        match (next(), next(), next(), next(), next(), next()) {
            (Some(key), Some(date), Some(region), Some(service), Some(terminator), None) => {
                let scope = Scope { date, region, service };
                Ok(Credential { key, scope, terminator })
            }
            _ => Err(Refused::Malformed(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{}'",
                self.credential
            ))),
        }
    }

    fn check_scope(&self, credential: &Credential<'_>, service: &str) -> Result<(), Refused> {
        let Scope { date, region, service: given } = credential.scope;
        let is_region = (1..=REGION_LENGTH_MAX).contains(&region.len())
            && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let signed_at = &self.signed_at_text;
        let day = signed_at.split('T').next().unwrap_or_default();
        let mut wrong = Vec::new();
        if !is_region {
            wrong.push("Credential should be scoped to a valid region.".to_owned());
        }
        if given != service {
            wrong.push(format!("Credential should be scoped to correct service: '{service}'."));
        }
        if credential.terminator != TERMINATOR {
            let terminator = credential.terminator;
            wrong.push(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not \
                 '{terminator}'."
            ));
        }
        if date != day {
            wrong.push(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{date}' != '{day}', from '{signed_at}'."
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Refused::Invalid(wrong.join(" "))) }
    }

    /// Both bounds are still good.
    fn check_clock(&self, now: Moment) -> Result<(), Refused> {
        let signed_at = self.signed_at;
        let (age_max, unit) = match self.form {
            Form::Header => (AGE_SECONDS_MAX, 60),
            Form::Presigned { expires_seconds } => (expires_seconds, 1),
        };
        let (earliest, latest) = (now.plus(-age_max), now.plus(AHEAD_SECONDS_MAX));
        if signed_at < earliest {
            let (bound, unit) = (age_max / unit, if unit == 1 { "sec." } else { "min." });
            return Err(Refused::Invalid(format!(
                "Signature expired: {signed_at} is now earlier than {earliest} ({now} - {bound} \
                 {unit})"
            )));
        }
        if signed_at > latest {
            return Err(Refused::Invalid(format!(
                "Signature not yet current: {signed_at} is still later than {latest} ({now} + {} \
                 min.)",
                AHEAD_SECONDS_MAX / 60
            )));
        }
        Ok(())
    }
}

fn malformed(text: &str) -> Refused {
    Refused::Malformed(text.to_owned())
}

/// When the request was signed, and how the signature says it.
fn moment(text: Cow<'_, str>) -> Result<(Moment, Cow<'_, str>), Refused> {
    if let Some(moment) = Moment::from_basic(&text) {
        return Ok((moment, text));
    }
    match Moment::from_http_date(&text) {
        Some(moment) => Ok((moment, moment.to_string().into())),
        None => Err(Refused::Malformed(format!(
            "Date must be in ISO-8601 'basic format'. Got '{text}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        ))),
    }
}

/// The parameters every presigned URL has.
const PARAMETERS: [&str; 5] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    SIGNATURE_PARAMETER,
    "X-Amz-SignedHeaders",
    "X-Amz-Date",
];

/// What the query of a presigned URL says.
struct Parameters<'a> {
    /// Those of [`PARAMETERS`].
    values: [Option<Cow<'a, str>>; PARAMETERS.len()],
    expires: Option<Cow<'a, str>>,
    has_session_token: bool,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a str) -> Result<Self, Refused> {
        let mut read =
            Self { values: PARAMETERS.map(|_| None), expires: None, has_session_token: false };
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let known = PARAMETERS.iter().zip(&mut read.values).find(|(known, _)| **known == name);
            match (known, name) {
                (Some((_, place)), _) => *place = Some(text(value)?),
                (None, "X-Amz-Expires") => read.expires = Some(text(value)?),
                (None, "X-Amz-Security-Token") => read.has_session_token = !value.is_empty(),
                (None, _) => {}
            }
        }
        Ok(read)
    }

    /// Whether the URL claims to be presigned.
    fn are_there(&self) -> bool {
        let [algorithm, credential, signature, ..] = &self.values;
        algorithm.is_some() || credential.is_some() || signature.is_some()
    }
}

/// A parameter's value.
fn text(value: &str) -> Result<Cow<'_, str>, Refused> {
    let broken = || malformed("AWS query-string parameters must be UTF-8.");
    Ok(match decode(value) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| broken())?),
    })
}

/// Names of headers in lower case. Sorted and each once, as every signer writes them, because a
/// name that came a thousand times would have its value hashed a thousand times.
fn sorted(names: Cow<'_, str>) -> Result<Cow<'_, str>, Refused> {
    let names = if names.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(names.to_ascii_lowercase())
    } else {
        names
    };
    if names.split(';').is_sorted_by(|one, next| one < next) {
        return Ok(names);
    }
    Err(Refused::Malformed(format!("'SignedHeaders' must be sorted, each name once: '{names}'")))
}

fn expires_seconds(text: &str) -> Result<i64, Refused> {
    match text.parse::<i64>() {
        Err(_) => Err(malformed("X-Amz-Expires should be a number")),
        Ok(..=0) => Err(malformed("X-Amz-Expires must be positive")),
        Ok(seconds @ 1..=EXPIRES_SECONDS_MAX) => Ok(seconds),
        Ok(_) => Err(Refused::Malformed(format!(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than {EXPIRES_SECONDS_MAX} seconds"
        ))),
    }
}
