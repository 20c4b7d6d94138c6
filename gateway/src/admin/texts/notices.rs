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
            _ => return None,
        })
    },
};

pub(super) const KO: Texts = Texts {
    of: |code| {
        Some(match code {
            "saved" => "저장했습니다.",
            _ => return None,
        })
    },
};
