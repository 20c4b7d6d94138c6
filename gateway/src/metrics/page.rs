//! The page itself: families of metrics with their help, in the two text formats scrapers ask for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::histogram::Distribution;

/// Bytes of a label's value; what is longer is cut.
const LABEL_BYTES_MAX: usize = 256;

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus's classic text, which everything reads.
    Classic,
    /// OpenMetrics 1.0, which Prometheus prefers.
    OpenMetrics,
}

impl Format {
    /// What who sends this `Accept` header gets.
    pub(super) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes all that `collector` has.
///
/// Errors: none that can be, since it is written into memory.
pub(super) fn write(collector: impl Collector, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    let mut page = String::new();
    encode(&mut page, &registry)?;
    Ok(match format {
        Format::OpenMetrics => page,
        Format::Classic => classic(&page),
    })
}

/// In the classic format a counter is called `…_total` also where it is described, and there is no
/// mark at the end.
fn classic(page: &str) -> String {
    let mut classic = String::with_capacity(page.len());
    let mut help: Option<(&str, &str)> = None;
    for line in page.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
            continue;
        }
        if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, kind) = described.split_once(' ').unwrap_or((described, "untyped"));
            let total = if kind == "counter" { "_total" } else { "" };
            let help = help.take().map_or("", |(_, text)| text);
            let lines = format!("# HELP {name}{total} {help}\n# TYPE {name}{total} {kind}\n");
            classic.push_str(&lines);
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}

/// A label's value, cut to a bound.
pub(super) fn bounded(value: &str) -> &str {
    let mut end = value.len().min(LABEL_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.get(..end).unwrap_or_default()
}

/// Writes families, each once and with all its rows.
#[derive(Debug)]
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    /// Numbers that go up and down.
    pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        (name, help): (&str, &str),
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// One number that goes up and down.
    pub(super) fn gauge(
        &mut self,
        (name, help): (&str, &str),
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        family.encode_gauge(value)
    }

    /// The same where it may not be known.
    pub(super) fn gauge_if_known(
        &mut self,
        (name, help): (&str, &str),
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        value.map_or(Ok(()), |value| family.encode_gauge(&value))
    }

    /// Numbers that only grow; `_total` is added to the name.
    pub(super) fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        (name, help): (&str, &str),
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// One number that only grows.
    pub(super) fn counter(
        &mut self,
        (name, help): (&str, &str),
        value: &impl EncodeCounterValue,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, f64>(value, None)
    }

    /// Distributions; `unit` is what one of their numbers is in the metric's unit.
    pub(super) fn histograms<'d, L: EncodeLabelSet>(
        &mut self,
        (name, help): (&str, &str),
        unit: Unit,
        rows: impl IntoIterator<Item = (L, &'d Distribution)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, distribution) in rows {
            let bounds = distribution.buckets.iter().map(|(at, count)| (unit.of(*at), *count));
            let buckets: Vec<_> = bounds.chain([(f64::INFINITY, distribution.beyond)]).collect();
            let (sum, count) = (unit.of(distribution.sum), distribution.count());
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// What the numbers of a distribution are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// Microseconds, shown as seconds.
    Microseconds,
    /// What they are called.
    One,
}

impl Unit {
    fn of(self, number: u64) -> f64 {
        match self {
            Self::Microseconds => seconds(number),
            Self::One => approximate(number),
        }
    }
}

/// Seconds of so many microseconds.
pub(super) fn seconds(microseconds: u64) -> f64 {
    approximate(microseconds) / 1e6
}

/// The number, rounded if it is above 2^53.
#[allow(clippy::cast_precision_loss, reason = "a metric is a floating-point number anyway")]
pub(super) fn approximate(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sample;

    impl Collector for Sample {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut page = Page(encoder);
            page.counter(("a", "An a."), &3_u64)?;
            page.gauges(("b", "A b."), [([("x", "\"\\\n")], 1.5)])?;
            let distribution =
                Distribution { buckets: vec![(1_000, 2), (10_000, 1)], beyond: 1, sum: 20_000 };
            page.histograms(("c", "A c."), Unit::Microseconds, [([("y", "z")], &distribution)])
        }
    }

    #[test]
    fn both_formats_are_written() {
        let open = write(Sample, Format::OpenMetrics).unwrap();
        let expected = "# HELP a An a.\n# TYPE a counter\na_total 3\n\
             # HELP b A b.\n# TYPE b gauge\nb{x=\"\\\"\\\\\\n\"} 1.5\n\
             # HELP c A c.\n# TYPE c histogram\nc_sum{y=\"z\"} 0.02\nc_count{y=\"z\"} 4\n\
             c_bucket{le=\"0.001\",y=\"z\"} 2\nc_bucket{le=\"0.01\",y=\"z\"} 3\n\
             c_bucket{le=\"+Inf\",y=\"z\"} 4\n# EOF\n";
        assert_eq!(open, expected);
        let expected = expected.replace("HELP a ", "HELP a_total ").replace("# EOF\n", "");
        assert_eq!(
            write(Sample, Format::Classic).unwrap(),
            expected.replace("TYPE a ", "TYPE a_total ")
        );
    }

    #[test]
    fn a_label_is_cut_between_characters() {
        assert_eq!(bounded("orders"), "orders");
        assert_eq!(bounded(&"é".repeat(200)).len(), 256);
        assert_eq!(bounded(&format!("a{}", "é".repeat(200))).len(), 255);
    }
}
