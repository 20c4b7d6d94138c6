//! The module's settings: `karin.debug`, `karin.max-dedup-ids`, `karin.max-in-flight`. As arguments
//! of `loadmodule` they stand without `karin.`; lines of the server's configuration win over them.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use redis_module::configuration::{
    ConfigurationFlags, register_bool_configuration, register_i64_configuration,
};
use redis_module::{Context, RedisString};

use crate::ffi;

/// Whether KARIN.DEBUG CLOCK is allowed.
static DEBUG: AtomicBool = AtomicBool::new(false);
static MAX_DEDUP_IDS: AtomicI64 = AtomicI64::new(MAX_DEDUP_IDS_RANGE.default);
static MAX_IN_FLIGHT: AtomicI64 = AtomicI64::new(MAX_IN_FLIGHT_RANGE.default);

/// What a number may be.
#[derive(Debug, Clone, Copy)]
struct Range {
    default: i64,
    minimum: i64,
    maximum: i64,
}

/// An id takes about 130 bytes (design §3).
const MAX_DEDUP_IDS_RANGE: Range = Range { default: 1_000_000, minimum: 0, maximum: 100_000_000 };
/// SQS's quota (sqs-contract §6).
const MAX_IN_FLIGHT_RANGE: Range = Range { default: 120_000, minimum: 1, maximum: 1_000_000_000 };

/// Whether the module's clock may be changed.
pub(crate) fn is_debug() -> bool {
    DEBUG.load(Ordering::Relaxed)
}

/// How many deduplication ids one queue remembers at most.
pub(crate) fn max_dedup_ids() -> u64 {
    u64::try_from(MAX_DEDUP_IDS.load(Ordering::Relaxed)).unwrap_or(0)
}

/// How many messages of one queue may be in flight at once.
pub(crate) fn max_in_flight() -> u64 {
    u64::try_from(MAX_IN_FLIGHT.load(Ordering::Relaxed)).unwrap_or(0)
}

/// Registers the settings, with the module's arguments as their defaults. Errors: what is wrong,
/// on one line.
pub(crate) fn register(ctx: &Context, arguments: &[RedisString]) -> Result<(), String> {
    let given = Given::parse(arguments)?;
    register_number(ctx, "max-dedup-ids", &MAX_DEDUP_IDS, given.max_dedup_ids, MAX_DEDUP_IDS_RANGE);
    register_number(ctx, "max-in-flight", &MAX_IN_FLIGHT, given.max_in_flight, MAX_IN_FLIGHT_RANGE);
    let fixed = ConfigurationFlags::IMMUTABLE;
    register_bool_configuration(ctx, "debug", &DEBUG, given.debug, fixed, None);
    if ffi::load_configs(ctx) {
        Ok(())
    } else {
        Err("a setting of karin in the server's configuration is refused".to_owned())
    }
}

fn register_number(
    ctx: &Context,
    name: &str,
    variable: &'static AtomicI64,
    default: i64,
    range: Range,
) {
    let Range { minimum, maximum, .. } = range;
    let flags = ConfigurationFlags::DEFAULT;
    register_i64_configuration(ctx, name, variable, default, minimum, maximum, flags, None);
}

/// The module's arguments, pairs of a name and a value.
struct Given {
    debug: bool,
    max_dedup_ids: i64,
    max_in_flight: i64,
}

impl Given {
    fn parse(arguments: &[RedisString]) -> Result<Self, String> {
        let mut given = Self {
            debug: false,
            max_dedup_ids: MAX_DEDUP_IDS_RANGE.default,
            max_in_flight: MAX_IN_FLIGHT_RANGE.default,
        };
        let (pairs, rest) = arguments.as_chunks::<2>();
        for [name, value] in pairs {
            let (name, value) = (name.as_slice(), value.as_slice());
            match name.to_ascii_lowercase().as_slice() {
                b"debug" => given.debug = yes_or_no(value)?,
                b"max-dedup-ids" => given.max_dedup_ids = MAX_DEDUP_IDS_RANGE.parse(value)?,
                b"max-in-flight" => given.max_in_flight = MAX_IN_FLIGHT_RANGE.parse(value)?,
                _ => return Err(unknown(name)),
            }
        }
        rest.first().map_or(Ok(given), |argument| Err(unknown(argument.as_slice())))
    }
}

impl Range {
    fn parse(self, value: &[u8]) -> Result<i64, String> {
        let text = std::str::from_utf8(value).map_err(|_| unknown(value))?;
        let number: i64 = text.parse().map_err(|_| unknown(value))?;
        let allowed = self.minimum..=self.maximum;
        allowed.contains(&number).then_some(number).ok_or_else(|| unknown(value))
    }
}

fn yes_or_no(value: &[u8]) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(unknown(value)),
    }
}

fn unknown(argument: &[u8]) -> String {
    format!(
        "unknown module argument '{}'; there are 'debug yes|no', 'max-dedup-ids n' and \
         'max-in-flight n'",
        argument.escape_ascii()
    )
}
