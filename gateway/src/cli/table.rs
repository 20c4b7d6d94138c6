//! Tables of texts and numbers in columns.

use super::colours::{Colours, Tone};

/// What stands in a field.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A count; the usual nothing is faint.
    pub(super) fn count(count: u64, otherwise: Tone) -> Self {
        Self::new(count.to_string(), if count == 0 { Tone::Faint } else { otherwise })
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// The lines of a table. A title that starts with a blank stands above numbers, which are aligned
/// at their ends.
pub(super) fn lines<const N: usize>(
    titles: [&str; N],
    rows: &[[Cell; N]],
    colours: Colours,
) -> Vec<String> {
    let titles = titles.map(|title| (title.trim_start(), title.starts_with(' ')));
    let length = |text: &str| text.chars().count();
    let mut widths = titles.map(|(title, _)| length(title));
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(&cell.text));
        }
    }
    let line = |cells: [(&str, Tone); N]| {
        let mut line = String::new();
        let columns = cells.into_iter().zip(titles).zip(widths);
        for (index, (((text, tone), (_, is_number)), width)) in columns.enumerate() {
            let blanks = " ".repeat(width - length(text));
            let painted = colours.paint(tone, text);
            let gap = if index == 0 { "" } else { "  " };
            let end = if index + 1 == N { "" } else { blanks.as_str() };
            if is_number {
                line.extend([gap, &blanks, &painted]);
            } else {
                line.extend([gap, &painted, end]);
            }
        }
        line
    };
    let mut all = vec![line(titles.map(|(title, _)| (title, Tone::Title)))];
    all.extend(rows.iter().map(|row| line(row.each_ref().map(|c| (c.text.as_str(), c.tone)))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_titles() {
        let rows = [
            ["orders".into(), Cell::count(3, Tone::Plain), "why".into()],
            ["é".into(), Cell::count(1_000_000, Tone::Bad), "".into()],
        ];
        let lines = lines(["QUEUE", " READY", "REASON"], &rows, Colours::none());
        let expected = ["QUEUE     READY  REASON", "orders        3  why", "é       1000000  "];
        assert_eq!(lines, expected);
    }
}
