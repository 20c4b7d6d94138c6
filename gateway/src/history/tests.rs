use proptest::prelude::*;

use super::log::{COMPACT_BYTES_MAX, Record as _, compact, decode, encode, thin};
use super::*;
use crate::lambda::{CounterValues, DURATION_BUCKETS};

/// 2026-11-21T12:00:00Z
const NOON_S: u64 = 1_795_262_400;

fn state(sequence: u64, ready: u64) -> QueueState {
    QueueState { uid: 7, sequence, ready, ..QueueState::default() }
}

fn record(at_s: u64, sequence: u64, ready: u64) -> QueueRecord {
    QueueRecord::of(&state(sequence, ready), at_s * 1_000, false)
}

fn hour(records: &[QueueRecord], now: &QueueState) -> QueueSeries {
    QueueSeries::new(records, now, NOON_S * 1_000, Span::Hour)
}

/// Messages sent in all known steps.
fn sent(series: &QueueSeries) -> f64 {
    let grid = series.grid;
    let minutes = |n| (grid.step_end_s(n) - grid.step_start_s(n)) as f64 / 60.0;
    let steps = series.steps.iter().enumerate();
    steps.filter_map(|(n, step)| step.map(|step| step.sent * minutes(n))).sum()
}

fn counters(invocations: u64, errors: u64, bucket: usize) -> CounterValues {
    let mut counters = CounterValues { invocations, errors, ..CounterValues::default() };
    counters.duration_buckets[bucket] = invocations;
    counters
}

#[test]
fn a_grid_ends_with_the_step_that_goes_on() {
    let grid = Grid { span: Span::Hour, now_s: NOON_S + 5 };
    assert_eq!(grid.start_s(), NOON_S - 59 * 60);
    assert_eq!(grid.step_of(NOON_S + 5), Some(59));
    assert_eq!(grid.step_of(NOON_S - 1), Some(58));
    assert_eq!(grid.step_of(grid.start_s() - 1), None);
    assert_eq!(grid.step_end_s(59), NOON_S + 6);
    for span in Span::ALL {
        let grid = Grid { span, now_s: NOON_S + 4_321 };
        assert_eq!(grid.step_of(grid.start_s()), Some(0));
        assert_eq!(grid.step_of(grid.now_s), Some(span.steps() - 1));
        assert_eq!(grid.start_s() % span.step_s(), 0);
        assert_eq!(Span::of_name(span.name()), Some(span));
    }
    assert_eq!(Span::of_name("year"), None);
}

#[test]
fn a_queue_nobody_touched_stays_as_it_was_and_its_oldest_message_ages() {
    let old = QueueState { oldest_sent_ms: Some((NOON_S - 1_900) * 1_000), ..state(5, 5) };
    let first = QueueRecord::of(&old, (NOON_S - 1_800) * 1_000, false);
    let series = hour(&[first], &old);
    let known: Vec<_> = series.steps.iter().flatten().collect();
    assert_eq!(known.len(), 31, "of the time before it nothing is known");
    assert!(series.steps[..29].iter().all(Option::is_none));
    assert!(known.iter().all(|step| step.ready == 5 && step.sent == 0.0 && step.gone == 0.0));
    assert_eq!(series.now.age_s, 1_900);
    assert!(known.windows(2).all(|pair| pair[0].age_s < pair[1].age_s));
}

#[test]
fn what_was_filled_and_emptied_within_a_minute_is_seen_in_its_rates() {
    let records = [record(NOON_S - 600, 10, 0), record(NOON_S - 300, 70, 0)];
    let series = hour(&records, &state(70, 0));
    let peak = series.steps.iter().flatten().map(|step| step.sent).fold(0.0, f64::max);
    assert!((39.0..=61.0).contains(&peak), "{peak}");
    assert!((sent(&series) - 60.0).abs() < 1e-6, "{}", sent(&series));
    assert!(series.steps.iter().flatten().all(|step| step.sent == step.gone));
    let busy = series.steps.iter().flatten().filter(|step| step.sent > 0.0).count();
    assert!(busy <= 3, "it happened within the last minute and a half before the record");
}

#[test]
fn a_new_queue_was_empty_before_its_first_record() {
    let made = QueueState { created_ms: (NOON_S - 100) * 1_000, ..state(40, 30) };
    let series = hour(&[QueueRecord::of(&made, (NOON_S - 50) * 1_000, true)], &made);
    assert!((sent(&series) - 40.0).abs() < 1e-6, "{series:?}");
    assert_eq!(series.now.ready, 30);
    assert_eq!(hour(&[], &made).now.ready, 30, "without any record there is now");
}

