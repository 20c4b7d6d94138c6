//! A queue: what it is, and what is done with it.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) new_title: &'static str,
    pub(in crate::admin) change_title: fn(&str) -> String,
    pub(in crate::admin) delete_title: fn(&str) -> String,
    pub(in crate::admin) purge_title: fn(&str) -> String,
    pub(in crate::admin) redrive_title: fn(&str) -> String,
    pub(in crate::admin) revive_title: fn(&str) -> String,
    pub(in crate::admin) cancel_title: &'static str,
    pub(in crate::admin) exists: fn(&str) -> String,
    pub(in crate::admin) create: &'static str,
    pub(in crate::admin) save: &'static str,
    pub(in crate::admin) name_hint: &'static str,
    pub(in crate::admin) default: &'static str,
    pub(in crate::admin) defaults: &'static str,
    pub(in crate::admin) fifo_only: &'static str,
    pub(in crate::admin) rare: &'static str,
    pub(in crate::admin) range: fn(u64, u64) -> String,
    pub(in crate::admin) attributes: &'static str,
    pub(in crate::admin) value: &'static str,
    pub(in crate::admin) tags: &'static str,
    pub(in crate::admin) tag_key: &'static str,
    pub(in crate::admin) no_tags: &'static str,
    pub(in crate::admin) change: &'static str,
    pub(in crate::admin) send: &'static str,
    pub(in crate::admin) see_messages: &'static str,
    pub(in crate::admin) redrive: &'static str,
    pub(in crate::admin) revive: &'static str,
    pub(in crate::admin) purge: &'static str,
    pub(in crate::admin) delete: &'static str,
    pub(in crate::admin) perils: &'static str,
    pub(in crate::admin) oldest: &'static str,
    pub(in crate::admin) size: &'static str,
    pub(in crate::admin) url: &'static str,
    pub(in crate::admin) mappings: &'static str,
    pub(in crate::admin) no_mappings: &'static str,
    pub(in crate::admin) function: &'static str,
    pub(in crate::admin) batch_size: &'static str,
    pub(in crate::admin) state: &'static str,
    pub(in crate::admin) sources: &'static str,
    pub(in crate::admin) tasks: &'static str,
    pub(in crate::admin) destination: &'static str,
    pub(in crate::admin) back_to_sources: &'static str,
    pub(in crate::admin) progress: &'static str,
    pub(in crate::admin) of_about: fn(u64, u64) -> String,
    pub(in crate::admin) started: &'static str,
    pub(in crate::admin) task_running: &'static str,
    pub(in crate::admin) task_cancelling: &'static str,
    pub(in crate::admin) task_completed: &'static str,
    pub(in crate::admin) task_cancelled: &'static str,
    pub(in crate::admin) task_failed: &'static str,
    pub(in crate::admin) cancel_task: &'static str,
    pub(in crate::admin) cancel_text: &'static str,
    pub(in crate::admin) revive_text: fn(u64) -> String,
    pub(in crate::admin) purge_text: fn(u64) -> String,
    pub(in crate::admin) delete_text: fn(u64) -> String,
    pub(in crate::admin) delete_functions: &'static str,
    pub(in crate::admin) delete_sources: &'static str,
    pub(in crate::admin) type_name: &'static str,
    pub(in crate::admin) mistyped: &'static str,
    pub(in crate::admin) redrive_text: fn(u64) -> String,
    pub(in crate::admin) redrive_chosen: fn(usize) -> String,
    pub(in crate::admin) no_sources: &'static str,
    pub(in crate::admin) other_queue: &'static str,
    pub(in crate::admin) other_name: &'static str,
    pub(in crate::admin) rate: &'static str,
    pub(in crate::admin) rate_hint: &'static str,
    pub(in crate::admin) move_them: &'static str,
    pub(in crate::admin) dies_after: fn(u32, &str) -> String,
    pub(in crate::admin) attribute: fn(&str) -> (&'static str, &'static str),
}

