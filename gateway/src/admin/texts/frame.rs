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
};
