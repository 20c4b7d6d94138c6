//! Signing in.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) title: &'static str,
    pub(in crate::admin) password: &'static str,
    pub(in crate::admin) button: &'static str,
    pub(in crate::admin) wrong: &'static str,
    pub(in crate::admin) too_many: fn(u64) -> String,
    pub(in crate::admin) stale: &'static str,
    pub(in crate::admin) over: &'static str,
    pub(in crate::admin) closed: &'static str,
    pub(in crate::admin) closed_text: &'static str,
    pub(in crate::admin) closed_how: &'static str,
}

pub(super) const EN: Texts = Texts {
    title: "Sign in",
    password: "Password",
    button: "Sign in",
    wrong: "This is not the password.",
    too_many: |seconds| {
        format!(
            "Too many wrong passwords. Try again in {seconds} {}.",
            match seconds {
                1 => "second",
                _ => "seconds",
            }
        )
    },
    stale: "This form was out of date, or your browser keeps no cookies. Please try again.",
    over: "You are not signed in any more, and nothing was changed. Sign in and repeat it.",
    closed: "The admin page is closed",
    closed_text: "This server is protected by keys or tokens, and no password was set for the \
                  admin page. So nobody can sign in.",
    closed_how: "To open it, start karin with a password of at least 8 characters, best in its \
                 environment:",
};

pub(super) const KO: Texts = Texts {
    title: "로그인",
    password: "비밀번호",
    button: "로그인",
    wrong: "비밀번호가 맞지 않습니다.",
    too_many: |seconds| {
        format!("비밀번호를 너무 많이 틀렸습니다. {seconds}초 뒤에 다시 시도하세요.")
    },
    stale: "오래된 양식이거나 브라우저가 쿠키를 저장하지 않습니다. 다시 시도하세요.",
    over: "로그인이 끝나서 아무것도 바뀌지 않았습니다. 로그인한 뒤 다시 해 보세요.",
    closed: "관리 페이지가 닫혀 있습니다",
    closed_text: "이 서버는 키나 토큰으로 보호되는데 관리 페이지의 비밀번호가 설정되지 \
                  않았습니다. 그래서 아무도 로그인할 수 없습니다.",
    closed_how: "열려면 8자 이상의 비밀번호를 주고 karin을 시작하세요. 환경 변수로 주는 것이 \
                 가장 좋습니다:",
};
