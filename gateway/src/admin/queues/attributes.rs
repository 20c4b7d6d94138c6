//! A queue's attributes: as fields of a form, and in words.

use super::form::Fields;
use super::words;
use crate::admin::texts::Lang;
use crate::queues::{QueueName, RedrivePolicy};

/// The field with the name or ARN of the dead-letter queue.
const TARGET: &str = "dead-letter-queue";
/// The field with the receives after which a message dies.
const RECEIVES: &str = "max-receives";
/// The attribute both are.
const REDRIVE: &str = "RedrivePolicy";
/// What stands before the name of a hidden field with what a field was before.
const BEFORE: &str = "was-";

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number in a range.
    Number(u64, u64),
    /// One of these; empty: SQS's default.
    Choice(&'static [&'static str]),
    /// A line.
    Line,
    /// Several lines.
    Lines,
}

/// Which queues have an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    All,
    Fifo,
}

/// A field of the form.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name: the attribute's, or one of ours.
    pub(super) name: &'static str,
    /// What it is called.
    pub(super) label: &'static str,
    /// What is to be known about it.
    pub(super) hint: String,
    /// How it is filled in.
    pub(super) kind: Kind,
    /// What is in it.
    pub(super) value: String,
    /// What was in it when the form was made.
    pub(super) before: String,
    /// Whether few people need it.
    pub(super) is_rare: bool,
    /// Whether only FIFO queues have it.
    pub(super) is_fifo_only: bool,
}

const BOOLEAN: Kind = Kind::Choice(&["true", "false"]);

/// All fields: name, kind, whose, whether it is rare.
const FIELDS: [(&str, Kind, Whose, bool); 15] = [
    ("VisibilityTimeout", Kind::Number(0, 43_200), Whose::All, false),
    ("DelaySeconds", Kind::Number(0, 900), Whose::All, false),
    ("MessageRetentionPeriod", Kind::Number(60, 1_209_600), Whose::All, false),
    ("ReceiveMessageWaitTimeSeconds", Kind::Number(0, 20), Whose::All, false),
    ("MaximumMessageSize", Kind::Number(1_024, 1_048_576), Whose::All, false),
    (TARGET, Kind::Line, Whose::All, false),
    (RECEIVES, Kind::Number(1, 1_000), Whose::All, false),
    ("ContentBasedDeduplication", BOOLEAN, Whose::Fifo, false),
    ("DeduplicationScope", Kind::Choice(&["queue", "messageGroup"]), Whose::Fifo, false),
    ("FifoThroughputLimit", Kind::Choice(&["perQueue", "perMessageGroupId"]), Whose::Fifo, false),
    ("RedriveAllowPolicy", Kind::Lines, Whose::All, true),
    ("Policy", Kind::Lines, Whose::All, true),
    ("SqsManagedSseEnabled", BOOLEAN, Whose::All, true),
    ("KmsMasterKeyId", Kind::Line, Whose::All, true),
    ("KmsDataKeyReusePeriodSeconds", Kind::Number(60, 86_400), Whose::All, true),
];

impl Field {
    /// The name of the hidden field with [`Field::before`].
    pub(super) fn before_name(&self) -> String {
        format!("{BEFORE}{}", self.name)
    }

    /// Whether this is what is chosen.
    pub(super) fn is(&self, choice: &str) -> bool {
        self.value == choice
    }
}

