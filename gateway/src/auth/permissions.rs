//! What a key or token may do.

use crate::lambda::Operation;
use crate::protocol::request::Action;

/// What may be done that is no action of SQS or Lambda: to read the metrics.
pub const GET_METRICS: &str = "GetMetrics";

/// The actions and queues a key or token is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Patterns of actions; none: all actions.
    actions: Vec<Pattern>,
    /// Patterns of queue names; none: all queues, and what is about none.
    queues: Vec<Pattern>,
}

impl Permissions {
    /// Reads `actions=SendMessage|Receive*` and `queues=orders|orders-*`, in any order.
    ///
    /// Errors: what is wrong, without repeating what was written; it could be part of a secret.
    pub fn parse<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut permissions = Self::default();
        for part in parts {
            let (list, patterns) = match part.split_once('=') {
                Some(("actions", patterns)) => (&mut permissions.actions, patterns),
                Some(("queues", patterns)) => (&mut permissions.queues, patterns),
                _ => return Err("only actions= and queues= may follow after a comma".to_owned()),
            };
            if !list.is_empty() {
                return Err("actions= and queues= may come once each".to_owned());
            }
            list.extend(patterns.split('|').map(|pattern| Pattern(pattern.to_owned())));
        }
        for pattern in &permissions.actions {
            let sqs = Action::ALL.iter().map(|action| permitted_as(action.name()));
            let lambda = Operation::ALL.iter().map(|operation| operation.permission());
            let ours = [GET_METRICS].into_iter();
            if !sqs.chain(lambda).chain(ours).any(|name| pattern.matches(name)) {
                return Err(format!(
                    "actions={} permits nothing: it is no action of SQS (SendMessage permits \
                     SendMessageBatch too) or Lambda (InvokeFunction permits Invoke), and not \
                     {GET_METRICS}",
                    pattern.0
                ));
            }
        }
        if let Some(pattern) = permissions.queues.iter().find(|pattern| !pattern.is_of_names()) {
            return Err(format!("queues={} is no pattern of queues' names", pattern.0));
        }
        Ok(permissions)
    }

    /// Whether there is any limit.
    pub fn are_limited(&self) -> bool {
        !self.actions.is_empty() || !self.queues.is_empty()
    }

    /// The patterns of actions it is limited to; none: no limit.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.iter().map(|pattern| pattern.0.as_str())
    }

    /// The patterns of queues it is limited to; none: no limit.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.iter().map(|pattern| pattern.0.as_str())
    }

    /// Whether the action of this name is allowed on some queue.
    pub fn allow_action(&self, action: &str) -> bool {
        any(&self.actions, permitted_as(action))
    }

    /// Whether the metrics may be read, which show all queues: by who may do everything, or whose
    /// actions name that and whose queues are not limited. A pattern that happens to fit, such as
    /// `Get*`, is not enough: it was meant for queues.
    pub fn allow_metrics(&self) -> bool {
        let is_named = |pattern: &Pattern| [GET_METRICS, "*"].contains(&pattern.0.as_str());
        !self.are_limited() || self.actions.iter().any(is_named) && self.allow_queue(None)
    }

    /// Whether something is allowed on this queue; `None`: on none, on several, or on one that
    /// cannot be.
    pub fn allow_queue(&self, queue: Option<&str>) -> bool {
        // The empty name is matched by `*` alone.
        any(&self.queues, queue.unwrap_or_default())
    }
}

fn any(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

/// The name an action is permitted by: `SendMessageBatch` is a `SendMessage`.
///
/// Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html>.
pub fn permitted_as(action: &str) -> &str {
    action.strip_suffix("Batch").unwrap_or(action)
}

/// A text in which each `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(String);

impl Pattern {
    fn is_of_names(&self) -> bool {
        !self.0.is_empty()
            && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*".contains(&b))
    }

    /// The pieces between the stars stand in the text in their order, the first at its start and
    /// the last at its end; the leftmost place for each in between is as good as any.
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inside = text.strip_prefix(first).and_then(|text| text.strip_suffix(last));
        let place = |text, piece: &str| -> Option<&str> {
            let text: &str = text;
            text.split_once(piece).map(|(_, after)| after)
        };
        inside.is_some_and(|inside| middle.split('*').try_fold(inside, place).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn permissions(text: &str) -> Permissions {
        Permissions::parse(text.split(',')).unwrap()
    }

    impl Permissions {
        fn allow(&self, action: &str, queue: Option<&str>) -> bool {
            self.allow_action(action) && self.allow_queue(queue)
        }
    }

    #[test]
    fn nothing_said_means_everything() {
        let all = Permissions::default();
        assert!(!all.are_limited());
        assert!(all.allow("DeleteQueue", Some("orders")) && all.allow("ListQueues", None));
    }

    #[test]
    fn actions_and_queues_limit_together() {
        let some = permissions("queues=orders|logs-*,actions=SendMessage|Receive*");
        for (action, queue, allowed) in [
            ("SendMessage", Some("orders"), true),
            ("SendMessageBatch", Some("logs-"), true),
            ("ReceiveMessage", Some("logs-a.fifo"), true),
            ("DeleteMessage", Some("orders"), false),
            ("SendMessage", Some("orders-2"), false),
            ("SendMessage", None, false),
            ("ListQueues", None, false),
        ] {
            assert_eq!(some.allow(action, queue), allowed, "{action} {queue:?}");
        }
        assert!(permissions("actions=ListQueues").allow("ListQueues", None));
        assert!(permissions("queues=*").allow("ListQueues", None));
    }

    #[test]
    fn the_metrics_are_for_who_may_do_all_and_whose_actions_name_them() {
        for (written, allowed) in [
            ("actions=GetMetrics", true),
            ("actions=SendMessage|GetMetrics", true),
            ("actions=*", true),
            ("queues=*,actions=GetMetrics", true),
            ("actions=Get*", false),
            ("actions=SendMessage", false),
            ("queues=*", false),
            ("queues=orders,actions=GetMetrics", false),
        ] {
            assert_eq!(permissions(written).allow_metrics(), allowed, "{written}");
        }
        assert!(Permissions::default().allow_metrics());
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("**a**", "bab", true),
            ("a*bc*c", "abc", false),
            ("", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn limits_that_permit_nothing_are_refused_without_repeating_what_may_be_a_secret() {
        for (text, words) in [
            ("actions=Sendmessage", "no action"),
            ("actions=SendMessageBatch", "no action"),
            ("actions=", "no action"),
            ("queues=a b", "queues=a b"),
            ("queues=a||b", "queues="),
            ("queues=a,queues=b", "once"),
            ("hunter2", "only actions="),
            ("hunter=2", "only actions="),
        ] {
            let error = Permissions::parse(text.split(',')).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter"), "{error}");
        }
    }
}
