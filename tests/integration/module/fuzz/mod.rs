//! Random payloads and random commands for a real server. `KARIN_TEST_LONG` makes these tests as
//! long as `make test-long` wants them; `KARIN_TEST_SEED` repeats a run, `KARIN_TEST_STEPS` says
//! how many steps each takes.

mod argv;
mod grammar;
mod restore;

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, error_text};

/// A command with its arguments.
type Argv = Vec<Vec<u8>>;

/// How long a test runs, and from which seed.
struct Run {
    steps: usize,
    seed: u64,
}

impl Run {
    /// `steps` in `make test`, `long_steps` in `make test-long`. Without `KARIN_TEST_SEED` short
    /// runs are all the same, and each long one is another.
    fn new(steps: usize, long_steps: usize) -> Self {
        let set = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
        };
        let long = std::env::var_os("KARIN_TEST_LONG").is_some();
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let drawn = if long { u64::from(since_1970.subsec_nanos()) } else { 1 };
        let steps = if long { long_steps } else { steps };
        Self {
            steps: set("KARIN_TEST_STEPS").map_or(steps, |n| usize::try_from(n).unwrap()),
            // The generator of random numbers cannot leave 0.
            seed: set("KARIN_TEST_SEED").unwrap_or(drawn).max(1),
        }
    }
}

/// Commands that are sent at once; says what they were when the test fails meanwhile.
struct Batch<'a> {
    run: &'a Run,
    number: usize,
    commands: Vec<Argv>,
}

impl Batch<'_> {
    /// The answers to all of them. Panics when the connection breaks, or when a command says that
    /// there is a bug.
    fn send(&self, client: &mut Client) -> Vec<Result<Value, String>> {
        let mut packed = Vec::new();
        for command in &self.commands {
            pack(command, &mut packed);
        }
        client.0.set_read_timeout(Some(wait::PATIENCE * 2)).unwrap();
        client.0.send_packed_command(&packed).unwrap();
        let answer = |command| {
            let answer = match client.0.recv_response() {
                Ok(Value::ServerError(error)) => Err(error_text(&error.into())),
                Ok(value) => Ok(value),
                Err(error) if error.is_io_error() => panic!("{}: {error}", shown(command)),
                Err(error) => Err(error_text(&error)),
            };
            if let Err(error) = &answer {
                assert!(!error.starts_with("KARININTERNAL"), "{}: {error}", shown(command));
            }
            answer
        };
        self.commands.iter().map(answer).collect()
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        const SHOWN: usize = 100;
        if std::thread::panicking() {
            eprintln!("KARIN_TEST_SEED={} repeats this run; batch {}:", self.run.seed, self.number);
            let skipped = self.commands.len().saturating_sub(SHOWN);
            self.commands.iter().skip(skipped).for_each(|command| eprintln!("{}", shown(command)));
        }
    }
}

/// Whether a command's answer may be long in coming.
fn may_wait(command: &Argv) -> bool {
    command.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"))
}

/// What INFO counts of panics that were caught, if it does, is 0; the log has none when the server
/// is dropped.
#[track_caller]
fn no_panic_is_counted(server: &RedisServer) {
    let info = server.info("karin");
    for line in info.lines().filter(|line| line.contains("panic")) {
        assert!(line.trim_end().ends_with(":0"), "{info}");
    }
}

/// Appends a command as the protocol has it.
fn pack(command: &Argv, out: &mut Vec<u8>) {
    let mut packed = redis::Cmd::new();
    for argument in command {
        packed.arg(argument);
    }
    out.extend(packed.get_packed_command());
}

/// A command as text, long arguments cut.
fn shown(command: &Argv) -> String {
    const SHOWN: usize = 2_000;
    let words = command.iter().map(|argument| {
        let start = argument.iter().take(SHOWN).copied().collect::<Vec<_>>();
        let more = argument.len() - start.len();
        let tail = if more > 0 { format!("… {more} more bytes") } else { String::new() };
        format!("\"{}\"{tail}", start.escape_ascii())
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A command of words.
fn words(words: &str) -> Argv {
    words.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
}
