//! Charts as SVG: made here, of numbers and texts of ours only, so that pages need no script for
//! them. Colours are the style sheet's, by class.

use std::fmt::Write as _;

use crate::admin::texts::charts::Texts;
use crate::history::{Grid, Span};

/// The whole picture, in its own units: about the pixels of a phone.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 150.0;
/// Where the axes are.
const LEFT: f64 = 54.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = HEIGHT - 22.0;
/// A sparkline.
const SPARK_WIDTH: f64 = 120.0;
const SPARK_HEIGHT: f64 = 28.0;
/// Room for the stroke.
const SPARK_MARGIN: f64 = 2.0;

/// What values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many.
    Count,
    /// How long, in seconds.
    Seconds,
    /// How long, in milliseconds.
    Milliseconds,
}

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A line.
    Line,
    /// A line and what is below.
    Area,
    /// A bar for each value.
    Bars,
}

/// Values over time, one a step.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// What they are.
    pub(super) name: &'static str,
    /// The class of the colour: `c1` to `c4`, or `bad`.
    pub(super) class: &'static str,
    pub(super) style: Style,
    /// `None`: unknown.
    pub(super) values: Vec<Option<f64>>,
    /// What is so now; the last value may be the highest of its step.
    pub(super) now: Option<f64>,
}

/// Curves with common axes.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) grid: Grid,
    pub(super) curves: Vec<Curve>,
    pub(super) t: &'static Texts,
}

impl Curve {
    fn known(&self) -> impl Iterator<Item = f64> {
        self.values.iter().flatten().copied()
    }

    fn most(&self) -> f64 {
        self.known().fold(0.0, f64::max)
    }
}

impl Chart {
    /// What a value of it is called.
    pub(super) fn show(&self, value: Option<&f64>) -> String {
        value.map_or_else(|| "–".to_owned(), |value| show(*value, self.unit, self.t))
    }

    /// What a curve is now, as text.
    pub(super) fn now(&self, curve: &Curve) -> String {
        self.show(curve.now.as_ref())
    }

    /// All in words: for those who do not see it.
    fn summary(&self) -> String {
        let mut summary = format!("{}, {}.", self.title, (self.t.span)(self.grid.span));
        for curve in &self.curves {
            let least = curve.known().reduce(f64::min);
            let most = curve.known().reduce(f64::max);
            let [now, least, highest] =
                [curve.now, least, most].map(|value| self.show(value.as_ref()));
            let _written =
                write!(summary, " {}", (self.t.summary)(curve.name, &now, &least, &highest));
        }
        summary
    }

    /// The picture.
    pub(super) fn svg(&self) -> String {
        let most = self.curves.iter().map(Curve::most).fold(0.0, f64::max);
        let top = nice_top(most, self.unit);
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.summary())
        );
        self.write_axes(&mut svg, top);
        let curves = self.curves.iter().enumerate();
        // On the axis several lines would only hide each other.
        for (_, curve) in curves.filter(|(number, curve)| *number == 0 || curve.most() > 0.0) {
            let plane = Plane {
                left: LEFT,
                right: RIGHT,
                top: TOP,
                bottom: BOTTOM,
                most: top,
                steps: curve.values.len(),
            };
            plane.write(curve, &mut svg);
        }
        svg.push_str("</svg>");
        svg
    }

    fn write_axes(&self, svg: &mut String, top: f64) {
        for share in [0.0, 0.5, 1.0] {
            let y = BOTTOM - share * (BOTTOM - TOP);
            let class = if share == 0.0 { "axis" } else { "rule" };
            let label = escaped(&show(top * share, self.unit, self.t));
            let _written = write!(
                svg,
                "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                y + 4.0,
            );
        }
        let (parts, part, unit) = match self.grid.span {
            Span::Hour => (4, 15, self.t.minutes),
            Span::Day => (4, 6, self.t.hours),
            Span::Week => (7, 1, self.t.days),
        };
        for number in 0..=parts {
            let x = LEFT + f64::from(number) / f64::from(parts) * (RIGHT - LEFT);
            let is_now = number == parts;
            let label = format!("−{}{unit}", (parts - number) * part);
            let label = if is_now { self.t.now.to_owned() } else { label };
            let anchor = if is_now { "end" } else { "middle" };
            let _written = write!(
                svg,
                "<path class=\"axis\" d=\"M{x:.1} {BOTTOM}v4\"/>\
                 <text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{}</text>",
                if is_now { WIDTH - 2.0 } else { x },
                HEIGHT - 5.0,
                escaped(&label),
            );
        }
    }
}

