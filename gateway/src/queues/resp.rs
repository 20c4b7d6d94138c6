//! Redis's answers, RESP2: bytes → values. Pure.
//!
//! An answer is measured first and read once it is whole, so that a large one is not read again
//! with each piece that comes in.

use bytes::{Buf as _, BytesMut};
use redis::Value;

/// Arrays inside arrays; Redis and the module nest four.
const DEPTH_MAX: usize = 16;

/// Bytes of one string: what Redis itself allows (proto-max-bulk-len). Room is made for what is
/// announced, so a peer that is no Redis must not announce more.
const STRING_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What no Redis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer that is no RESP2")]
pub(super) struct Malformed;

/// Takes the first answer out of `buffer`, `None` while it is not whole; then makes room for what
/// is known to come.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Value>, Malformed> {
    match extent(buffer)? {
        Extent::Lacking(bytes) => {
            buffer.reserve(bytes);
            Ok(None)
        }
        Extent::Whole(bytes) => {
            let mut rest = buffer.get(..bytes).ok_or(Malformed)?;
            let value = value(&mut rest, 0).ok_or(Malformed)?;
            buffer.advance(bytes);
            Ok(Some(value))
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Extent {
    /// The answer is so many bytes long.
    Whole(usize),
    /// At least so many more must come.
    Lacking(usize),
}

fn extent(bytes: &[u8]) -> Result<Extent, Malformed> {
    let mut rest = bytes;
    let mut values = 1_usize;
    while values > 0 {
        let Some((kind, line)) = head(&mut rest) else { return Ok(Extent::Lacking(1)) };
        values -= 1;
        match (kind, line) {
            (b'+' | b'-' | b':', _) => {}
            (b'*', line) => {
                let count = length(line).ok_or(Malformed)?.unwrap_or(0);
                values = values.checked_add(count).ok_or(Malformed)?;
            }
            (b'$', line) => {
                let Some(length) = length(line).ok_or(Malformed)? else { continue };
                if length > STRING_BYTES_MAX {
                    return Err(Malformed);
                }
                let with_end = length + 2;
                match rest.get(with_end..) {
                    Some(after) => rest = after,
                    None => return Ok(Extent::Lacking(with_end - rest.len())),
                }
            }
            _ => return Err(Malformed),
        }
    }
    Ok(Extent::Whole(bytes.len() - rest.len()))
}

/// Reads a value that is whole. `None`: it is none.
fn value(rest: &mut &[u8], depth: usize) -> Option<Value> {
    let (kind, line) = head(rest)?;
    Some(match kind {
        b'+' if line == b"OK" => Value::Okay,
        b'+' => Value::SimpleString(String::from_utf8_lossy(line).into_owned()),
        b':' => Value::Int(number(line)?),
        b'$' => match length(line)? {
            None => Value::Nil,
            Some(length) => {
                let (bytes, after) = rest.split_at_checked(length)?;
                *rest = after.get(2..)?;
                Value::BulkString(bytes.to_vec())
            }
        },
        b'*' => match length(line)? {
            None => Value::Nil,
            Some(_) if depth == DEPTH_MAX => return None,
            Some(count) => {
                Value::Array((0..count).map(|_| value(rest, depth + 1)).collect::<Option<_>>()?)
            }
        },
        // Only the crate can make its errors; they are rare enough to be read twice.
        b'-' => redis::parse_redis_value(&[b"-", line, b"\r\n"].concat()).ok()?,
        _ => return None,
    })
}

/// Takes a line: what kind of value it begins, and what else stands in it.
fn head<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let (line, after) = rest.split_at_checked(end + 1)?;
    *rest = after;
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    line.split_first().map_or(Some((0, line)), |(kind, line)| Some((*kind, line)))
}

/// A length; inside, `None` for that of nothing (-1).
#[expect(clippy::option_option, reason = "a length of nothing is not a wrong length")]
fn length(line: &[u8]) -> Option<Option<usize>> {
    match number(line)? {
        -1 => Some(None),
        length => usize::try_from(length).ok().map(Some),
    }
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> Result<Option<Value>, Malformed> {
        take(&mut BytesMut::from(bytes))
    }

    fn bulk(text: &[u8]) -> Value {
        Value::BulkString(text.to_vec())
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        for (bytes, expected) in [
            (&b"+OK\r\n"[..], Value::Okay),
            (b"+PONG\r\n", Value::SimpleString("PONG".into())),
            (b":-7\r\n", Value::Int(-7)),
            (b"$-1\r\n", Value::Nil),
            (b"*-1\r\n", Value::Nil),
            (b"$0\r\n\r\n", bulk(b"")),
            (b"$4\r\na\r\n\xff\r\n", bulk(b"a\r\n\xff")),
            (b"*0\r\n", Value::Array(vec![])),
            (
                b"*2\r\n*1\r\n$1\r\nx\r\n:3\r\n",
                Value::Array(vec![Value::Array(vec![bulk(b"x")]), Value::Int(3)]),
            ),
        ] {
            assert_eq!(taken(bytes), Ok(Some(expected)));
        }
    }

    #[test]
    fn an_error_has_its_class_and_its_words() {
        let Ok(Some(Value::ServerError(error))) = taken(b"-KARINNOQUEUE no such queue\r\n") else {
            panic!("no error");
        };
        assert_eq!((error.code(), error.details()), ("KARINNOQUEUE", Some("no such queue")));
    }

    #[test]
    fn answers_come_out_whole_and_in_order_however_they_came_in() {
        let bytes = b"*2\r\n$3\r\na\r\n\r\n*1\r\n:1\r\n+two\r\n$5\r\nthree\r\n";
        let mut buffer = BytesMut::new();
        let mut values = Vec::new();
        for &byte in bytes {
            buffer.extend_from_slice(&[byte]);
            values.extend(take(&mut buffer).unwrap());
        }
        let first = Value::Array(vec![bulk(b"a\r\n"), Value::Array(vec![Value::Int(1)])]);
        assert_eq!(values, [first, Value::SimpleString("two".into()), bulk(b"three")]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn room_is_made_for_a_long_string_at_once() {
        let mut buffer = BytesMut::from(&b"$1000000\r\nabc"[..]);
        assert_eq!(take(&mut buffer), Ok(None));
        assert!(buffer.capacity() >= 1_000_000);
        assert_eq!(extent(b"$3\r\na"), Ok(Extent::Lacking(4)));
    }

    #[test]
    fn what_no_redis_answers_is_refused() {
        let deep = [&b"*1\r\n".repeat(20)[..], b":1\r\n"].concat();
        for bytes in [
            &b"?\r\n"[..],
            b"\r\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"$536870913\r\n",
            b"$9223372036854775807\r\n",
            b"*-2\r\n",
            b":x\r\n",
            &deep,
            b"GET /\r\n",
        ] {
            assert_eq!(taken(bytes), Err(Malformed), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
