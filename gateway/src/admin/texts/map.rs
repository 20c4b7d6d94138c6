//! The drawing of queues, functions and dead-letter queues.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) title: &'static str,
    pub(in crate::admin) text: &'static str,
    pub(in crate::admin) label: fn(usize) -> String,
    pub(in crate::admin) queues: &'static str,
    pub(in crate::admin) functions: &'static str,
    pub(in crate::admin) dead: &'static str,
    pub(in crate::admin) as_list: &'static str,
    pub(in crate::admin) left_out: fn(usize) -> String,
    pub(in crate::admin) messages: fn(u64) -> String,
    pub(in crate::admin) no_queue: &'static str,
    pub(in crate::admin) flow: fn(&str, &str) -> String,
    pub(in crate::admin) flow_dead: fn(&str) -> String,
}

pub(super) const EN: Texts = Texts {
    title: "Drawing",
    text: "Where messages go: from queues to functions, and to a dead-letter queue after too many \
           receives. Each line is a mapping; its colour is its state.",
    label: |count| match count {
        1 => "1 mapping, drawn; the same stands in the list below".to_owned(),
        count => format!("{count} mappings, drawn; the same stands in the list below"),
    },
    queues: "Queues",
    functions: "Functions",
    dead: "Dead-letter queues",
    as_list: "The same as a list",
    left_out: |count| match count {
        1 => "1 more mapping is not drawn.".to_owned(),
        count => format!("{count} more mappings are not drawn."),
    },
    messages: |count| match count {
        1 => "1 message".to_owned(),
        count => format!("{count} messages"),
    },
    no_queue: "does not exist",
    flow: |queue, function| format!("{queue} → {function}"),
    flow_dead: |dead| format!("dead letters go to {dead}"),
};

pub(super) const KO: Texts = Texts {
    title: "그림",
    text: "메시지가 가는 길입니다. 대기열에서 함수로 가고, 너무 여러 번 수신되면 배달 못 한 \
           메시지 대기열(DLQ)로 갑니다. 선 하나가 매핑 하나이며 색은 상태를 나타냅니다.",
    label: |count| format!("매핑 {count}개의 그림. 아래 목록에도 같은 내용이 있습니다"),
    queues: "대기열",
    functions: "함수",
    dead: "배달 못 한 메시지 대기열(DLQ)",
    as_list: "목록으로 보기",
    left_out: |count| format!("그 밖의 매핑 {count}개는 그리지 않았습니다."),
    messages: |count| format!("메시지 {count}개"),
    no_queue: "없는 대기열",
    flow: |queue, function| format!("{queue} → {function}"),
    flow_dead: |dead| format!("배달 못 한 메시지는 {dead}(으)로 갑니다"),
};
