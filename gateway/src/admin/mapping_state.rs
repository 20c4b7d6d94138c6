//! What a mapping is doing, in words and a colour.

use std::time::Duration;

use crate::admin::shown;
use crate::admin::texts::Texts;
use crate::lambda::{MappingStatus, StateStatus};

/// Characters of a reason, a result or a pattern that are shown.
const TEXT_MAX: usize = 1_000;

/// A state as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownState {
    /// The class of the badge, and of what is drawn.
    pub(super) class: &'static str,
    /// The badge's text.
    pub(super) word: &'static str,
    /// Why it is so; empty: it is as it should be.
    pub(super) reason: String,
}

/// The state of a mapping.
pub(super) fn of(mapping: &MappingStatus, texts: &Texts) -> ShownState {
    let t = &texts.mappings;
    let (class, word, reason) = match &mapping.state {
        StateStatus::Disabled if mapping.running > 0 => {
            ("", t.stopped, (t.finishing)(mapping.running))
        }
        StateStatus::Disabled => ("", t.stopped, String::new()),
        StateStatus::Elsewhere => ("warn", t.unserved, t.unserved_text.to_owned()),
        StateStatus::Paused { reason, .. } => ("bad", t.paused, plain(reason)),
        StateStatus::Waiting { reason, .. } => ("warn", t.waiting, plain(reason)),
        StateStatus::Running if mapping.is_draining => ("info", t.draining, String::new()),
        StateStatus::Running => ("good", t.running, String::new()),
    };
    ShownState { class, word, reason }
}

/// A text of strangers, made harmless and not too long.
pub(super) fn plain(text: &str) -> String {
    let (mut shown, is_all) = shown::text(text, TEXT_MAX);
    if !is_all {
        shown.push('…');
    }
    shown
}

/// A length of time in the unit that suits it.
pub(super) fn duration(time: Duration) -> String {
    match time.as_micros() {
        0..1_000 => "< 1 ms".to_owned(),
        1_000..1_000_000 => format!("{} ms", time.as_millis()),
        1_000_000..60_000_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{:.1} min", time.as_secs_f64() / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::texts::Lang;

    #[test]
    fn each_state_has_its_word_and_a_paused_one_its_reason() {
        let state = |state: StateStatus, is_draining, running| {
            let mapping = MappingStatus { state, is_draining, running, ..MappingStatus::default() };
            let ShownState { class, word, reason } = of(&mapping, Lang::En.texts());
            (class, word, reason)
        };
        let paused =
            StateStatus::Paused { reason: "g\u{202E}one".into(), since_ms: 0, next_probe_ms: 0 };
        let told = state(paused, true, 0);
        assert_eq!(told, ("bad", "Paused", "g\u{27E8}U+202E\u{27E9}one".to_owned()));
        assert_eq!(state(StateStatus::Running, true, 1).1, "Draining");
        assert_eq!(state(StateStatus::Running, false, 1).1, "Running");
        assert_eq!(state(StateStatus::Disabled, true, 1).2, "1 invocation still runs.");
        assert_eq!(state(StateStatus::Elsewhere, false, 0).1, "Not served");
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let told =
            [3, 999_999, 2_500_000, 90_000_000].map(|us| duration(Duration::from_micros(us)));
        assert_eq!(told, ["< 1 ms", "999 ms", "2.5 s", "1.5 min"]);
    }
}
