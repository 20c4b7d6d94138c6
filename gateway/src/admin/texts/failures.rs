//! What went wrong.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) no_page: &'static str,
    pub(in crate::admin) no_page_text: &'static str,
    pub(in crate::admin) no_queue: &'static str,
    pub(in crate::admin) no_queue_text: &'static str,
    pub(in crate::admin) no_message: &'static str,
    pub(in crate::admin) no_message_text: &'static str,
    pub(in crate::admin) no_mapping: &'static str,
    pub(in crate::admin) no_mapping_text: &'static str,
    pub(in crate::admin) no_method: &'static str,
    pub(in crate::admin) no_method_text: &'static str,
    pub(in crate::admin) no_invocation: &'static str,
    pub(in crate::admin) no_invocation_text: &'static str,
    pub(in crate::admin) forged: &'static str,
    pub(in crate::admin) forged_text: &'static str,
    pub(in crate::admin) refused: &'static str,
    pub(in crate::admin) refused_text: &'static str,
    pub(in crate::admin) redis: &'static str,
    pub(in crate::admin) redis_text: &'static str,
}

pub(super) const EN: Texts = Texts {
    no_page: "There is no such page",
    no_page_text: "It may have moved; the navigation above leads on.",
    no_queue: "There is no such queue",
    no_queue_text: "It may have been deleted meanwhile.",
    no_message: "There is no such message",
    no_message_text: "It was received and deleted, moved or dropped meanwhile.",
    no_mapping: "There is no such mapping",
    no_mapping_text: "It may have been deleted meanwhile.",
    no_method: "This cannot be done here",
    no_method_text: "Nothing was changed. The navigation above leads on.",
    no_invocation: "This invocation is not known",
    no_invocation_text: "Of each mapping the last 50 failures and the last 50 others are kept, and \
                         only failures outlive a restart or are seen by other gateways.",
    forged: "This form is out of date",
    forged_text: "Nothing was changed. Go back, load the page again, and repeat what you did.",
    refused: "This was refused",
    refused_text: "Nothing was changed. Go back and change what you wrote.",
    redis: "Redis does not do it",
    redis_text: "It is not known whether anything was changed.",
};

pub(super) const KO: Texts = Texts {
    no_page: "페이지가 없습니다",
    no_page_text: "옮겨졌을 수 있습니다. 위의 메뉴에서 찾아보세요.",
    no_queue: "대기열이 없습니다",
    no_queue_text: "그 사이에 삭제되었을 수 있습니다.",
    no_message: "메시지가 없습니다",
    no_message_text: "그 사이에 처리되었거나 옮겨졌거나 버려졌을 수 있습니다.",
    no_mapping: "매핑이 없습니다",
    no_mapping_text: "그 사이에 삭제되었을 수 있습니다.",
    no_method: "여기서는 할 수 없는 일입니다",
    no_method_text: "아무것도 바뀌지 않았습니다. 위의 메뉴에서 찾아보세요.",
    no_invocation: "기록에 없는 호출입니다",
    no_invocation_text: "매핑마다 최근 실패 50건과 그 밖의 최근 호출 50건만 보관하며, 다시 시작한 뒤나 다른 \
                         게이트웨이에서는 실패한 호출만 볼 수 있습니다.",
    forged: "오래된 양식입니다",
    forged_text: "아무것도 바뀌지 않았습니다. 뒤로 가서 페이지를 새로 고친 뒤 다시 해 보세요.",
    refused: "거절되었습니다",
    refused_text: "아무것도 바뀌지 않았습니다. 뒤로 가서 입력한 내용을 고치세요.",
    redis: "Redis가 처리하지 못했습니다",
    redis_text: "바뀌었는지 알 수 없습니다.",
};