/// The fields for a queue with these attributes. `is_fifo`: `None` where that is to be chosen.
pub(super) fn fields(
    lang: Lang,
    attributes: &[(&'static str, String)],
    is_fifo: Option<bool>,
) -> Vec<Field> {
    all(lang, is_fifo, |name| {
        let value = value_of(attributes, name);
        (value.clone(), value)
    })
}

/// The same as somebody filled them in.
pub(super) fn filled(lang: Lang, form: &Fields, is_fifo: Option<bool>) -> Vec<Field> {
    all(lang, is_fifo, |name| {
        (form.get(name).to_owned(), form.get(&format!("{BEFORE}{name}")).to_owned())
    })
}

fn all(lang: Lang, is_fifo: Option<bool>, values: impl Fn(&str) -> (String, String)) -> Vec<Field> {
    let fits = |whose: Whose| whose == Whose::All || is_fifo != Some(false);
    let fields = FIELDS.into_iter().filter(|(_, _, whose, _)| fits(*whose));
    let fields = fields.map(|(name, kind, whose, is_rare)| {
        let (value, before) = values(name);
        let is_fifo_only = whose == Whose::Fifo;
        let t = &lang.texts().queue;
        let (label, hint) = (t.attribute)(name);
        let hint = match kind {
            Kind::Number(from, to) => format!("{hint} {}.", (t.range)(from, to)),
            _ => hint.to_owned(),
        };
        Field { name, label, hint, kind, value, before, is_rare, is_fifo_only }
    });
    fields.collect()
}

fn value_of(attributes: &[(&'static str, String)], name: &str) -> String {
    let stored = |name: &str| attributes.iter().find(|(other, _)| *other == name);
    let policy = || stored(REDRIVE).and_then(|(_, text)| RedrivePolicy::of_stored(text));
    let value = match name {
        TARGET => policy().map(|policy| target_of(&policy)),
        RECEIVES => policy().map(|policy| policy.max_receive_count.to_string()),
        name => stored(name).map(|(_, value)| value.clone()),
    };
    value.unwrap_or_default()
}

/// A queue is named by its name; what is none by what it is.
fn target_of(policy: &RedrivePolicy) -> String {
    let arn = &policy.dead_letter_target_arn;
    QueueName::of_arn(arn).map_or_else(|| arn.clone(), |queue| queue.to_string())
}

/// The attributes that somebody filled in otherwise than they were. Line ends of browsers become
/// those of everybody else. `arn`: makes a queue's ARN.
pub(super) fn changed(fields: &[Field], arn: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let is_changed = |field: &&Field| trimmed(&field.value) != trimmed(&field.before);
    let mut changed: Vec<(String, String)> = Vec::new();
    for field in fields.iter().filter(is_changed) {
        match field.name {
            TARGET | RECEIVES if changed.iter().any(|(name, _)| name == REDRIVE) => {}
            TARGET | RECEIVES => changed.push((REDRIVE.to_owned(), policy(fields, &arn))),
            name => changed.push((name.to_owned(), trimmed(&field.value))),
        }
    }
    changed
}

/// The RedrivePolicy of both fields; empty if both are. What is wrong with it SQS says.
fn policy(fields: &[Field], arn: impl Fn(&str) -> String) -> String {
    let value = |name| {
        let field = fields.iter().find(|field| field.name == name);
        field.map(|field| trimmed(&field.value)).unwrap_or_default()
    };
    let (target, receives) = (value(TARGET), value(RECEIVES));
    let mut policy = serde_json::Map::new();
    if !target.is_empty() {
        let target = if target.contains(':') { target } else { arn(&target) };
        policy.insert("deadLetterTargetArn".to_owned(), target.into());
    }
    if !receives.is_empty() {
        policy.insert("maxReceiveCount".to_owned(), receives.into());
    }
    if policy.is_empty() { String::new() } else { serde_json::Value::Object(policy).to_string() }
}

fn trimmed(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
}

/// An attribute's value in words; empty where it says all itself.
pub(super) fn in_words(lang: Lang, name: &str, value: &str) -> String {
    let number = || value.parse::<u64>().ok();
    let words = match name {
        "VisibilityTimeout"
        | "DelaySeconds"
        | "MessageRetentionPeriod"
        | "ReceiveMessageWaitTimeSeconds"
        | "KmsDataKeyReusePeriodSeconds" => number().map(|seconds| words::duration(lang, seconds)),
        "MaximumMessageSize" => number().map(words::bytes),
        REDRIVE => RedrivePolicy::of_stored(value).map(|policy| {
            let told = lang.texts().queue.dies_after;
            told(policy.max_receive_count, &target_of(&policy))
        }),
        _ => None,
    };
    words.unwrap_or_default()
}

/// The queue that an attribute's value says dead letters go to.
pub(super) fn target_in(name: &str, value: &str) -> Option<QueueName> {
    let policy = RedrivePolicy::of_stored(value).filter(|_| name == REDRIVE)?;
    QueueName::of_arn(&policy.dead_letter_target_arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:sqs:r:0:{name}")
    }

    #[test]
    fn only_what_somebody_changed_is_set() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:r:0:d","maxReceiveCount":3}"#;
        let stored = [("VisibilityTimeout", "30".to_owned()), (REDRIVE, policy.to_owned())];
        let mut fields = fields(Lang::En, &stored, Some(false));
        assert_eq!(changed(&fields, arn), []);
        let mut set = |name: &str, value: &str| {
            let field = fields.iter_mut().find(|field| field.name == name).expect(name);
            value.clone_into(&mut field.value);
        };
        set("VisibilityTimeout", " 31 ");
        set(RECEIVES, "4");
        set("Policy", "{\r\n}");
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:r:0:d","maxReceiveCount":"4"}"#;
        let expected = [("VisibilityTimeout", "31"), (REDRIVE, policy), ("Policy", "{\n}")];
        assert_eq!(changed(&fields, arn), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_policy_of_neither_is_none() {
        let stored =
            [(REDRIVE, r#"{"deadLetterTargetArn":"arn:x:d","maxReceiveCount":3}"#.to_owned())];
        let mut fields = fields(Lang::En, &stored, Some(false));
        for field in &mut fields {
            field.value.clear();
        }
        assert_eq!(changed(&fields, arn), [(REDRIVE.to_owned(), String::new())]);
    }

    #[test]
    fn only_fifo_queues_have_the_fields_of_fifo_queues() {
        let names = |is_fifo| fields(Lang::En, &[], is_fifo).len();
        assert_eq!([Some(false), Some(true), None].map(names), [12, 15, 15]);
    }

    #[test]
    fn values_are_told_in_words() {
        let words = |name, value| in_words(Lang::En, name, value);
        assert_eq!(words("MessageRetentionPeriod", "345600"), "4 days");
        assert_eq!(words("MaximumMessageSize", "1048576"), "1 MiB");
        assert_eq!(words("VisibilityTimeout", "2.5"), "");
        assert_eq!(words("Policy", "{}"), "");
    }
}
