//! What was done, told at the top of the page that follows. The codes stand in its URL.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    /// The text of a code; `None`: there is no such code.
    pub(in crate::admin) of: fn(&str) -> Option<&'static str>,
}

pub(super) const EN: Texts = Texts {
    of: |code| {
        Some(match code {
            "messages-deleted" => "Deleted.",
            "messages-gone" => "They were gone already.",
            "messages-some-stayed" => {
                "Those that somebody is receiving were not deleted; the others were."
            }
            "moving" => "The messages are being moved.",
            "queue-changed" => "The attributes were changed.",
            "queue-created" => "The queue was created.",
            "queue-deleted" => "The queue was deleted.",
            "queue-purged" => "The queue was purged.",
            "revived" => "The dead letters are messages of this queue again.",
            "tags-changed" => "The tags were changed.",
            "task-cancelled" => "The task is being cancelled.",
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
            "messages-deleted" => "삭제했습니다.",
            "messages-gone" => "이미 없는 메시지였습니다.",
            "messages-some-stayed" => {
                "누군가 받아서 처리 중인 메시지는 삭제하지 않고 나머지를 삭제했습니다."
            }
            "moving" => "메시지를 옮기고 있습니다.",
            "queue-changed" => "속성을 바꾸었습니다.",
            "queue-created" => "대기열을 만들었습니다.",
            "queue-deleted" => "대기열을 삭제했습니다.",
            "queue-purged" => "대기열을 비웠습니다.",
            "revived" => "배달 못 한 메시지를 이 대기열로 되돌렸습니다.",
            "tags-changed" => "태그를 바꾸었습니다.",
            "task-cancelled" => "작업을 취소하고 있습니다.",
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
