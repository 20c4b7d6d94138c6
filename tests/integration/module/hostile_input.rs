//! No bytes can end the server or break a queue: snapshots, effects, arguments.

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, Random, SYNC_AT_ONCE, bytes};

/// A queue with messages in every state, and its DUMP.
fn dumped(client: &mut Client) -> Vec<u8> {
    client.ok("KARIN.CREATE q Policy {} TAG name value");
    client.ok("KARIN.SENDM q 5 MSG aaaa MSG bbbb ATTRS cc MSG d DELAY 60 MSG e MSG f");
    client.pop("q COUNT 2 HOLDER 4");
    let given_back = client.pop_one("q").receipt;
    client.ok(&format!("KARIN.RELEASE q {given_back}"));
    bytes(&client.ok("DUMP q"))
}

#[test]
fn every_prefix_of_a_dump_payload_is_refused() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let dump = dumped(&mut client);
    client.ok("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    for end in 0..dump.len() - 10 {
        // The last ten bytes are the version and the checksum.
        let cut = [&dump[..end], &dump[dump.len() - 10..]].concat();
        let error = client.call(&[b"RESTORE", b"restored", b"0", &cut]).unwrap_err();
        assert!(error.contains("Bad data format"), "{end}: {error}");
    }
    client.check("q");
}

#[test]
fn a_queue_of_a_newer_module_is_refused_with_a_line_in_the_log() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let mut dump = dumped(&mut client);
    client.ok("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    // Type byte, the mark of a 64-bit length, then 54 bits of name and 10 of version.
    assert_eq!((dump[1], dump[8], dump[9] & 3), (0x81, dump[8], 1));
    dump[9] |= 2;
    let error = client.call(&[b"RESTORE", b"restored", b"0", &dump]).unwrap_err();
    assert!(error.contains("Bad data format"), "{error}");
    wait::until(wait::PATIENCE, "the line in the log", || {
        server.log().contains("saved with encoding version")
    });
}

#[test]
fn effects_of_any_bytes_are_refused_whole_or_leave_a_sound_queue() {
    let server = RedisServer::start(&[&SYNC_AT_ONCE[..], &["--appendonly", "yes"]].concat());
    let mut client = Client::new(&server);
    let mut watch = Monitor::start(&server);
    dumped(&mut client);
    let real = watch.effects();
    assert!(real.len() >= 4, "{real:?}");
    let mut random = Random::new(5);
    for round in 0..6_000_usize {
        let mut effect = real[round % real.len()].clone();
        let last = effect.len() - 1;
        let at = 2 + random.below(last - 1);
        if let Some(byte) = random.below(effect[at].len().max(1)).into() {
            match random.below(4) {
                0 if byte < effect[at].len() => effect[at][byte] ^= 1 << random.below(8),
                1 if byte < effect[at].len() => drop(effect[at].remove(byte)),
                2 => effect[at].push(0xff),
                _ => effect[at] = random.bytes(byte),
            }
        }
        let before = client.digest();
        let arguments: Vec<&[u8]> = effect.iter().map(Vec::as_slice).collect();
        if client.call(&arguments).is_err() {
            assert_eq!(client.digest(), before, "{effect:?}");
        }
        client.check("q");
    }
    let digest = client.digest();
    client.ok("DEBUG LOADAOF");
    assert_eq!(client.digest(), digest);
}

#[test]
fn effects_applied_twice_change_nothing_more() {
    let server = RedisServer::start(&SYNC_AT_ONCE);
    let mut client = Client::new(&server);
    let mut watch = Monitor::start(&server);
    dumped(&mut client);
    let digest = client.digest();
    for effect in watch.effects() {
        let arguments: Vec<&[u8]> = effect.iter().map(Vec::as_slice).collect();
        client.call(&arguments).unwrap();
        client.check("q");
    }
    // Replayed from the start, they end where they ended.
    assert_eq!(client.digest(), digest);
    for effect in ["KARIN.XDEL none x", "KARIN.XLEASE none x", "KARIN.XPURGE none 5"] {
        client.ok(effect);
    }
    assert_eq!(client.integer("EXISTS none"), 0);
}

/// The effects a server replicates, read as a replica reads them.
pub(super) struct Monitor {
    stream: std::net::TcpStream,
}

impl Monitor {
    /// Returns when the server sends what it does from now on.
    pub(super) fn start(server: &RedisServer) -> Self {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(karin_tests::wait::PATIENCE)).unwrap();
        stream.write_all(b"SYNC\r\n").unwrap();
        let mut monitor = Self { stream };
        monitor.skip_snapshot();
        monitor
    }

    /// Everything until now, each effect as its arguments.
    pub(super) fn effects(&mut self) -> Vec<Vec<Vec<u8>>> {
        use std::io::Write as _;
        let peer = self.stream.peer_addr().unwrap();
        let mut marker = std::net::TcpStream::connect(peer).unwrap();
        marker.write_all(b"SET end-of-effects x\r\nDEL end-of-effects\r\n").unwrap();
        let mut effects = Vec::new();
        loop {
            let arguments = self.command();
            let name = arguments.first().cloned().unwrap_or_default();
            if name.eq_ignore_ascii_case(b"del") {
                return effects;
            }
            if name.to_ascii_uppercase().starts_with(b"KARIN.X") {
                effects.push(arguments);
            }
        }
    }

    fn skip_snapshot(&mut self) {
        let header = loop {
            let line = self.line();
            if !line.is_empty() {
                break line;
            }
        };
        let header = header.strip_prefix('$').unwrap_or_else(|| panic!("{header}"));
        self.exactly(header.parse().unwrap());
    }

    fn command(&mut self) -> Vec<Vec<u8>> {
        let line = self.line();
        let Some(count) = line.strip_prefix('*') else { return Vec::new() };
        (0..count.parse::<usize>().unwrap())
            .map(|_| {
                let length = self.line().strip_prefix('$').unwrap().parse().unwrap();
                let argument = self.exactly(length);
                self.exactly(2);
                argument
            })
            .collect()
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match self.byte() {
                b'\n' => break,
                b'\r' => {}
                byte => line.push(byte),
            }
        }
        String::from_utf8(line).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.exactly(1)[0]
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        use std::io::Read as _;
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}