#[test]
fn what_nobody_watched_is_a_gap() {
    let back = QueueRecord::of(&state(500, 7), (NOON_S - 600) * 1_000, true);
    let series = hour(&[record(NOON_S - 3_000, 100, 1), back], &state(500, 7));
    let known: Vec<bool> = series.steps.iter().map(Option::is_some).collect();
    assert!(known[9] && !known[10] && !known[48] && known[49] && known[59], "{known:?}");
    let most = series.steps.iter().flatten().map(|step| step.sent).fold(0.0, f64::max);
    assert!(most < 20.0, "400 messages in 40 minutes are no peak: {most}");
}

#[test]
fn a_queue_of_the_same_name_that_is_gone_does_not_count() {
    let other = QueueState { uid: 8, ..state(999, 999) };
    let old = QueueRecord::of(&other, (NOON_S - 600) * 1_000, false);
    let series = hour(&[old], &state(1, 1));
    assert_eq!(series.steps.iter().flatten().count(), 1);
    assert_eq!(series.now.ready, 1);
}

#[test]
fn a_restored_queue_has_no_negative_rates() {
    let series = hour(&[record(NOON_S - 120, 100, 50)], &state(60, 10));
    assert!(series.steps.iter().flatten().all(|step| step.sent == 0.0 && step.gone >= 0.0));
}

#[test]
fn a_coarse_step_keeps_the_peaks() {
    let day_ago_s = NOON_S - 7_200;
    let records: Vec<_> =
        [5, 80, 3].iter().zip(0..).map(|(&n, i)| record(day_ago_s + i * 60, 100, n)).collect();
    let thinned = thin(&records, NOON_S);
    assert_eq!(thinned.len(), 1);
    let series = QueueSeries::new(&thinned, &state(100, 3), NOON_S * 1_000, Span::Day);
    let most = series.steps.iter().flatten().map(|step| step.ready).max();
    assert_eq!(most, Some(80));
    assert_eq!(series.now.ready, 3);
}

#[test]
fn mappings_did_nothing_where_nothing_is_written() {
    assert_eq!(MappingRecord::between(&counters(3, 1, 2), &counters(3, 1, 2), NOON_S), None);
    let at_ms = (NOON_S - 90) * 1_000;
    let record = MappingRecord::between(&counters(3, 1, 4), &counters(7, 2, 4), at_ms).unwrap();
    let series = MappingSeries::new(&[record], NOON_S * 1_000, Span::Hour);
    assert_eq!((series.total.invocations, series.total.errors), (4, 1));
    assert_eq!(series.steps.iter().filter(|step| step.invocations == 4).count(), 1);
    assert_eq!(series.steps[0], MappingStep::default());
    let bounds = [3, 4].map(|n: usize| DURATION_BUCKETS[n].as_millis());
    for shown in [series.total.p50_ms, series.total.p99_ms].map(Option::unwrap) {
        assert!(shown > bounds[0] as f64 && shown <= bounds[1] as f64, "{shown}");
    }
}

#[test]
fn durations_are_told_as_well_as_buckets_can() {
    let mut all = counters(100, 0, 2);
    all.duration_buckets = [0; DURATION_BUCKETS.len() + 1];
    all.duration_buckets[2] = 98;
    all.duration_buckets[DURATION_BUCKETS.len()] = 2;
    let record = MappingRecord::between(&CounterValues::default(), &all, NOON_S * 1_000).unwrap();
    let total = MappingSeries::new(&[record], NOON_S * 1_000, Span::Hour).total;
    let p50 = total.p50_ms.unwrap();
    assert!((3.0..10.0).contains(&p50), "{p50}");
    assert_eq!(total.p99_ms, Some(900_000.0), "longer than the last bound");
}

fn arbitrary_state() -> impl Strategy<Value = QueueState> {
    let count = || prop_oneof![Just(0), 0..200_u64, any::<u64>()];
    (count(), count(), count(), count(), count(), proptest::option::of(0..NOON_S * 1_000)).prop_map(
        |(sequence, ready, delayed, in_flight, dead, oldest_sent_ms)| QueueState {
            uid: 7,
            created_ms: 0,
            sequence,
            ready,
            delayed,
            in_flight,
            dead,
            oldest_sent_ms,
        },
    )
}

fn arbitrary_record() -> impl Strategy<Value = (u64, QueueState, bool)> {
    (0..NOON_S + 99, arbitrary_state(), any::<bool>())
}

