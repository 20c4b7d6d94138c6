//! Numbers with units, in words.

use crate::admin::texts::Lang;

/// Units of time, the longest first: seconds, English for one, English for more, Korean.
const TIMES: [(u64, &str, &str, &str); 4] = [
    (86_400, " day", " days", "일"),
    (3_600, " h", " h", "시간"),
    (60, " min", " min", "분"),
    (1, " s", " s", "초"),
];
const KIB: u64 = 1_024;
const MIB: u64 = KIB * KIB;

/// So many seconds, exactly: `4 days`, `1 min 30 s`.
pub(super) fn duration(lang: Lang, seconds: u64) -> String {
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, one, more, korean) in TIMES {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || (unit == 1 && parts.is_empty()) {
            let word = match lang {
                Lang::Ko => korean,
                Lang::En if count == 1 => one,
                Lang::En => more,
            };
            parts.push(format!("{count}{word}"));
        }
    }
    parts.join(" ")
}

/// About so long, from milliseconds: the two longest units.
pub(super) fn about(lang: Lang, ms: u64) -> String {
    let exact = duration(lang, ms.div_ceil(1_000));
    // English units are words of their own.
    let words = if lang == Lang::En { 4 } else { 2 };
    exact.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

/// So many bytes: `1 MiB`, `1.5 KiB`, `17 B`.
pub(super) fn bytes(count: u64) -> String {
    let (unit, word) = match count {
        MIB.. => (MIB, "MiB"),
        KIB.. => (KIB, "KiB"),
        _ => return format!("{count} B"),
    };
    let tenths = count.saturating_mul(10) / unit;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {word}"),
        (whole, tenth) => format!("{whole}.{tenth} {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact_and_readable() {
        let both = |seconds| [duration(Lang::En, seconds), duration(Lang::Ko, seconds)];
        assert_eq!(both(0), ["0 s", "0초"]);
        assert_eq!(both(90), ["1 min 30 s", "1분 30초"]);
        assert_eq!(both(345_600), ["4 days", "4일"]);
        assert_eq!(both(90_061), ["1 day 1 h 1 min 1 s", "1일 1시간 1분 1초"]);
        assert_eq!(about(Lang::En, 90_061_000), "1 day 1 h");
        assert_eq!(about(Lang::Ko, 90_061_000), "1일 1시간");
        assert_eq!(about(Lang::En, 1), "1 s");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([0, 1_023, 1_024, 1_536].map(bytes), ["0 B", "1023 B", "1 KiB", "1.5 KiB"]);
        assert_eq!([MIB, MIB - 1, u64::MAX].map(bytes)[..2], ["1 MiB", "1023.9 KiB"]);
    }
}