/// A small picture of values without axes, for lists, where the numbers stand beside it.
pub(super) fn spark(curves: &[Curve]) -> String {
    let most = curves.iter().map(Curve::most).fold(0.0, f64::max);
    let mut svg = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {SPARK_WIDTH} {SPARK_HEIGHT}\" aria-hidden=\"true\">"
    );
    for curve in curves {
        let plane = Plane {
            left: SPARK_MARGIN,
            right: SPARK_WIDTH - SPARK_MARGIN,
            top: SPARK_MARGIN,
            bottom: SPARK_HEIGHT - SPARK_MARGIN,
            most: most.max(1.0),
            steps: curve.values.len(),
        };
        plane.write(curve, &mut svg);
    }
    svg.push_str("</svg>");
    svg
}

/// Where values stand in a picture.
struct Plane {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// The value at the top.
    most: f64,
    steps: usize,
}

/// A place in a picture, in tenths, so that equal ones are equal.
type Point = (i32, i32);

impl Plane {
    fn x(&self, step: usize) -> f64 {
        self.left + (self.right - self.left) * (number(step) + 0.5) / number(self.steps.max(1))
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.most).clamp(0.0, 1.0);
        self.bottom - share * (self.bottom - self.top)
    }

    fn write(&self, curve: &Curve, svg: &mut String) {
        let class = curve.class;
        let _written = match curve.style {
            Style::Bars => write!(svg, "<path class=\"bars {class}\" d=\"{}\"/>", self.bars(curve)),
            Style::Line => write!(svg, "<path class=\"line {class}\" d=\"{}\"/>", self.line(curve)),
            Style::Area => write!(
                svg,
                "<path class=\"area {class}\" d=\"{}\"/><path class=\"line {class}\" d=\"{}\"/>",
                self.area(curve),
                self.line(curve)
            ),
        };
    }

    /// Runs of steps whose values are known.
    fn runs(&self, curve: &Curve) -> Vec<Vec<Point>> {
        let mut runs: Vec<Vec<Point>> = Vec::new();
        let mut is_open = false;
        for (step, value) in curve.values.iter().enumerate() {
            let Some(value) = value else {
                is_open = false;
                continue;
            };
            let point = (tenths(self.x(step)), tenths(self.y(*value)));
            match runs.last_mut().filter(|_| is_open) {
                Some(run) => extend(run, point),
                None => runs.push(vec![point]),
            }
            is_open = true;
        }
        runs
    }

    fn line(&self, curve: &Curve) -> String {
        let mut path = String::new();
        for run in self.runs(curve) {
            write_run(&run, 'M', &mut path);
            if run.len() == 1 {
                // A dot.
                path.push_str("h-1h2");
            }
        }
        path
    }

    fn area(&self, curve: &Curve) -> String {
        let mut path = String::new();
        for run in self.runs(curve).iter().filter(|run| run.len() > 1) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let bottom = tenths(self.bottom);
            write_run(&[(first.0, bottom)], 'M', &mut path);
            write_run(run, 'L', &mut path);
            write_run(&[(last.0, bottom)], 'L', &mut path);
            path.push('Z');
        }
        path
    }

    fn bars(&self, curve: &Curve) -> String {
        let width = (self.right - self.left) / number(self.steps.max(1));
        let mut path = String::new();
        for (step, value) in curve.values.iter().enumerate() {
            let Some(value) = value.filter(|value| *value > 0.0) else { continue };
            // One of many would not be seen.
            let y = self.y(value).min(self.bottom - 1.0);
            let x = self.x(step) - width * 0.4;
            let _written = write!(
                path,
                "M{x:.1} {:.1}V{y:.1}h{:.1}V{:.1}z",
                self.bottom,
                width * 0.8,
                self.bottom
            );
        }
        path
    }
}

