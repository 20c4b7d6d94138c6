//! Filters, tried on the messages of a queue.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) title: fn(&str) -> String,
    pub(in crate::admin) text: &'static str,
    pub(in crate::admin) patterns: &'static str,
    pub(in crate::admin) hint: &'static str,
    pub(in crate::admin) button: &'static str,
    pub(in crate::admin) passes: &'static str,
    pub(in crate::admin) filtered: &'static str,
    pub(in crate::admin) message: &'static str,
    pub(in crate::admin) body: &'static str,
    pub(in crate::admin) verdict: &'static str,
    pub(in crate::admin) result: fn(usize, usize) -> String,
    pub(in crate::admin) more: &'static str,
    pub(in crate::admin) empty: &'static str,
}

pub(super) const EN: Texts = Texts {
    title: |queue| format!("Try filter patterns on {queue}"),
    text: "The first 100 messages of the queue are looked at, in whatever state they are. They are \
           not received, and nothing happens to them.",
    patterns: "Filter patterns",
    hint: "JSON, one pattern after the other, or a whole FilterCriteria. A message passes if any \
           of them accepts it. With a mapping's filters, what does not pass is deleted.",
    button: "Try",
    passes: "passes",
    filtered: "filtered out",
    message: "Message",
    body: "Body",
    verdict: "Verdict",
    result: |passed, seen| format!("{passed} of {seen} messages pass."),
    more: "There are more messages in the queue.",
    empty: "There is no message in the queue to try them on. The patterns are valid.",
};

pub(super) const KO: Texts = Texts {
    title: |queue| format!("{queue}에 필터 패턴 시험"),
    text: "대기열의 처음 메시지 100개를 상태와 관계없이 살펴봅니다. 수신하지 않으며, 메시지에는 \
           아무 변화도 없습니다.",
    patterns: "필터 패턴",
    hint: "JSON 패턴을 차례로 쓰거나 FilterCriteria 전체를 쓰세요. 그중 하나라도 받아들이면 \
           메시지가 통과합니다. 매핑의 필터에서는 통과하지 못한 메시지가 삭제됩니다.",
    button: "시험",
    passes: "통과",
    filtered: "걸러짐",
    message: "메시지",
    body: "본문",
    verdict: "판정",
    result: |passed, seen| format!("메시지 {seen}개 중 {passed}개가 통과합니다."),
    more: "대기열에 메시지가 더 있습니다.",
    empty: "대기열에 시험할 메시지가 없습니다. 패턴은 올바릅니다.",
};
