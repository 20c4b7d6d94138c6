//! The page of all queues and mappings over time.

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::{join_all, try_join_all};

use crate::admin::State;
use crate::admin::chart::{Unit, show, spark};
use crate::admin::charts::queue::{depth, flows};
use crate::admin::charts::{Choice, mapping};
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::texts::charts::Texts;
use crate::history::{MappingSeries, QueueSeries, Span, real};
use crate::lambda::MappingStatus;
use crate::queues::QueueNow;

/// Queues, and mappings, of one page.
const SHOWN_MAX: usize = 20;
/// Queues that are looked at, one LIST a thousand.
const LOOKED_AT_MAX: usize = 5_000;
/// The parameters that say which part of the lists is shown, counted from 0.
const QUEUES_PART: &str = "queues";
/// See [`QUEUES_PART`].
const MAPPINGS_PART: &str = "mappings";

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin/charts", get(page))
}

#[derive(Debug, Template)]
#[template(path = "charts.html")]
struct Page {
    frame: Frame,
    choice: Choice,
    totals: Vec<(&'static str, String)>,
    queues: Vec<QueueRow>,
    queues_part: Part,
    has_more_queues: bool,
    mappings: Vec<MappingRow>,
    mappings_part: Part,
}

#[derive(Debug)]
struct QueueRow {
    name: String,
    cells: Vec<String>,
    depth: String,
    flows: String,
}

#[derive(Debug)]
struct MappingRow {
    uuid: String,
    queue: String,
    function: String,
    cells: Vec<String>,
    invocations: String,
}

/// Which of many are shown.
#[derive(Debug)]
struct Part {
    from: usize,
    to: usize,
    of: usize,
    /// Where those before are; `None`: there are none.
    before: Option<String>,
    /// Where those after are.
    after: Option<String>,
}

async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
) -> Result<Response, Failure> {
    let frame = visitor.frame(Section::Charts, visitor.lang.texts().charts.title);
    let (t, choice) = (&frame.t.charts, Choice::of(&frame.url));
    let (mut queues, has_more_queues) = state.0.queues.all_now(LOOKED_AT_MAX).await?;
    queues.sort_by_key(|now| std::cmp::Reverse((now.state.depth(), now.state.sequence)));
    let totals = totals(&queues, t);
    let queues_part = Part::of(&frame.url, QUEUES_PART, queues.len());
    let queues = queues.get(queues_part.from..queues_part.to).unwrap_or_default();
    let mut mappings = state.0.control.status().mappings;
    mappings.sort_by_key(|mapping| std::cmp::Reverse(mapping.counters.invocations));
    let mappings_part = Part::of(&frame.url, MAPPINGS_PART, mappings.len());
    let mappings = mappings.get(mappings_part.from..mappings_part.to).unwrap_or_default();
    let (queues, mappings) = tokio::join!(
        join_all(queues.iter().map(|now| queue_row(&state, now, choice.span, t))),
        try_join_all(mappings.iter().map(|mapping| mapping_row(&state, mapping, choice.span, t))),
    );
    let queues = queues.into_iter().collect::<Result<_, _>>()?;
    Ok(html(&Page {
        choice,
        totals,
        queues,
        queues_part,
        has_more_queues,
        mappings: mappings?,
        mappings_part,
        frame,
    }))
}

/// How all queues are now.
fn totals(queues: &[QueueNow], t: &Texts) -> Vec<(&'static str, String)> {
    let sum = |of: fn(&QueueNow) -> u64| queues.iter().map(of).fold(0, u64::saturating_add);
    let oldest = queues.iter().filter_map(|now| now.state.age_s(now.now_ms)).max();
    let age = oldest.map_or_else(|| "–".to_owned(), |age_s| show(real(age_s), Unit::Seconds, t));
    let shown = |number: u64| show(real(number), Unit::Count, t);
    vec![
        (t.total_queues, shown(queues.len() as u64)),
        (t.ready, shown(sum(|now| now.state.ready))),
        (t.in_flight, shown(sum(|now| now.state.in_flight))),
        (t.delayed, shown(sum(|now| now.state.delayed))),
        (t.dead, shown(sum(|now| now.state.dead))),
        (t.oldest, age),
    ]
}

