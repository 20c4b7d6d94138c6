//! A snapshot as tables.

use crate::{
    cli::{
        colours::{Colours, Tone},
        shown::{line, span},
        states::{reason_of, tone_of, word_for},
        table::{self, Cell},
    },
    lambda::{FleetStatus, GatewayInfo, MappingStatus},
};

use super::{QueueLine, Snapshot};

/// All tables, an empty line between two of them.
pub(super) fn lines(snapshot: &Snapshot, colours: Colours) -> Vec<String> {
    let mut all = queues(&snapshot.queues, colours);
    let more = match &snapshot.fleet {
        Ok(fleet) => gateways_and_mappings(fleet, snapshot.at_ms, colours),
        Err(why) => vec![faint(&format!("Mappings are not known: {}", line(why)), colours)],
    };
    all.push(String::new());
    all.extend(more);
    all
}

fn queues(queues: &[QueueLine], colours: Colours) -> Vec<String> {
    if queues.is_empty() {
        return vec![faint("There are no queues.", colours)];
    }
    let titles = ["QUEUE", " READY", " DELAYED", " IN FLIGHT", " DEAD", " OLDEST", " NEXT DUE"];
    let rows: Vec<_> = queues.iter().map(queue_row).collect();
    table::lines(titles, &rows, colours)
}

fn queue_row(queue: &QueueLine) -> [Cell; 7] {
    [
        queue.name.as_str().into(),
        Cell::count(queue.ready, Tone::Plain),
        Cell::count(queue.delayed, Tone::Plain),
        Cell::count(queue.in_flight, Tone::Plain),
        Cell::count(queue.dead, Tone::Warning),
        queue.oldest_ms.map_or_else(nothing, |oldest| span(oldest).into()),
        match queue.next_due_ms {
            None => nothing(),
            Some(0) => "now".into(),
            Some(due) => span(due).into(),
        },
    ]
}

fn gateways_and_mappings(fleet: &FleetStatus, now_ms: u64, colours: Colours) -> Vec<String> {
    let mut all = Vec::new();
    if !fleet.trigger.mappings.is_empty() {
        let titles = [
            "MAPPING",
            "FUNCTION",
            "STATE",
            " RUNNING",
            " INVOKED",
            " ERRORS",
            " THROTTLES",
            " DELETED",
            " FILTERED",
            "REASON",
        ];
        let rows: Vec<_> = fleet.trigger.mappings.iter().map(mapping_row).collect();
        all.extend(table::lines(titles, &rows, colours));
        all.push(String::new());
    }
    if fleet.gateways.is_empty() {
        all.push(colours.paint(Tone::Warning, "No karin answers."));
    } else {
        let rows: Vec<_> = fleet.gateways.iter().map(|info| gateway_row(info, now_ms)).collect();
        all.extend(table::lines(["GATEWAY", "VERSION", "LISTENS ON", " UP"], &rows, colours));
    }
    for silent in &fleet.silent {
        all.push(colours.paint(Tone::Warning, &format!("{} does not answer", line(silent))));
    }
    for remark in fleet.trigger.not_served.iter().chain(&fleet.trigger.remarks) {
        all.push(faint(&line(remark), colours));
    }
    all
}

fn mapping_row(mapping: &MappingStatus) -> [Cell; 10] {
    let MappingStatus { queue, function_name, counters, .. } = mapping;
    [
        line(queue).into(),
        line(function_name).into(),
        Cell::new(word_for(mapping), tone_of(mapping)),
        Cell::count(mapping.running, Tone::Plain),
        Cell::count(counters.invocations, Tone::Plain),
        Cell::count(counters.errors, Tone::Bad),
        Cell::count(counters.throttles, Tone::Warning),
        Cell::count(counters.deleted, Tone::Plain),
        Cell::count(counters.filtered_out, Tone::Plain),
        line(reason_of(mapping)).into(),
    ]
}

fn gateway_row(info: &GatewayInfo, now_ms: u64) -> [Cell; 4] {
    let up = span(now_ms.saturating_sub(info.started_ms));
    [line(&info.id).into(), line(&info.version).into(), line(&info.listen).into(), up.into()]
}

fn nothing() -> Cell {
    Cell::new("-", Tone::Faint)
}

fn faint(text: &str, colours: Colours) -> String {
    colours.paint(Tone::Faint, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::{StateStatus, TriggerStatus};

    #[test]
    fn a_paused_mapping_has_its_reason_and_hostile_texts_are_harmless() {
        let reason = "no \u{1b}[2J".to_owned();
        let mapping = MappingStatus {
            queue: "orders".to_owned(),
            function_name: "worker".to_owned(),
            state: StateStatus::Paused { reason, since_ms: 0, next_probe_ms: 0 },
            ..MappingStatus::default()
        };
        let trigger = TriggerStatus { mappings: vec![mapping], ..TriggerStatus::default() };
        let fleet = Ok(FleetStatus { trigger, ..FleetStatus::default() });
        let snapshot = Snapshot { at_ms: 0, queues: vec![], fleet };
        let text = lines(&snapshot, Colours::none()).join("\n");
        assert!(text.contains("orders   worker    paused"), "{text}");
        assert!(text.contains(r"no \u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
        assert!(text.contains("There are no queues.") && text.contains("No karin answers."));
    }
}
