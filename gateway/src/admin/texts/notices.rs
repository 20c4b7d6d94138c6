//! What was done, told at the top of the page that follows. The codes stand in its URL.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    /// The text of a code; `None`: there is no such code.
    pub(in crate::admin) of: fn(&str) -> Option<&'static str>,
}

pub(super) const EN: Texts = Texts {
    of: |code| {
        Some(match code {
            "saved" => "Saved.",
            "mapping-started" => "The mapping was started.",
            "mapping-stopped" => "The mapping was stopped. Invocations that run may finish.",
            "mapping-draining" => "The mapping stops once its queue is empty.",
            "mapping-looked" => "The function is looked at again.",
            "sync-started" => "AWS is being read; what comes of it stands below.",
            _ => return None,
        })
    },
};

pub(super) const KO: Texts = Texts {
    of: |code| {
        Some(match code {
            "saved" => "저장했습니다.",
            "mapping-started" => "매핑을 시작했습니다.",
            "mapping-stopped" => "매핑을 중지했습니다. 실행 중인 호출은 끝까지 실행됩니다.",
            "mapping-draining" => "대기열이 비면 매핑이 중지됩니다.",
            "mapping-looked" => "함수를 다시 확인합니다.",
            "sync-started" => "AWS를 읽고 있습니다. 결과는 아래에 나옵니다.",
            _ => return None,
        })
    },
};