async fn queue_row(
    state: &State,
    now: &QueueNow,
    span: Span,
    t: &'static Texts,
) -> Result<QueueRow, Failure> {
    let series: QueueSeries = state.0.queues.series_of(now, span).await?;
    let counts = [now.state.ready, now.state.in_flight, now.state.delayed, now.state.dead];
    let mut cells = counts.map(|number| show(real(number), Unit::Count, t)).to_vec();
    cells.extend([series.now.sent, series.now.gone].map(|rate| show(rate, Unit::Count, t)));
    cells.push(match now.state.age_s(now.now_ms) {
        Some(age_s) => show(real(age_s), Unit::Seconds, t),
        None => "–".to_owned(),
    });
    Ok(QueueRow {
        name: now.name.to_string(),
        cells,
        depth: spark(&depth(&series, t)),
        flows: spark(&flows(&series, t)),
    })
}

async fn mapping_row(
    state: &State,
    mapping: &MappingStatus,
    span: Span,
    t: &'static Texts,
) -> Result<MappingRow, Failure> {
    let series: MappingSeries = state.0.history.series(&mapping.uuid, span).await?;
    let total = series.total;
    let mut cells = [total.invocations, total.errors, total.throttles]
        .map(|number| show(real(number), Unit::Count, t))
        .to_vec();
    cells.extend([total.p50_ms, total.p99_ms].map(|value| match value {
        Some(value) => show(value, Unit::Milliseconds, t),
        None => "–".to_owned(),
    }));
    Ok(MappingRow {
        uuid: mapping.uuid.clone(),
        queue: mapping.queue.clone(),
        function: mapping.function_name.clone(),
        cells,
        invocations: spark(&mapping::invocations(&series, t)),
    })
}

impl Part {
    /// The part of so many that the page's URL asks for.
    fn of(url: &str, parameter: &str, of: usize) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let given = form_urlencoded::parse(query.as_bytes());
        let asked = given.into_iter().find(|(name, _)| name == parameter);
        let asked = asked.and_then(|(_, part)| part.parse::<usize>().ok()).unwrap_or(0);
        let part = asked.min(of.saturating_sub(1) / SHOWN_MAX);
        let url = |part: usize| {
            let start = format!("{path}?");
            let mut url = form_urlencoded::Serializer::for_suffix(start, path.len() + 1);
            url.extend_pairs(given.into_iter().filter(|(name, _)| name != parameter));
            url.append_pair(parameter, &part.to_string()).finish()
        };
        let (from, to) = (part * SHOWN_MAX, ((part + 1) * SHOWN_MAX).min(of));
        Self {
            from,
            to,
            of,
            before: part.checked_sub(1).map(url),
            after: (to < of).then(|| url(part + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_neighbours_and_keeps_the_rest_of_the_url() {
        let url = "/admin/charts?span=day&queues=1&mappings=3";
        let part = Part::of(url, QUEUES_PART, 50);
        assert_eq!((part.from, part.to, part.of), (20, 40, 50));
        assert_eq!(part.before.as_deref(), Some("/admin/charts?span=day&mappings=3&queues=0"));
        assert_eq!(part.after.as_deref(), Some("/admin/charts?span=day&mappings=3&queues=2"));
        for url in ["/admin/charts", "/admin/charts?queues=99", "/admin/charts?queues=-1"] {
            let part = Part::of(url, QUEUES_PART, 7);
            assert_eq!((part.from, part.to), (0, 7), "{url}");
            assert!(part.before.is_none() && part.after.is_none());
        }
        let none = Part::of(url, QUEUES_PART, 0);
        assert_eq!((none.from, none.to), (0, 0));
    }
}
