//! A queue's charts.

use crate::admin::State;
use crate::admin::chart::{Chart, Curve, Style, Unit};
use crate::admin::charts::{Charts, Choice};
use crate::admin::failure::Failure;
use crate::admin::page::Frame;
use crate::admin::texts::charts::Texts;
use crate::history::{QueueSeries, QueueStep, real};
use crate::queues::QueueName;

/// The charts of a queue for a page with this frame; two commands.
pub(in crate::admin) async fn queue_charts(
    state: &State,
    queue: &QueueName,
    frame: &Frame,
) -> Result<Charts, Failure> {
    let (t, choice) = (&frame.t.charts, Choice::of(&frame.url));
    let series = state.0.queues.queue_series(queue, choice.span).await?;
    Ok(Charts::new(t, choice, charts(&series, t)))
}

fn charts(series: &QueueSeries, t: &'static Texts) -> Vec<Chart> {
    let chart = |title, unit, curves| Chart { title, unit, grid: series.grid, curves, t };
    vec![
        chart(
            t.depth,
            Unit::Count,
            vec![
                curve(series, t.ready, "c1", Style::Area, |step| real(step.ready)),
                curve(series, t.in_flight, "c2", Style::Line, |step| real(step.in_flight)),
                curve(series, t.delayed, "c3", Style::Line, |step| real(step.delayed)),
                curve(series, t.dead, "bad", Style::Line, |step| real(step.dead)),
            ],
        ),
        chart(t.rates, Unit::Count, flows(series, t)),
        chart(
            t.age,
            Unit::Seconds,
            vec![curve(series, t.oldest, "c2", Style::Area, |step| real(step.age_s))],
        ),
    ]
}

/// What came and what went.
pub(super) fn flows(series: &QueueSeries, t: &'static Texts) -> Vec<Curve> {
    vec![
        curve(series, t.sent, "c1", Style::Area, |step| step.sent),
        curve(series, t.gone, "c4", Style::Line, |step| step.gone),
    ]
}

/// How many messages are to be received.
pub(super) fn depth(series: &QueueSeries, t: &'static Texts) -> Vec<Curve> {
    vec![curve(series, t.ready, "c1", Style::Area, |step| real(step.ready))]
}

fn curve(
    series: &QueueSeries,
    name: &'static str,
    class: &'static str,
    style: Style,
    of: impl Fn(&QueueStep) -> f64,
) -> Curve {
    let values = series.steps.iter().map(|step| step.as_ref().map(&of)).collect();
    Curve { name, class, style, values, now: Some(of(&series.now)) }
}
