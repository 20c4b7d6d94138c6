//! AWS's Signature Version 4, the header form and the presigned one.
//!
//! [`Claim::read`] takes from a request who it says it is from, [`Claim::key`] compares that with
//! what is known and with the clock, and [`Claim::verify`] calculates the signature anew.
//!
//! Source: sqs-contract §11;
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

mod canonical;
mod claim;
mod signing;
#[cfg(test)]
mod tests;

pub use claim::Claim;
pub(super) use signing::SigningKeys;

/// The only algorithm, and the first line of what is signed.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What ends the scope of a credential.
const TERMINATOR: &str = "aws4_request";
/// How long a signature in headers holds; seconds.
const AGE_SECONDS_MAX: i64 = 15 * 60;
/// How far a client's clock may be ahead; seconds.
const AHEAD_SECONDS_MAX: i64 = 5 * 60;
/// Longest validity of a presigned URL; seconds.
const EXPIRES_SECONDS_MAX: i64 = 604_800;