/// Adds a point to a run; of several on one level the first and last are enough.
fn extend(run: &mut Vec<Point>, point: Point) {
    if let [.., before, last] = run[..]
        && before.1 == last.1
        && last.1 == point.1
    {
        run.pop();
    }
    run.push(point);
}

fn write_run(run: &[Point], first: char, path: &mut String) {
    for (index, (x, y)) in run.iter().enumerate() {
        path.push(if index == 0 { first } else { 'L' });
        for (value, separator) in [(x, ' '), (y, '\0')] {
            let _written = write!(path, "{}", value / 10);
            if value % 10 != 0 {
                let _written = write!(path, ".{}", value % 10);
            }
            if separator == ' ' {
                path.push(' ');
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "within the picture")]
fn tenths(value: f64) -> i32 {
    (value * 10.0).round().clamp(0.0, 10_000.0) as i32
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// A round value that is at least this, half of which is round as well.
fn nice_top(most: f64, unit: Unit) -> f64 {
    const SECONDS: [f64; 14] = [
        10.0,
        20.0,
        60.0,
        120.0,
        600.0,
        1_200.0,
        3_600.0,
        7_200.0,
        14_400.0,
        43_200.0,
        86_400.0,
        172_800.0,
        345_600.0,
        1_209_600.0,
    ];
    if unit == Unit::Seconds
        && let Some(top) = SECONDS.into_iter().find(|top| most <= *top)
    {
        return top;
    }
    let least = if unit == Unit::Count { 2.0 } else { 10.0 };
    let most = if most.is_finite() { most.max(least) } else { least };
    let power = 10_f64.powf(most.log10().floor());
    let factor = [1.0, 2.0, 4.0, 6.0, 8.0].into_iter().find(|factor| factor * power >= most);
    factor.unwrap_or(10.0) * power
}

/// A value with its unit, short.
pub(super) fn show(value: f64, unit: Unit, t: &Texts) -> String {
    match unit {
        Unit::Count => count(value),
        Unit::Milliseconds if value < 1_000.0 => format!("{} ms", plain(value)),
        Unit::Milliseconds => duration(value / 1_000.0, t),
        Unit::Seconds => duration(value, t),
    }
}

fn duration(seconds: f64, t: &Texts) -> String {
    let (value, unit) = match seconds {
        s if s < 59.5 => (s, t.seconds),
        s if s < 3_570.0 => (s / 60.0, t.minutes),
        s if s < 86_000.0 => (s / 3_600.0, t.hours),
        s => (s / 86_400.0, t.days),
    };
    format!("{}{unit}", plain(value))
}

fn count(value: f64) -> String {
    match value {
        v if v < 9_999.5 => plain(v),
        v if v < 999_950.0 => format!("{}k", plain(v / 1e3)),
        v if v < 999_950_000.0 => format!("{}M", plain(v / 1e6)),
        v => format!("{}G", plain(v / 1e9)),
    }
}

/// With one decimal where it says something.
fn plain(value: f64) -> String {
    let text = if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A text within an attribute or element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "exact here")]
mod tests {
    use super::*;
    use crate::admin::texts::charts::{EN, KO};

    fn curve(style: Style, values: &[Option<f64>]) -> Curve {
        let now = values.last().copied().flatten();
        Curve { name: "ready", class: "c1", style, values: values.to_vec(), now }
    }

    fn chart(values: &[Option<f64>]) -> Chart {
        let grid = Grid { span: Span::Week, now_s: 1_795_262_400 };
        let curves = vec![curve(Style::Area, values)];
        Chart { title: "Messages", unit: Unit::Count, grid, curves, t: &EN }
    }

    /// The paths of the curves.
    fn drawn(svg: &str) -> Vec<&str> {
        let paths = svg.split("<path class=\"").skip(1);
        let curves = paths.filter(|path| !path.starts_with("axis") && !path.starts_with("rule"));
        curves.map(|path| path.split("d=\"").nth(1).unwrap().split('"').next().unwrap()).collect()
    }

    #[test]
    fn a_line_is_broken_where_nothing_is_known_and_a_lone_point_is_a_dot() {
        let values = [Some(1.0), Some(4.0), None, Some(2.0), None];
        let svg = chart(&values).svg();
        let [area, line] = drawn(&svg)[..] else { panic!("{svg}") };
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert!(line.ends_with("h-1h2"), "{line}");
        assert_eq!(area.matches('Z').count(), 1, "{area}");
        assert!(line.contains(" 12M"), "4 is at the top: {line}");
    }

    #[test]
    fn equal_values_in_a_row_are_one_stroke() {
        let svg = chart(&[Some(3.0); 84]).svg();
        assert_eq!(drawn(&svg)[1].matches('L').count(), 1, "{svg}");
        assert!(svg.len() < 2_000, "{}", svg.len());
    }

    #[test]
    fn the_largest_chart_is_small() {
        let wild = |seed: usize| {
            let value = |n: usize| Some((n * 7_919 * seed % 1_009) as f64 * 1e3);
            (0..96).map(value).collect::<Vec<_>>()
        };
        let mut chart = chart(&[]);
        chart.curves = (1..=4).map(|n| curve(Style::Line, &wild(n))).collect();
        let svg = chart.svg();
        assert!(svg.len() < 6 * 1_024, "{}", svg.len());
        let spark = spark(&chart.curves[..2]);
        assert!(spark.len() < 2_500, "{}", spark.len());
    }

    #[test]
    fn it_is_told_in_words_too() {
        let svg = chart(&[Some(7.0), Some(1.0), Some(3.0)]).svg();
        let label = "aria-label=\"Messages, the last week. ready: now 3, lowest 1, highest 7.\"";
        assert!(svg.contains(label), "{svg}");
        let unknown = chart(&[None, None]).svg();
        assert!(unknown.contains("now –, lowest –, highest –"), "{unknown}");
        let korean = Chart { t: &KO, ..chart(&[Some(7.0)]) }.svg();
        assert!(korean.contains("지난 일주일"), "{korean}");
    }

    #[test]
    fn bars_of_nothing_are_not_drawn_and_those_of_little_are_seen() {
        let mut chart = chart(&[]);
        chart.curves = vec![curve(Style::Bars, &[Some(0.0), Some(1.0), Some(1e6), None])];
        let svg = chart.svg();
        assert_eq!(drawn(&svg)[0].matches('M').count(), 2, "{svg}");
        assert!(drawn(&svg)[0].contains("V127.0h"), "{svg}");
    }

    #[test]
    fn axes_end_with_round_numbers() {
        for (most, top) in [(0.0, 2.0), (1.5, 2.0), (3.0, 4.0), (11.0, 20.0), (61.0, 80.0)] {
            assert_eq!(nice_top(most, Unit::Count), top);
        }
        assert_eq!(nice_top(0.0, Unit::Milliseconds), 10.0);
        assert_eq!(nice_top(9_000.0, Unit::Seconds), 14_400.0);
        assert_eq!(nice_top(f64::INFINITY, Unit::Count), 2.0);
        assert!(nice_top(u64::MAX as f64, Unit::Seconds) >= u64::MAX as f64);
    }

    #[test]
    fn values_are_short_and_have_units() {
        for (value, unit, shown) in [
            (0.26, Unit::Count, "0.3"),
            (7.0, Unit::Count, "7"),
            (9_999.0, Unit::Count, "9999"),
            (12_345.0, Unit::Count, "12.3k"),
            (3e6, Unit::Count, "3M"),
            (45.0, Unit::Seconds, "45 s"),
            (90.0, Unit::Seconds, "1.5 min"),
            (86_400.0, Unit::Seconds, "1 d"),
            (2.5, Unit::Milliseconds, "2.5 ms"),
            (1_500.0, Unit::Milliseconds, "1.5 s"),
        ] {
            assert_eq!(show(value, unit, &EN), shown);
        }
    }
}
