//! A Redis client that costs as little as it can, the same for reference and candidate: prepared
//! bytes out, replies scanned in place. Anything but the measured loops uses the redis crate.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use karin_tests::redis::RedisServer;

/// Read from the socket at once.
const CHUNK_BYTES: usize = 64 * 1_024;

/// Which strings of a reply to keep: element `index` of every array `depth` arrays down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    /// 0: the reply itself.
    pub(crate) depth: usize,
    /// Counted from 0.
    pub(crate) index: usize,
}

/// Nothing of a reply.
const NOTHING: Pick = Pick { depth: usize::MAX, index: 0 };

/// Byte strings behind one another.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    pub(crate) fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// One connection over the server's Unix socket.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    output: Vec<u8>,
    input: Vec<u8>,
    at: usize,
}

impl Wire {
    pub(crate) fn open(redis: &RedisServer) -> Self {
        Self::over(UnixStream::connect(redis.socket_path()).expect("connect"))
    }

    fn over(stream: UnixStream) -> Self {
        Self { stream, output: Vec::new(), input: Vec::with_capacity(CHUNK_BYTES), at: 0 }
    }

    /// Appends a command to what [`Wire::flush`] will send.
    pub(crate) fn command<'a>(&mut self, arguments: impl IntoIterator<Item = &'a [u8]>) {
        encode(&mut self.output, arguments);
    }

    /// The same of a command [`prepared`] before.
    pub(crate) fn again(&mut self, prepared: &[u8]) {
        self.output.extend_from_slice(prepared);
    }

    pub(crate) fn flush(&mut self) {
        self.stream.write_all(&self.output).expect("write");
        self.output.clear();
    }

    /// Reads a reply, which must not be an error.
    pub(crate) fn done(&mut self) {
        self.picked(NOTHING, &mut Strings::default());
    }

    /// Reads a reply, which must not be an error, and keeps some of its strings.
    pub(crate) fn picked(&mut self, pick: Pick, found: &mut Strings) {
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        self.value(0, false, pick, found);
    }

    fn value(&mut self, depth: usize, wanted: bool, pick: Pick, found: &mut Strings) {
        let (start, end) = self.line();
        let kind = self.input[start];
        match kind {
            b'*' => {
                for index in 0..usize::try_from(self.number(start, end)).unwrap_or(0) {
                    let wanted = depth == pick.depth && index == pick.index;
                    self.value(depth + 1, wanted, pick, found);
                }
            }
            b'$' => {
                if let Ok(length) = usize::try_from(self.number(start, end)) {
                    while self.input.len() < self.at + length + 2 {
                        self.read();
                    }
                    if wanted {
                        found.push(&self.input[self.at..self.at + length]);
                    }
                    self.at += length + 2;
                }
            }
            b'+' | b':' if wanted => found.push(&self.input[start + 1..end]),
            b'+' | b':' => {}
            _ => panic!("{}", String::from_utf8_lossy(&self.input[start..end])),
        }
    }

    /// Where the next line starts and ends, without its CR LF.
    fn line(&mut self) -> (usize, usize) {
        let start = self.at;
        let mut searched = start;
        loop {
            let newline = self.input[searched..].iter().position(|&byte| byte == b'\n');
            if let Some(offset) = newline {
                self.at = searched + offset + 1;
                return (start, self.at - 2);
            }
            searched = self.input.len();
            self.read();
        }
    }

    fn number(&self, start: usize, end: usize) -> i64 {
        let text = std::str::from_utf8(&self.input[start + 1..end]).expect("a number");
        text.parse().expect("a number")
    }

    fn read(&mut self) {
        let filled = self.input.len();
        self.input.resize(filled + CHUNK_BYTES, 0);
        let read = self.stream.read(&mut self.input[filled..]).expect("read");
        assert!(read > 0, "the server closed the connection");
        self.input.truncate(filled + read);
    }
}

/// A command's bytes, to be sent many times.
pub(crate) fn prepared(arguments: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, arguments.iter().map(|a| a.as_bytes()));
    bytes
}

fn encode<'a>(output: &mut Vec<u8>, arguments: impl IntoIterator<Item = &'a [u8]>) {
    // The number of arguments is known only after them; they are few bytes to move.
    let start = output.len();
    let mut count = 0_usize;
    for argument in arguments {
        let _infallible = write!(output, "${}\r\n", argument.len());
        output.extend_from_slice(argument);
        output.extend_from_slice(b"\r\n");
        count += 1;
    }
    let head = format!("*{count}\r\n");
    output.splice(start..start, head.into_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::{Pick, Strings, Wire, prepared};

    #[test]
    fn the_wanted_strings_are_picked_however_the_reply_is_cut() {
        let reply = b"*2\r\n$8\r\nmessages\r\n*2\r\n*3\r\n$1\r\na\r\n$2\r\nr\n\r\n:5\r\n\
            *3\r\n$-1\r\n$0\r\n\r\n:-7\r\n+OK\r\n*-1\r\n";
        let (mut server, client) = UnixStream::pair().unwrap();
        let mut wire = Wire::over(client);
        let writer = std::thread::spawn(move || {
            for byte in reply {
                server.write_all(&[*byte]).unwrap();
            }
            server.write_all(reply).unwrap();
        });
        for _ in 0..2 {
            let mut found = Strings::default();
            wire.picked(Pick { depth: 2, index: 1 }, &mut found);
            assert_eq!(found.iter().collect::<Vec<_>>(), [&b"r\n"[..], b""]);
            wire.done();
            found.clear();
            wire.picked(Pick { depth: 2, index: 1 }, &mut found);
            assert_eq!(found.len(), 0);
        }
        writer.join().unwrap();
    }

    #[test]
    fn a_command_built_and_a_command_prepared_are_the_same_bytes() {
        let (mut server, client) = UnixStream::pair().unwrap();
        let mut wire = Wire::over(client);
        wire.command([&b"SET"[..], b"key", b""]);
        wire.again(&prepared(&["PING"]));
        wire.flush();
        drop(wire);
        let mut bytes = String::new();
        server.read_to_string(&mut bytes).unwrap();
        assert_eq!(bytes, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn an_error_inside_a_reply_ends_the_measurement() {
        let (mut server, client) = UnixStream::pair().unwrap();
        server.write_all(b"*2\r\n:1\r\n-WRONGTYPE other\r\n").unwrap();
        let ended = std::panic::catch_unwind(move || Wire::over(client).done());
        let reason = ended.unwrap_err().downcast::<String>().unwrap();
        assert!(reason.contains("WRONGTYPE other"), "{reason}");
    }
}
