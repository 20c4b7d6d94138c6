//! What the pages say, in each language. A text that one language lacks does not compile.
//!
//! Each page has a file of its own here, with a struct of its texts and one value a language.
//! Texts with numbers or names in them are functions.

pub(super) mod charts;
mod failures;
mod frame;
mod functions;
mod invocations;
mod map;
mod mappings;
mod messages;
mod notices;
pub(super) mod overview;
mod queue;
mod queues;
pub(super) mod settings;
mod sign_in;
mod try_filter;

use hyper::HeaderMap;
use hyper::header::ACCEPT_LANGUAGE;

use crate::admin::{cookies, language};

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
    pub(super) charts: charts::Texts,
    pub(super) failures: failures::Texts,
    pub(super) frame: frame::Texts,
    pub(super) functions: functions::Texts,
    pub(super) map: map::Texts,
    pub(super) mappings: mappings::Texts,
    pub(super) invocations: invocations::Texts,
    pub(super) notices: notices::Texts,
    pub(super) overview: overview::Texts,
    pub(super) try_filter: try_filter::Texts,
    pub(super) settings: settings::Texts,
    pub(super) sign_in: sign_in::Texts,
    pub(super) messages: messages::Texts,
    pub(super) queue: queue::Texts,
    pub(super) queues: queues::Texts,
}

static EN: Texts = Texts {
    charts: charts::EN,
    failures: failures::EN,
    frame: frame::EN,
    functions: functions::EN,
    map: map::EN,
    mappings: mappings::EN,
    invocations: invocations::EN,
    notices: notices::EN,
    overview: overview::EN,
    try_filter: try_filter::EN,
    settings: settings::EN,
    sign_in: sign_in::EN,
    messages: messages::EN,
    queue: queue::EN,
    queues: queues::EN,
};
static KO: Texts = Texts {
    charts: charts::KO,
    failures: failures::KO,
    frame: frame::KO,
    functions: functions::KO,
    map: map::KO,
    mappings: mappings::KO,
    invocations: invocations::KO,
    notices: notices::KO,
    overview: overview::KO,
    try_filter: try_filter::KO,
    settings: settings::KO,
    sign_in: sign_in::KO,
    messages: messages::KO,
    queue: queue::KO,
    queues: queues::KO,
};

impl Lang {
    /// The one that was chosen, else the first of ours that the browser prefers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if let Some(chosen) = cookies::read(headers, language::COOKIE).and_then(Self::parse) {
            return chosen;
        }
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut wanted = wanted.unwrap_or_default().split(',').map(str::trim_start);
        let known = wanted.find_map(|wanted| match wanted.get(..2) {
            Some("ko") => Some(Self::Ko),
            Some("en") => Some(Self::En),
            _ => None,
        });
        known.unwrap_or(Self::En)
    }

    /// The language of this code.
    pub(super) fn parse(code: &str) -> Option<Self> {
        [Self::En, Self::Ko].into_iter().find(|lang| lang.code() == code)
    }

    /// The one to change to.
    pub(super) fn other(self) -> Self {
        match self {
            Self::En => Self::Ko,
            Self::Ko => Self::En,
        }
    }

    /// What it calls itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Ko => "한국어",
        }
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
