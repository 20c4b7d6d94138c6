//! Around every page.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) skip: &'static str,
    pub(in crate::admin) navigation: &'static str,
    pub(in crate::admin) cancel: &'static str,
    pub(in crate::admin) queues: &'static str,
    pub(in crate::admin) mappings: &'static str,
    pub(in crate::admin) functions: &'static str,
    pub(in crate::admin) invocations: &'static str,
    pub(in crate::admin) settings: &'static str,
    pub(in crate::admin) sign_out: &'static str,
    pub(in crate::admin) lost: &'static str,
    pub(in crate::admin) redis_away: &'static str,
}

pub(super) const EN: Texts = Texts {
    skip: "Skip to the content",
    navigation: "Pages",
    cancel: "Cancel",
    queues: "Queues",
    mappings: "Mappings",
    functions: "Functions",
    invocations: "Invocations",
    settings: "Settings",
    sign_out: "Sign out",
    lost: "karin does not answer. What you see is from before; it goes on by itself.",
    redis_away: "Redis is away. What you see is from before; it goes on by itself.",
};

pub(super) const KO: Texts = Texts {
    skip: "본문으로 건너뛰기",
    navigation: "페이지",
    cancel: "취소",
    queues: "대기열",
    mappings: "매핑",
    functions: "함수",
    invocations: "호출",
    settings: "설정",
    sign_out: "로그아웃",
    lost: "karin이 응답하지 않습니다. 보이는 내용은 그 전의 것이며, 연결되면 저절로 이어집니다.",
    redis_away: "Redis에 연결할 수 없습니다. 보이는 내용은 그 전의 것이며, 연결되면 저절로 이어집니다.",
};
