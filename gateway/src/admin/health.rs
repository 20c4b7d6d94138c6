//! What is wrong, or could become so, with the Redis server, as far as it says.

use crate::admin::texts::settings::Texts;
use crate::queues::ServerInfo;

/// Above this part of maxmemory, in percent, sends will soon be refused.
const MEMORY_PERCENT: u64 = 90;

/// Something people should know: how bad (a badge's class), and what.
pub(super) type Warning = (&'static str, String);

/// All there is to warn of.
pub(super) fn warnings(info: &ServerInfo, t: &Texts) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let policy = info.text("maxmemory_policy").unwrap_or_default();
    if policy.starts_with("allkeys") {
        warnings.push(("bad", (t.evicts)(policy)));
    }
    if let Some((used, maximum)) = memory(info)
        && used.saturating_mul(100) >= maximum.saturating_mul(MEMORY_PERCENT)
    {
        warnings.push(("bad", t.memory_full.to_owned()));
    }
    let is_wrong = |field| info.text(field).is_some_and(|status| status != "ok");
    match info.number("aof_enabled") {
        Some(0) => warnings.push(("warn", t.not_kept.to_owned())),
        Some(_) if is_wrong("aof_last_write_status") => {
            warnings.push(("bad", t.not_written.to_owned()));
        }
        Some(_) if is_wrong("aof_last_bgrewrite_status") => {
            warnings.push(("warn", t.not_rewritten.to_owned()));
        }
        _ => {}
    }
    if is_wrong("rdb_last_bgsave_status") {
        warnings.push(("warn", t.not_saved.to_owned()));
    }
    if info.text("role").is_some_and(|role| role != "master") {
        warnings.push(("bad", t.is_replica.to_owned()));
    }
    if let Some(evicted @ 1..) = info.number("evicted_keys") {
        warnings.push(("warn", (t.evicted)(evicted)));
    }
    warnings
}

/// Bytes used, and how many may be; `None`: there is no limit, or it does not say.
fn memory(info: &ServerInfo) -> Option<(u64, u64)> {
    let maximum = info.number("maxmemory").filter(|maximum| *maximum > 0)?;
    Some((info.number("used_memory")?, maximum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::texts::Lang;

    fn classes(info: &str) -> Vec<&'static str> {
        let warnings = warnings(&ServerInfo::parse(info), &Lang::En.texts().settings);
        warnings.into_iter().map(|(class, _)| class).collect()
    }

    #[test]
    fn what_could_lose_messages_is_warned_of() {
        let good = "maxmemory_policy:noeviction\naof_enabled:1\naof_last_write_status:ok\n\
                    role:master\nmaxmemory:1000\nused_memory:899\nrdb_last_bgsave_status:ok\n";
        assert_eq!(classes(good), [""; 0]);
        assert_eq!(classes(""), [""; 0], "who says nothing is not suspected");
        for (field, value, class) in [
            ("maxmemory_policy", "allkeys-lru", "bad"),
            ("used_memory", "900", "bad"),
            ("aof_enabled", "0", "warn"),
            ("aof_last_write_status", "err", "bad"),
            ("rdb_last_bgsave_status", "err", "warn"),
            ("role", "slave", "bad"),
            ("evicted_keys", "3", "warn"),
        ] {
            assert_eq!(classes(&format!("{good}{field}:{value}\n")), [class], "{field}");
        }
    }
}
