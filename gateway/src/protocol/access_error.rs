//! The errors of those who may not.

use std::borrow::Cow;

use super::Protocol;
use super::error::ErrorCode;
use crate::auth::Calculated;

/// Why somebody may not do what they ask.
///
/// Source: sqs-contract §§2.3, 2.4 and 11.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessError {
    /// Without credentials, or with ones that do not permit this; holds the text.
    Denied(String),
    /// The signature, or what surrounds it, cannot be read; holds the text.
    IncompleteSignature(String),
    /// A signature for another time or service; holds the text.
    InvalidSignature(String),
    /// A signature that is not the one calculated, and what that was calculated from.
    SignatureDoesNotMatch(Box<Calculated>),
    /// No such access key, or no such session token.
    UnrecognizedClient,
}

impl AccessError {
    pub(super) fn code(&self) -> ErrorCode {
        use ErrorCode as C;
        match self {
            Self::Denied(_) => C::framework("AccessDeniedException", "AccessDenied", 403),
            Self::IncompleteSignature(_) => {
                C::framework("IncompleteSignatureException", "IncompleteSignature", 400)
            }
            Self::InvalidSignature(_) | Self::SignatureDoesNotMatch(_) => {
                C::framework("InvalidSignatureException", "SignatureDoesNotMatch", 403)
            }
            Self::UnrecognizedClient => {
                C::framework("UnrecognizedClientException", "InvalidClientTokenId", 403)
            }
        }
    }

    pub(super) fn message(&self, protocol: Protocol) -> Cow<'_, str> {
        match self {
            Self::Denied(text) | Self::IncompleteSignature(text) | Self::InvalidSignature(text) => {
                text.into()
            }
            Self::SignatureDoesNotMatch(calculated) => mismatch(calculated, protocol),
            Self::UnrecognizedClient => {
                "The security token included in the request is invalid.".into()
            }
        }
    }
}

/// Query shows what was calculated, JSON does not.
fn mismatch(calculated: &Calculated, protocol: Protocol) -> Cow<'static, str> {
    const TEXT: &str = "The request signature we calculated does not match the signature you \
        provided. Check your AWS Secret Access Key and signing method. Consult the service \
        documentation for details.";
    let Calculated { canonical_request, string_to_sign } = calculated;
    match protocol {
        Protocol::Json => TEXT.into(),
        Protocol::Query | Protocol::QueryJson => format!(
            "{TEXT}\n\nThe Canonical String for this request should have been\n\
             '{canonical_request}'\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
        )
        .into(),
    }
}