pub(super) const EN: Texts = Texts {
    new_title: "New queue",
    change_title: |queue| format!("Change {queue}"),
    delete_title: |queue| format!("Delete {queue}?"),
    purge_title: |queue| format!("Purge {queue}?"),
    redrive_title: |queue| format!("Move messages of {queue}"),
    revive_title: |queue| format!("Give the dead letters of {queue} back?"),
    cancel_title: "Cancel the task?",
    exists: |queue| format!("There is a queue {queue} already."),
    create: "Create",
    save: "Save",
    name_hint: "1 to 80 letters, digits, - and _; the name of a FIFO queue ends in .fifo.",
    default: "default",
    defaults: "What is left empty is as SQS has it by default.",
    fifo_only: "Only for FIFO queues",
    rare: "Policies and encryption",
    range: |from, to| format!("{from} to {to}"),
    attributes: "Attributes",
    value: "Value",
    tags: "Tags",
    tag_key: "Key",
    no_tags: "There are no tags.",
    change: "Change",
    send: "Send a message",
    see_messages: "See messages",
    redrive: "Move messages back",
    revive: "Give dead letters back",
    purge: "Purge",
    delete: "Delete",
    perils: "What cannot be undone",
    oldest: "Age of the oldest message",
    size: "Size of all messages",
    url: "URL",
    mappings: "Mappings",
    no_mappings: "No function gets the messages of this queue.",
    function: "Function",
    batch_size: "Batch size",
    state: "State",
    sources: "Dead-letter queue of",
    tasks: "Move tasks",
    destination: "To",
    back_to_sources: "where each came from",
    progress: "Moved",
    of_about: |moved, all| format!("{moved} of about {all}"),
    started: "Started",
    task_running: "running",
    task_cancelling: "being cancelled",
    task_completed: "completed",
    task_cancelled: "cancelled",
    task_failed: "failed",
    cancel_task: "Cancel the task",
    cancel_text: "What was moved stays where it is now; the rest stays here.",
    revive_text: |count| {
        format!(
            "Messages that wait to be brought to the dead-letter queue: {count}. They become \
                messages of this queue again, as if never received."
        )
    },
    purge_text: |count| {
        format!(
            "All messages are lost, those in flight too: {count}. The queue stays. Nobody can get \
                them back."
        )
    },
    delete_text: |count| {
        format!("The queue and all its messages are lost: {count}. Nobody can get them back.")
    },
    delete_functions: "These functions get no more messages from it:",
    delete_sources: "Messages that fail in these queues have nowhere to go and stay where they \
        are:",
    type_name: "Type the name of the queue to delete it",
    mistyped: "That is not its name. Nothing was deleted.",
    redrive_text: |count| {
        format!(
            "Messages that can be moved now: {count}. They arrive as new messages, in the \
                background; each once, also if karin stops meanwhile."
        )
    },
    redrive_chosen: |count| {
        format!(
            "Chosen messages: {count}. Those that somebody is receiving stay. They arrive as new \
                messages, in the background; each once, also if karin stops meanwhile."
        )
    },
    no_sources: "This is no dead-letter queue: no queue lets its dead letters come here, so \
        nothing can be moved from it.",
    other_queue: "another queue:",
    other_name: "Name of the other queue",
    rate: "At most so many a second",
    rate_hint: "1 to 500; empty: as fast as it goes.",
    move_them: "Move",
    dies_after: |count, queue| format!("after {count} receives to {queue}"),
    attribute: |name| match name {
        "VisibilityTimeout" => ("Visibility timeout", "Seconds a received message is hidden."),
        "DelaySeconds" => ("Delay", "Seconds before a new message can be received."),
        "MessageRetentionPeriod" => ("Retention", "Seconds after which a message is dropped."),
        "ReceiveMessageWaitTimeSeconds" => ("Wait time", "Seconds a receive waits for messages."),
        "MaximumMessageSize" => ("Largest message", "Bytes, attributes included."),
        "dead-letter-queue" => ("Dead-letter queue", "Name or ARN; of the same type."),
        "max-receives" => ("Receives before a message dies", ""),
        "RedrivePolicy" => ("Dead letters go", ""),
        "RedriveAllowPolicy" => ("Redrive allow policy", "JSON: whose dead letters may come here."),
        "Policy" => ("Policy", "JSON; kept and shown, not enforced."),
        "ContentBasedDeduplication" => {
            ("Content-based deduplication", "Equal bodies count as one.")
        }
        "DeduplicationScope" => ("Deduplication scope", ""),
        "FifoThroughputLimit" => ("Throughput limit", ""),
        "SqsManagedSseEnabled" => ("SQS-managed encryption", "Kept and shown, without effect."),
        "KmsMasterKeyId" => ("KMS key", "Kept and shown, without effect."),
        "KmsDataKeyReusePeriodSeconds" => ("KMS key reuse", "Seconds."),
        "FifoQueue" => ("FIFO queue", ""),
        "CreatedTimestamp" => ("Created", ""),
        "LastModifiedTimestamp" => ("Changed", ""),
        "QueueArn" => ("ARN", ""),
        _ => ("", ""),
    },
};

