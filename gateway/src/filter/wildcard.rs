//! Patterns with stars.

/// Stars of one pattern: AWS calls more of them too complex.
///
/// Source: esm-contract §5.
const STARS_MAX: usize = 5;

/// A text in which each `*` stands for any run of characters.
#[derive(Debug)]
pub(super) struct Wildcard {
    /// What the text starts with; all of it, if there is no star.
    start: String,
    /// What stands between stars, and then after the last one. `None`: there is no star.
    rest: Option<(Vec<String>, String)>,
}

impl Wildcard {
    /// Reads a pattern, in which `\*` is a star and `\\` a backslash. Errors: what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = vec![String::new()];
        let mut last = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '*' if characters.peek() == Some(&'*') => {
                    return Err("two wildcards in a row".to_owned());
                }
                '*' => pieces.push(std::mem::take(&mut last)),
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => last.push(escaped),
                    _ => return Err("a backslash must escape a star or a backslash".to_owned()),
                },
                other => last.push(other),
            }
        }
        let mut pieces = pieces.into_iter().skip(1);
        let Some(start) = pieces.next() else {
            return Ok(Self { start: last, rest: None });
        };
        let between: Vec<String> = pieces.collect();
        if between.len() + 1 > STARS_MAX {
            return Err(format!("more than {STARS_MAX} wildcards are too complex"));
        }
        Ok(Self { start, rest: Some((between, last)) })
    }

    /// Whether the whole text fits. Each piece is searched where the one before ended, so a text
    /// is read once whatever the pattern.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((between, end)) = &self.rest else { return text == self.start };
        let inner = text.strip_prefix(&*self.start).and_then(|rest| rest.strip_suffix(&**end));
        let Some(mut inner) = inner else { return false };
        for piece in between {
            let Some((_, rest)) = inner.split_once(&**piece) else { return false };
            inner = rest;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, fits: &[&str], others: &[&str]) {
        let wildcard = Wildcard::parse(pattern).unwrap();
        for text in fits {
            assert!(wildcard.matches(text), "{pattern} fits {text}");
        }
        for text in others {
            assert!(!wildcard.matches(text), "{pattern} does not fit {text}");
        }
    }

    #[test]
    fn a_star_is_any_run_of_characters_also_none() {
        check("a*b", &["ab", "axb", "a\nb", "abb", "aübb"], &["a", "b", "abc", "xab", ""]);
        check("*", &["", "a", "*"], &[]);
        check("*a", &["a", "ba", "aa"], &["", "ab"]);
        check("a*", &["a", "ab"], &["", "ba"]);
        check("", &[""], &["a"]);
        check("abc", &["abc"], &["ab", "abcd"]);
        check("a*bc*d", &["abcd", "a-bc-bc-d"], &["abd", "acbd", "abcde"]);
        check("ab*ba", &["abba", "ab-ba"], &["aba"]);
        check("*a*a*", &["aa", "xaxax"], &["a", ""]);
    }

    #[test]
    fn a_backslash_makes_a_star_or_a_backslash_a_character() {
        check(r"a\*b", &["a*b"], &["axb", r"a\*b"]);
        check(r"a\\*b", &[r"a\b", r"a\xb"], &["ab"]);
        check(r"\**\*", &["**", "*a*"], &["*", "a*"]);
        for bad in [r"a\b", r"a\", r"\n", "a**b", "**", "*:*:*:*:*:event-bus/*"] {
            assert!(Wildcard::parse(bad).is_err(), "{bad}");
        }
        assert!(Wildcard::parse("*:*:*:*:*:event-bus").is_ok());
    }

    #[test]
    fn a_long_text_is_read_once() {
        let text = "a".repeat(1 << 20);
        check("*a*a*a*ab*", &[], &[&text]);
    }
}