proptest! {
    #[test]
    fn records_are_read_as_they_were_written(state in arbitrary_state(), gap in any::<bool>()) {
        let record = QueueRecord::of(&state, NOON_S * 1_000, gap);
        prop_assert_eq!(decode::<QueueRecord>(&encode(&record)), vec![record]);
        let joined = record.join(QueueRecord::of(&QueueState::default(), NOON_S * 1_000, false));
        let later = joined.join(QueueRecord::of(&state, (NOON_S + 9) * 1_000, false));
        prop_assert_eq!(decode::<QueueRecord>(&encode(&later)), vec![later]);
    }

    #[test]
    fn bytes_of_strangers_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for span in Span::ALL {
            let records = decode::<QueueRecord>(&bytes);
            let series = QueueSeries::new(&records, &state(1, 1), NOON_S * 1_000, span);
            prop_assert_eq!(series.steps.len(), span.steps());
            compact(&records, NOON_S);
            let records = decode::<MappingRecord>(&bytes);
            MappingSeries::new(&records, NOON_S * 1_000, span);
            compact(&records, NOON_S);
        }
    }

    #[test]
    fn records_with_any_numbers_do_no_harm(
        numbers in proptest::collection::vec(arbitrary_record(), 0..60),
    ) {
        let records: Vec<_> = numbers
            .iter()
            .map(|(at_s, state, gap)| QueueRecord::of(state, at_s * 1_000, *gap))
            .collect();
        let records = decode::<QueueRecord>(&compact(&records, NOON_S));
        for span in Span::ALL {
            let series = QueueSeries::new(&records, &state(1, 1), NOON_S * 1_000, span);
            prop_assert!(series.steps.iter().flatten().all(|s| s.sent >= 0.0 && s.gone >= 0.0));
        }
    }

    #[test]
    fn a_shorter_log_has_the_same_totals(
        steps in proptest::collection::vec((30..4_000_u64, 0..500_u64, 0..100_u64), 1..400),
    ) {
        let week_s = Span::Week.length_s();
        let (mut at_s, mut sequence) = (NOON_S - week_s, 0);
        let mut records = vec![record(at_s, 0, 0)];
        for (pause_s, sent, ready) in steps {
            at_s += pause_s;
            if at_s > NOON_S {
                break;
            }
            sequence += sent;
            records.push(record(at_s, sequence, ready));
        }
        let now = state(sequence, 0);
        let thinned = thin(&records, NOON_S);
        let series = |records| QueueSeries::new(records, &now, NOON_S * 1_000, Span::Week);
        // The first of all says from which number on they are counted.
        let before = thinned[0].join(record(thinned[0].at_s(), 0, 0));
        let counted = sent(&series(&[&[before], &thinned[1..]].concat()));
        prop_assert!((counted - sequence as f64).abs() < 1e-3, "{counted} of {sequence}");
        prop_assert!(compact(&records, NOON_S).len() <= COMPACT_BYTES_MAX);
    }

    #[test]
    fn a_shorter_log_of_a_mapping_has_the_same_totals(
        counts in proptest::collection::vec((30..4_000_u64, 1..500_u64, 0..15_usize), 1..150),
    ) {
        let mut at_s = NOON_S - Span::Week.length_s() + Span::Week.step_s();
        let mut records = Vec::new();
        for (pause_s, invocations, bucket) in counts {
            at_s += pause_s;
            let done = counters(invocations, invocations / 2, bucket);
            let none = CounterValues::default();
            records.extend(MappingRecord::between(&none, &done, at_s * 1_000));
        }
        records.retain(|record| record.at_s() <= NOON_S);
        let series = |records: &[MappingRecord]| {
            MappingSeries::new(records, NOON_S * 1_000, Span::Week).total
        };
        let log = compact(&records, NOON_S);
        prop_assert!(log.len() <= COMPACT_BYTES_MAX);
        prop_assert_eq!(series(&decode(&log)), series(&records));
        prop_assert_eq!(decode::<MappingRecord>(&log), thin(&records, NOON_S));
    }
}

#[test]
fn a_queue_that_is_always_busy_fits_its_log() {
    let busy = |at_s: u64| QueueState {
        in_flight: 40,
        oldest_sent_ms: Some(at_s * 1_000 - 200_000),
        ..state((at_s + 700_000 - NOON_S) * 20, 3_000 + at_s % 100)
    };
    let minutes = 8 * 24 * 60;
    let records: Vec<_> = (0..minutes)
        .map(|minute| NOON_S - (minutes - minute) * 60)
        .map(|at_s| QueueRecord::of(&busy(at_s), at_s * 1_000, false))
        .collect();
    let log = compact(&records, NOON_S);
    assert!(log.len() <= COMPACT_BYTES_MAX, "{}", log.len());
    let kept = decode::<QueueRecord>(&log);
    let series = QueueSeries::new(&kept, &busy(NOON_S), NOON_S * 1_000, Span::Week);
    let known = series.steps.iter().flatten().count();
    assert!(known >= 70, "{known} of {} steps", series.steps.len());
    assert_eq!(thin(&kept, NOON_S), kept, "nothing is left to do");
}
