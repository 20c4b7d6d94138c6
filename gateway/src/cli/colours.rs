//! Colours, where somebody can see them and wants to.

use std::{env, io::IsTerminal};

/// What something means, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    #[default]
    Plain,
    /// A heading.
    Title,
    Good,
    Warning,
    Bad,
    /// Less important than the rest.
    Faint,
}

/// Whether to paint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colours(bool);

impl Colours {
    /// On a terminal, unless `NO_COLOR` is set to something or the terminal is a dumb one.
    /// Source: no-color.org.
    pub(super) fn for_stream(stream: &impl IsTerminal) -> Self {
        let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb");
        Self(stream.is_terminal() && !is_unwanted && !is_dumb)
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(false)
    }

    /// The text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.0 => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Title => "1",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_painted_is_the_text_between_two_escapes() {
        assert_eq!(Colours(true).paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Colours(true).paint(Tone::Plain, "x"), "x");
        assert_eq!(Colours::none().paint(Tone::Bad, "x"), "x");
    }
}
