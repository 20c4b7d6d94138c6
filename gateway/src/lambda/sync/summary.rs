//! What a reading changed, for people.

use std::fmt;

use crate::lambda::mapping::Mapping;

/// Mappings named of each kind at most.
const NAMED_MAX: usize = 5;

/// How AWS's mappings that are ours differ from those before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::lambda) struct Summary {
    served: usize,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    warnings: usize,
}

impl Summary {
    /// Compares.
    pub(in crate::lambda) fn of(before: &[Mapping], now: &[Mapping], warnings: usize) -> Self {
        let same = |mapping: &Mapping, all: &[Mapping]| -> Option<Mapping> {
            all.iter().find(|other| other.uuid == mapping.uuid).cloned()
        };
        let mut summary = Self { served: now.len(), warnings, ..Self::default() };
        for mapping in now {
            match same(mapping, before) {
                None => summary.added.push(words(mapping)),
                Some(old) if old != *mapping => summary.changed.push(words(mapping)),
                Some(_) => {}
            }
        }
        let gone = before.iter().filter(|mapping| same(mapping, now).is_none());
        summary.removed = gone.map(words).collect();
        summary
    }

    /// Whether the mappings are what they were.
    pub(in crate::lambda) fn is_nothing(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// `orders -> f`.
pub(in crate::lambda) fn words(mapping: &Mapping) -> String {
    format!("{} -> {}", mapping.queue, mapping.function_name())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mappings of AWS are served here", self.served)?;
        if self.is_nothing() {
            f.write_str(", as before")?;
        }
        let kinds = [(&self.added, "new"), (&self.changed, "changed"), (&self.removed, "gone")];
        for (mappings, kind) in kinds.into_iter().filter(|(mappings, _)| !mappings.is_empty()) {
            let named = mappings.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = if mappings.len() > NAMED_MAX { ", ..." } else { "" };
            write!(f, "; {} {kind} ({named}{more})", mappings.len())?;
        }
        match self.warnings {
            0 => Ok(()),
            1 => f.write_str("; 1 warning"),
            warnings => write!(f, "; {warnings} warnings"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::lambda::document::MappingDocument;
    use crate::lambda::mapping::select;

    fn mapping(queue: &str, batch_size: u32) -> Mapping {
        let document = MappingDocument {
            uuid: queue.to_owned(),
            event_source_arn: Some(format!("arn:aws:sqs:eu-west-1:111122223333:{queue}")),
            function_arn: Some("arn:aws:lambda:eu-west-1:111122223333:function:f".to_owned()),
            state: Some("Disabled".to_owned()),
            batch_size: Some(batch_size),
            ..MappingDocument::default()
        };
        select(&[document], &HashSet::new()).ours.remove(0)
    }

    #[test]
    fn people_read_what_is_new_changed_and_gone() {
        let before = [mapping("a", 1), mapping("b", 1), mapping("c", 1)];
        let now = [mapping("b", 1), mapping("c", 2), mapping("d", 1)];
        assert_eq!(
            Summary::of(&before, &now, 2).to_string(),
            "3 mappings of AWS are served here; 1 new (d -> f); 1 changed (c -> f); \
             1 gone (a -> f); 2 warnings"
        );
        let same = Summary::of(&now, &now, 1);
        assert_eq!(same.to_string(), "3 mappings of AWS are served here, as before; 1 warning");
        let many: Vec<Mapping> = (0..7).map(|n| mapping(&format!("q{n}"), 1)).collect();
        let text = Summary::of(&[], &many, 0).to_string();
        assert!(text.ends_with("7 new (q0 -> f, q1 -> f, q2 -> f, q3 -> f, q4 -> f, ...)"));
    }
}
