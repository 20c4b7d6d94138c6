//! What the pages say, in each language. A text that one language lacks does not compile.
//!
//! Each page has a file of its own here, with a struct of its texts and one value a language.
//! Texts with numbers or names in them are functions.

mod failures;
mod frame;
mod invocations;
mod notices;
mod overview;

use hyper::HeaderMap;
use hyper::header::ACCEPT_LANGUAGE;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    /// English.
    En,
    /// Korean.
    Ko,
}

/// All texts of one language.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) failures: failures::Texts,
    pub(super) frame: frame::Texts,
    pub(super) invocations: invocations::Texts,
    pub(super) notices: notices::Texts,
    pub(super) overview: overview::Texts,
}

static EN: Texts = Texts {
    failures: failures::EN,
    frame: frame::EN,
    invocations: invocations::EN,
    notices: notices::EN,
    overview: overview::EN,
};
static KO: Texts = Texts {
    failures: failures::KO,
    frame: frame::KO,
    invocations: invocations::KO,
    notices: notices::KO,
    overview: overview::KO,
};

impl Lang {
    /// The first of ours that a browser prefers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut wanted = wanted.unwrap_or_default().split(',').map(str::trim_start);
        let known = wanted.find_map(|wanted| match wanted.get(..2) {
            Some("ko") => Some(Self::Ko),
            Some("en") => Some(Self::En),
            _ => None,
        });
        known.unwrap_or(Self::En)
    }

    /// For the `lang` of the page.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    /// What is said in it.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::En => &EN,
            Self::Ko => &KO,
        }
    }
}
