//! Where queues, functions and dead-letter queues stand in a drawing, and the lines between them.
//! Pure.

use std::collections::BTreeMap;

/// Between two boxes of a column, from top to top.
const STEP: i32 = 56;
/// A box's height.
pub(super) const HEIGHT: i32 = 40;
/// A box's width.
pub(super) const WIDTH: i32 = 240;
/// Where the columns begin.
const COLUMNS: [i32; 3] = [2, 359, 716];
/// Above the first boxes: the columns' names.
const TOP: i32 = 32;
/// How far a line's ends lead straight on.
const BEND: i32 = 60;

/// A column of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Queues,
    Functions,
    Dead,
}

/// A mapping to be drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    pub(super) uuid: String,
    pub(super) queue: String,
    pub(super) function: String,
    pub(super) dead: Option<String>,
    /// The class of its state.
    pub(super) class: &'static str,
    /// Its state in words.
    pub(super) word: &'static str,
}

/// What is drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawing {
    pub(super) queues: Vec<Place>,
    pub(super) functions: Vec<Place>,
    pub(super) dead: Vec<Place>,
    pub(super) lines: Vec<Line>,
    pub(super) height: i32,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A line between two boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The mapping's; `None`: it leads to a dead-letter queue.
    pub(super) uuid: Option<String>,
    pub(super) class: &'static str,
    /// What it is, in words.
    pub(super) title: String,
    /// An SVG path.
    pub(super) path: String,
}

impl Column {
    /// Where it begins.
    pub(super) fn x(self) -> i32 {
        let [queues, functions, dead] = COLUMNS;
        match self {
            Self::Queues => queues,
            Self::Functions => functions,
            Self::Dead => dead,
        }
    }
}

impl Drawing {
    /// Of these mappings: queues in the order they come, each function and each dead-letter queue
    /// about as high as what leads to it.
    pub(super) fn of(flows: &[Flow]) -> Self {
        let queue_ys = column(flows.iter().map(|flow| (flow.queue.as_str(), 0)));
        let leading = |flow: &Flow| y_of(&queue_ys, &flow.queue);
        let function_ys = column(flows.iter().map(|f| (f.function.as_str(), leading(f))));
        let dead = flows
            .iter()
            .filter_map(|f| Some((f.dead.as_deref()?, y_of(&function_ys, &f.function))));
        let dead_ys = column(dead);
        let mut lines: Vec<Line> = Vec::new();
        for flow in flows {
            let from = (Column::Queues.x() + WIDTH, y_of(&queue_ys, &flow.queue));
            let to = (Column::Functions.x(), y_of(&function_ys, &flow.function));
            lines.push(Line {
                uuid: Some(flow.uuid.clone()),
                class: flow.class,
                title: format!("{} → {}: {}", flow.queue, flow.function, flow.word),
                path: path(from, to),
            });
            let Some(dead) = &flow.dead else { continue };
            let from = (Column::Functions.x() + WIDTH, y_of(&function_ys, &flow.function));
            let path = path(from, (Column::Dead.x(), y_of(&dead_ys, dead)));
            // Several mappings may share it.
            if !lines.iter().any(|line| line.path == path) {
                let title = format!("{} → {dead}", flow.queue);
                lines.push(Line { uuid: None, class: "dead", title, path });
            }
        }
        let bottom = [&queue_ys, &function_ys, &dead_ys];
        let bottom = bottom.into_iter().flatten().map(|(_, y)| *y).max().unwrap_or(TOP);
        Self {
            queues: places(queue_ys, Column::Queues),
            functions: places(function_ys, Column::Functions),
            dead: places(dead_ys, Column::Dead),
            lines,
            height: bottom + STEP,
        }
    }
}

/// The boxes of a column with their tops, from the top down: by the mean of where what leads to
/// them stands, and none over another.
fn column<'a>(leading: impl Iterator<Item = (&'a str, i32)>) -> Vec<(String, i32)> {
    let mut sums: BTreeMap<&str, (usize, i32, i32)> = BTreeMap::new();
    for (order, (name, y)) in leading.enumerate() {
        let (_, sum, count) = sums.entry(name).or_insert((order, 0, 0));
        *sum += y;
        *count += 1;
    }
    let mut wanted: Vec<(i32, usize, &str)> =
        sums.into_iter().map(|(name, (order, sum, count))| (sum / count, order, name)).collect();
    wanted.sort_unstable();
    let mut free = TOP;
    let mut column = Vec::with_capacity(wanted.len());
    for (y, _, name) in wanted {
        let y = y.max(free);
        column.push((name.to_owned(), y));
        free = y + STEP;
    }
    column
}

fn y_of(column: &[(String, i32)], name: &str) -> i32 {
    column.iter().find(|(known, _)| known == name).map_or(TOP, |(_, y)| *y)
}

fn places(column: Vec<(String, i32)>, at: Column) -> Vec<Place> {
    column.into_iter().map(|(name, y)| Place { name, x: at.x(), y }).collect()
}

/// From the middle of one box's side to that of another's.
fn path((x1, y1): (i32, i32), (x2, y2): (i32, i32)) -> String {
    let (y1, y2) = (y1 + HEIGHT / 2, y2 + HEIGHT / 2);
    format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + BEND, x2 - BEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(queue: &str, function: &str, dead: Option<&str>) -> Flow {
        Flow {
            uuid: format!("{queue}-{function}"),
            queue: queue.to_owned(),
            function: function.to_owned(),
            dead: dead.map(str::to_owned),
            class: "good",
            word: "Running",
        }
    }

    #[test]
    fn each_thing_stands_once_and_nothing_over_another() {
        let flows = [
            flow("a", "f", Some("dead")),
            flow("b", "f", Some("dead")),
            flow("c", "g", None),
            flow("c", "f", Some("other")),
        ];
        let drawing = Drawing::of(&flows);
        let names = |places: &[Place]| -> Vec<String> {
            places.iter().map(|place| place.name.clone()).collect()
        };
        assert_eq!(names(&drawing.queues), ["a", "b", "c"]);
        assert_eq!(names(&drawing.functions), ["f", "g"]);
        assert_eq!(names(&drawing.dead), ["dead", "other"]);
        for column in [&drawing.queues, &drawing.functions, &drawing.dead] {
            assert!(column.windows(2).all(|pair| pair[1].y >= pair[0].y + STEP), "{column:?}");
            assert!(column.iter().all(|place| place.y + HEIGHT < drawing.height));
        }
        assert_eq!(drawing.lines.len(), 6, "{:#?}", drawing.lines);
        assert_eq!(drawing.lines[0].title, "a → f: Running");
        assert_eq!(Drawing::of(&[]).lines, []);
    }

    #[test]
    fn a_hundred_mappings_to_one_function_fit() {
        let flows: Vec<Flow> = (0..100).map(|n| flow(&format!("q{n}"), "f", Some("d"))).collect();
        let drawing = Drawing::of(&flows);
        assert_eq!(
            (drawing.queues.len(), drawing.functions.len(), drawing.dead.len()),
            (100, 1, 1)
        );
        assert_eq!(drawing.lines.len(), 101);
        assert_eq!(drawing.height, TOP + 100 * STEP);
    }
}
