//! Signature version 4, as SDKs sign: headers only, the body by its hash.
//!
//! Source: sqs-contract §11.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// The access key of every signed row.
pub(crate) const KEY_ID: &str = "AKIDBENCH";
/// Its secret.
pub(crate) const SECRET: &str = "bench-secret-0123456789";
const SCOPE: [&str; 3] = ["us-east-1", "sqs", "aws4_request"];

/// The headers of a POST to `/` and the two a signature adds; `headers` are lower-case lines
/// sorted by name, and what is to be signed but for `x-amz-date`.
pub(crate) fn signed(headers: &[(&str, &str)], body: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    signed_at(&timestamp(now.as_secs()), headers, body)
}

fn signed_at(time: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut headers = [headers, &[("x-amz-date", time)]].concat();
    headers.sort_unstable();
    let lines = headers.iter().map(|(name, value)| format!("{name}:{value}\n"));
    let lines = lines.collect::<String>();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
    let date = &time[..8];
    let scope = format!("{date}/{}", SCOPE.join("/"));
    let hash = hex(&Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let mut key = hmac(format!("AWS4{SECRET}").as_bytes(), date);
    for part in SCOPE {
        key = hmac(&key, part);
    }
    let signature = hex(&hmac(&key, &to_sign));
    format!(
        "x-amz-date: {time}\r\nauthorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, \
         SignedHeaders={names}, Signature={signature}\r\n"
    )
}

/// HMAC-SHA256 (RFC 2104); keys are at most a block long here.
fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// `20150830T123600Z`
fn timestamp(epoch_seconds: u64) -> String {
    let (days, second) = (epoch_seconds / 86_400, epoch_seconds % 86_400);
    // Days of the Gregorian calendar counted from 1 March of year 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (era * 400 + year_of_era, month + 3)
    } else {
        (era * 400 + year_of_era + 1, month - 9)
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day_of_month:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::{hex, hmac, timestamp};

    #[test]
    fn a_time_is_written_as_signatures_have_it() {
        for (epoch_seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_798_761_599, "20261231T235959Z"),
        ] {
            assert_eq!(timestamp(epoch_seconds), expected);
        }
    }

    #[test]
    fn the_code_is_that_of_rfc_4231() {
        let code = hmac(b"Jefe", "what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&code), expected);
    }
}