pub(super) const KO: Texts = Texts {
    new_title: "새 대기열",
    change_title: |queue| format!("{queue} 변경"),
    delete_title: |queue| format!("{queue} 대기열을 삭제할까요?"),
    purge_title: |queue| format!("{queue} 대기열을 비울까요?"),
    redrive_title: |queue| format!("{queue}의 메시지 옮기기"),
    revive_title: |queue| format!("{queue}의 배달 못 한 메시지를 되돌릴까요?"),
    cancel_title: "작업을 취소할까요?",
    exists: |queue| format!("{queue} 대기열이 이미 있습니다."),
    create: "만들기",
    save: "저장",
    name_hint: "영문자, 숫자, -, _ 1~80자입니다. FIFO 대기열의 이름은 .fifo로 끝납니다.",
    default: "기본값",
    defaults: "비워 두면 SQS의 기본값을 씁니다.",
    fifo_only: "FIFO 대기열에만 해당",
    rare: "정책과 암호화",
    range: |from, to| format!("{from}~{to}"),
    attributes: "속성",
    value: "값",
    tags: "태그",
    tag_key: "키",
    no_tags: "태그가 없습니다.",
    change: "변경",
    send: "메시지 보내기",
    see_messages: "메시지 보기",
    redrive: "메시지 되돌려 보내기",
    revive: "배달 못 한 메시지 되돌리기",
    purge: "비우기",
    delete: "삭제",
    perils: "되돌릴 수 없는 작업",
    oldest: "가장 오래된 메시지의 나이",
    size: "모든 메시지의 크기",
    url: "URL",
    mappings: "매핑",
    no_mappings: "이 대기열의 메시지를 받는 함수가 없습니다.",
    function: "함수",
    batch_size: "배치 크기",
    state: "상태",
    sources: "이 대기열로 배달 못 한 메시지를 보내는 대기열",
    tasks: "옮기기 작업",
    destination: "대상",
    back_to_sources: "각 메시지가 온 곳",
    progress: "옮긴 메시지",
    of_about: |moved, all| format!("약 {all}개 중 {moved}개"),
    started: "시작",
    task_running: "실행 중",
    task_cancelling: "취소하는 중",
    task_completed: "완료",
    task_cancelled: "취소됨",
    task_failed: "실패",
    cancel_task: "작업 취소",
    cancel_text: "이미 옮긴 메시지는 그대로 있고 나머지는 여기에 남습니다.",
    revive_text: |count| {
        format!(
            "배달 못 한 메시지 대기열로 옮겨지기를 기다리는 메시지는 {count}개입니다. 한 번도 받지 않은 것처럼 다시 이 대기열의 메시지가 됩니다."
        )
    },
    purge_text: |count| {
        format!(
            "처리 중인 것을 포함해 모든 메시지 {count}개가 사라집니다. 대기열은 남습니다. 메시지는 되살릴 수 없습니다."
        )
    },
    delete_text: |count| {
        format!("대기열과 그 안의 메시지 {count}개가 모두 사라집니다. 되살릴 수 없습니다.")
    },
    delete_functions: "다음 함수는 더 이상 메시지를 받지 못합니다:",
    delete_sources: "다음 대기열에서 실패한 메시지는 갈 곳이 없어 그 자리에 남습니다:",
    type_name: "삭제하려면 대기열 이름을 입력하세요",
    mistyped: "이름이 다릅니다. 아무것도 삭제하지 않았습니다.",
    redrive_text: |count| {
        format!(
            "지금 옮길 수 있는 메시지는 {count}개입니다. 백그라운드에서 새 메시지로 옮겨지며, 그 사이에 karin이 멈추어도 각각 한 번만 도착합니다."
        )
    },
    redrive_chosen: |count| {
        format!(
            "고른 메시지는 {count}개입니다. 누군가 받아서 처리 중인 메시지는 남습니다. 백그라운드에서 새 메시지로 옮겨지며, 그 사이에 karin이 멈추어도 \
                각각 한 번만 도착합니다."
        )
    },
    no_sources: "배달 못 한 메시지 대기열이 아닙니다. 이곳으로 메시지를 보내는 대기열이 없으므로 옮길 수 없습니다.",
    other_queue: "다른 대기열:",
    other_name: "다른 대기열의 이름",
    rate: "초당 최대 개수",
    rate_hint: "1~500입니다. 비워 두면 가능한 한 빨리 옮깁니다.",
    move_them: "옮기기",
    dies_after: |count, queue| format!("{count}번 받은 뒤 {queue}로"),
    attribute: |name| match name {
        "VisibilityTimeout" => ("표시 제한 시간", "받은 메시지를 숨기는 시간(초)입니다."),
        "DelaySeconds" => ("지연", "새 메시지를 받을 수 있을 때까지의 시간(초)입니다."),
        "MessageRetentionPeriod" => ("보존 기간", "메시지를 버릴 때까지의 시간(초)입니다."),
        "ReceiveMessageWaitTimeSeconds" => ("수신 대기 시간", "메시지를 기다리는 시간(초)입니다."),
        "MaximumMessageSize" => ("최대 메시지 크기", "속성을 포함한 바이트 수입니다."),
        "dead-letter-queue" => {
            ("배달 못 한 메시지 대기열", "이름이나 ARN입니다. 유형이 같아야 합니다.")
        }
        "max-receives" => ("최대 수신 횟수", ""),
        "RedrivePolicy" => ("배달 못 한 메시지", ""),
        "RedriveAllowPolicy" => ("재구동 허용 정책", "JSON: 이곳으로 보낼 수 있는 대기열입니다."),
        "Policy" => ("정책", "JSON: 보관하고 보여 주기만 합니다."),
        "ContentBasedDeduplication" => ("내용 기반 중복 제거", "본문이 같으면 하나로 봅니다."),
        "DeduplicationScope" => ("중복 제거 범위", ""),
        "FifoThroughputLimit" => ("처리량 제한", ""),
        "SqsManagedSseEnabled" => ("SQS 관리형 암호화", "보관하고 보여 주기만 합니다."),
        "KmsMasterKeyId" => ("KMS 키", "보관하고 보여 주기만 합니다."),
        "KmsDataKeyReusePeriodSeconds" => ("KMS 키 재사용", "초 단위입니다."),
        "FifoQueue" => ("FIFO 대기열", ""),
        "CreatedTimestamp" => ("만든 때", ""),
        "LastModifiedTimestamp" => ("바꾼 때", ""),
        "QueueArn" => ("ARN", ""),
        _ => ("", ""),
    },
};
