//! The drawing of queues, functions and dead-letter queues, with their states.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::join_all;

use crate::admin::State;
use crate::admin::drawing::{Column, Drawing, Flow, HEIGHT, Place, WIDTH};
use crate::admin::failure::Failure;
use crate::admin::mapping_state::{self, ShownState, plain};
use crate::admin::mappings::Fleet;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::lambda::MappingStatus;
use crate::queues::{QueueError, QueueInfo, QueueName, Queues};

/// Mappings that are drawn.
const MAPPINGS_MAX: usize = 100;
/// Characters of a name that fit into a box.
const NAME_CHARACTERS: usize = 25;
/// The queue's attribute that names where dead letters go.
const DEAD_LETTER_TARGET: &str = "deadLetterTargetArn";

/// What is known of queues by name; `None`: it is not there.
type Infos = BTreeMap<String, Option<QueueInfo>>;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin/map", get(show))
}

#[derive(Debug, Template)]
#[template(path = "map.html")]
struct Page {
    frame: Frame,
    fleet: Fleet,
    drawing: Drawing,
    label: String,
    boxes: Vec<Boxed>,
    rows: Vec<Row>,
    left_out: usize,
}

/// A box as it is drawn.
#[derive(Debug)]
struct Boxed {
    place: Place,
    /// What fits of the name.
    short: String,
    /// Under the name: how many messages there are.
    count: String,
    url: String,
    class: &'static str,
}

impl Boxed {
    /// Where the name stands: in the middle, or above how many messages there are.
    fn name_y(&self) -> i32 {
        self.place.y + if self.count.is_empty() { 25 } else { 17 }
    }
}

/// A mapping in the list that says the same.
#[derive(Debug)]
struct Row {
    flow: Flow,
    state: ShownState,
    count: String,
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
) -> Result<Response, Failure> {
    let frame = visitor.frame(Section::Mappings, visitor.lang.texts().map.title);
    let fleet = state.0.control.fleet_status().await;
    let known = Fleet::of(&fleet);
    let mut mappings = fleet.trigger.mappings;
    mappings.sort_by(|a, b| (&a.queue, &a.function_name).cmp(&(&b.queue, &b.function_name)));
    let left_out = mappings.len().saturating_sub(MAPPINGS_MAX);
    mappings.truncate(MAPPINGS_MAX);
    let mut infos = infos(&state.0.queues, mappings.iter().map(|m| m.queue.clone())).await?;
    let flows: Vec<Flow> = mappings.iter().map(|m| flow(m, &infos, frame.t)).collect();
    let dead = flows.iter().filter_map(|flow| flow.dead.clone());
    let dead = dead.filter(|name| !infos.contains_key(name));
    let more = self::infos(&state.0.queues, dead).await?;
    infos.extend(more);
    let drawing = Drawing::of(&flows);
    let count = |name: &str| count(&infos, name, &frame);
    let boxes = boxes(&drawing, &flows, &infos, &frame);
    let shown = flows.into_iter().zip(&mappings);
    let rows = shown.map(|(flow, mapping)| Row {
        state: mapping_state::of(mapping, frame.t),
        count: count(&flow.queue),
        flow,
    });
    Ok(html(&Page {
        rows: rows.collect(),
        label: (frame.t.map.label)(mappings.len()),
        frame,
        fleet: known,
        drawing,
        boxes,
        left_out,
    }))
}

/// What is known of these queues. They are asked for at once, over one connection.
async fn infos(queues: &Queues, names: impl Iterator<Item = String>) -> Result<Infos, Failure> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    let asked =
        names.into_iter().filter_map(|name| QueueName::parse(&name)).map(
            async |queue| match queues.info(&queue).await {
                Ok(info) => Ok((queue.to_string(), Some(info))),
                Err(QueueError::NoQueue) => Ok((queue.to_string(), None)),
                Err(error) => Err(error),
            },
        );
    let answers: Result<Infos, QueueError> = join_all(asked).await.into_iter().collect();
    Ok(answers?)
}

fn flow(mapping: &MappingStatus, infos: &Infos, texts: &crate::admin::texts::Texts) -> Flow {
    let state = mapping_state::of(mapping, texts);
    let info = infos.get(&mapping.queue).and_then(Option::as_ref);
    let dead = info.and_then(|info| QueueName::of_arn(info.attribute(DEAD_LETTER_TARGET)?));
    Flow {
        uuid: mapping.uuid.clone(),
        queue: mapping.queue.clone(),
        function: mapping.function_name.clone(),
        dead: dead.map(|name| name.to_string()),
        class: state.class,
        word: state.word,
    }
}

fn messages(infos: &Infos, name: &str) -> Option<u64> {
    let info = infos.get(name)?.as_ref()?;
    Some(info.ready.saturating_add(info.in_flight).saturating_add(info.delayed))
}

fn count(infos: &Infos, name: &str, frame: &Frame) -> String {
    let t = &frame.t.map;
    messages(infos, name).map_or_else(|| t.no_queue.to_owned(), t.messages)
}

fn boxes(drawing: &Drawing, flows: &[Flow], infos: &Infos, frame: &Frame) -> Vec<Boxed> {
    let queue = |place: &Place, class| Boxed {
        short: short(&place.name),
        count: count(infos, &place.name, frame),
        url: format!("/admin/queues/{}", place.name),
        class,
        place: place.clone(),
    };
    let function = |place: &Place| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("q", &place.name).finish();
        Boxed {
            short: short(&place.name),
            count: String::new(),
            url: format!("/admin/functions?{query}"),
            class: worst(flows.iter().filter(|flow| flow.function == place.name)),
            place: place.clone(),
        }
    };
    let dead = |place: &Place| {
        let has_letters = messages(infos, &place.name).is_some_and(|count| count > 0);
        queue(place, if has_letters { "bad" } else { "" })
    };
    let queues = drawing.queues.iter().map(|place| queue(place, ""));
    let functions = drawing.functions.iter().map(function);
    queues.chain(functions).chain(drawing.dead.iter().map(dead)).collect()
}

/// The class of a function: that of its mapping which fares worst.
fn worst<'a>(flows: impl Iterator<Item = &'a Flow>) -> &'static str {
    let classes: Vec<&str> = flows.map(|flow| flow.class).collect();
    let order = ["bad", "warn", "info", "good"];
    order.into_iter().find(|class| classes.contains(class)).unwrap_or_default()
}

/// What fits into a box.
fn short(name: &str) -> String {
    let name = plain(name);
    if name.chars().count() <= NAME_CHARACTERS {
        return name;
    }
    // Long names often differ in their ends.
    let half = NAME_CHARACTERS / 2;
    let start: String = name.chars().take(half).collect();
    let end: String = name.chars().skip(name.chars().count() - half).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("orders"), "orders");
        let long = format!("{}-production", "x".repeat(60));
        assert_eq!(short(&long), "xxxxxxxxxxxx…-production".replace("…-", "…x-"));
        assert_eq!(short(&long).chars().count(), 25);
    }

    #[test]
    fn a_function_is_as_well_as_the_worst_of_its_mappings() {
        let flow = |class| Flow { class, ..Flow::default() };
        assert_eq!(worst([flow("good"), flow("bad"), flow("")].iter()), "bad");
        assert_eq!(worst([flow("good"), flow("")].iter()), "good");
        assert_eq!(worst([flow("")].iter()), "");
    }
}
