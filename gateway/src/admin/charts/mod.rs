//! Charts of a queue's and a mapping's past, as parts for pages to include, and the page with all
//! of them.

mod all;
mod mapping;
mod one;
mod queue;

use askama::Template;
use axum::Router;

use crate::admin::State;
use crate::admin::chart::{Chart, Curve};
use crate::admin::shown;
use crate::admin::texts::charts::Texts;
use crate::history::Span;

pub(super) use mapping::mapping_charts;
pub(super) use queue::queue_charts;

/// The parameter of a URL that says how much of the past is looked at.
const SPAN: &str = "span";
/// The parameter with which charts are shown as numbers, too.
const NUMBERS: &str = "numbers";

pub(super) fn routes() -> Router<State> {
    all::routes().merge(one::routes())
}

/// What a visitor chose of the charts of a page, as its URL says.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// The page's URL without what is chosen here, and with `?` or `&` at its end.
    rest: String,
    pub(super) span: Span,
    has_numbers: bool,
}

impl Choice {
    /// What was chosen of the page at this path and query.
    pub(super) fn of(url: &str) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut span, mut has_numbers) = (Span::default(), false);
        let mut rest = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                SPAN => span = Span::of_name(&value).unwrap_or_default(),
                NUMBERS => has_numbers = true,
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        let mut rest = rest.finish();
        if !rest.ends_with('?') {
            rest.push('&');
        }
        Self { rest, span, has_numbers }
    }

    /// The same page with another span.
    fn span_url(&self, span: Span) -> String {
        let numbers = if self.has_numbers { "&numbers=1" } else { "" };
        format!("{}{SPAN}={}{numbers}", self.rest, span.name())
    }

    /// The same page with the numbers, or without.
    fn numbers_url(&self) -> String {
        let numbers = if self.has_numbers { "" } else { "&numbers=1" };
        format!("{}{SPAN}={}{numbers}", self.rest, self.span.name())
    }
}

/// Charts with what chooses them, to be included in a page within `#live`. Made by
/// [`queue_charts`] and [`mapping_charts`]; a template writes it with `|safe`.
#[derive(Debug, Template)]
#[template(path = "charts_part.html")]
pub(super) struct Charts {
    t: &'static Texts,
    choice: Choice,
    all: Vec<Chart>,
    /// `None`: they were not asked for.
    numbers: Option<Numbers>,
}

/// What the charts show, as a table.
#[derive(Debug)]
struct Numbers {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    /// Until when, epoch milliseconds.
    at_ms: u64,
    cells: Vec<String>,
}

impl Charts {
    fn new(t: &'static Texts, choice: Choice, charts: Vec<Chart>) -> Self {
        let numbers = choice.has_numbers.then(|| Numbers::of(&charts));
        Self { t, choice, all: charts, numbers }
    }

    /// How much of the past they show.
    fn span(&self) -> Span {
        self.choice.span
    }
}

impl Numbers {
    fn of(charts: &[Chart]) -> Self {
        let curves =
            || charts.iter().flat_map(|chart| chart.curves.iter().map(move |c| (chart, c)));
        let mut rows: Vec<Row> = Vec::new();
        let grid = charts.first().map(|chart| chart.grid);
        for step in (0..grid.map_or(0, |grid| grid.span.steps())).rev() {
            let value = |curve: &Curve| curve.values.get(step).copied().flatten();
            let cells: Vec<String> =
                curves().map(|(chart, curve)| chart.show(value(curve).as_ref())).collect();
            // Most of what happened seldom would be said often.
            let is_known = curves().any(|(_, curve)| value(curve).is_some());
            if is_known && rows.last().is_none_or(|above| above.cells != cells) {
                let at_ms = grid.map_or(0, |grid| grid.step_end_s(step) * 1_000);
                rows.push(Row { at_ms, cells });
            }
        }
        Self { columns: curves().map(|(_, curve)| curve.name).collect(), rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::chart::{Style, Unit};
    use crate::admin::texts::charts::EN;
    use crate::history::Grid;

    #[test]
    fn a_page_keeps_what_else_its_url_says() {
        let chosen = Choice::of("/admin/queues/a?q=x%26y&span=day&numbers=1");
        assert_eq!((chosen.span, chosen.has_numbers), (Span::Day, true));
        let week = "/admin/queues/a?q=x%26y&span=week&numbers=1";
        assert_eq!(chosen.span_url(Span::Week), week);
        assert_eq!(chosen.numbers_url(), "/admin/queues/a?q=x%26y&span=day");
        let plain = Choice::of("/admin/queues/a");
        assert_eq!(plain.span_url(Span::Hour), "/admin/queues/a?span=hour");
        assert_eq!(Choice::of("/admin/queues/a?span=<b>").span, Span::Hour);
    }

    #[test]
    fn equal_rows_are_told_once() {
        let mut values = vec![None; 60];
        for (step, value) in values.iter_mut().enumerate().skip(20) {
            *value = Some(if step < 50 { 1.0 } else { 2.0 });
        }
        let curve = Curve { name: "ready", class: "c1", style: Style::Line, values, now: None };
        let grid = Grid { span: Span::Hour, now_s: 1_795_262_400 };
        let (unit, curves) = (Unit::Count, vec![curve]);
        let numbers = Numbers::of(&[Chart { title: "m", unit, grid, curves, t: &EN }]);
        let cells: Vec<_> = numbers.rows.iter().map(|row| row.cells[0].as_str()).collect();
        assert_eq!(cells, ["2", "1"]);
        assert_eq!(numbers.columns, ["ready"]);
    }
}
