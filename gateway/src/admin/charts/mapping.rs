//! A mapping's charts.

use crate::admin::State;
use crate::admin::chart::{Chart, Curve, Style, Unit};
use crate::admin::charts::{Charts, Choice};
use crate::admin::failure::Failure;
use crate::admin::page::Frame;
use crate::admin::texts::charts::Texts;
use crate::history::{MappingSeries, MappingStep, real};

/// The charts of the mapping with this UUID for a page with this frame; one command. What another
/// gateway does shows with its next record, a minute late at most.
pub(in crate::admin) async fn mapping_charts(
    state: &State,
    uuid: &str,
    frame: &Frame,
) -> Result<Charts, Failure> {
    let (t, choice) = (&frame.t.charts, Choice::of(&frame.url));
    let series = state.0.history.series(uuid, choice.span).await?;
    Ok(Charts::new(t, choice, charts(&series, t)))
}

pub(super) fn charts(series: &MappingSeries, t: &'static Texts) -> Vec<Chart> {
    let chart = |title, unit, curves| Chart { title, unit, grid: series.grid, curves, t };
    vec![
        chart((t.invocations)(series.grid.span), Unit::Count, invocations(series, t)),
        chart(
            t.durations,
            Unit::Milliseconds,
            vec![
                curve(series, t.p99, "c2", Style::Line, |step| step.p99_ms),
                curve(series, t.p50, "c1", Style::Line, |step| step.p50_ms),
            ],
        ),
    ]
}

/// Invocations, and what went wrong with them before it.
pub(super) fn invocations(series: &MappingSeries, t: &'static Texts) -> Vec<Curve> {
    vec![
        curve(series, t.invoked, "c1", Style::Bars, |step| Some(real(step.invocations))),
        curve(series, t.errors, "bad", Style::Bars, |step| Some(real(step.errors))),
        curve(series, t.throttles, "c2", Style::Line, |step| Some(real(step.throttles))),
    ]
}

fn curve(
    series: &MappingSeries,
    name: &'static str,
    class: &'static str,
    style: Style,
    of: impl Fn(&MappingStep) -> Option<f64>,
) -> Curve {
    let values: Vec<_> = series.steps.iter().map(of).collect();
    Curve { name, class, style, now: values.last().copied().flatten(), values }
}
