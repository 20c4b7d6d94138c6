//! What COMMAND DOCS and COMMAND GETKEYSANDFLAGS say of our commands. Each command's own text
//! stands in its file.

use std::ffi::CStr;

use redis_module::raw::{self, RedisModuleCommandArgType};

use crate::commands;

/// A command's documentation.
#[derive(Debug)]
pub(crate) struct Doc {
    pub(crate) name: &'static CStr,
    pub(crate) summary: &'static CStr,
    pub(crate) complexity: &'static CStr,
    /// How many arguments, the name included; negative: at least. The server refuses others.
    pub(crate) arity: i32,
    pub(crate) key: Option<KeyUse>,
    pub(crate) arguments: &'static [Arg],
}

/// All commands' documentation.
pub(crate) const ALL: [&Doc; 29] = [
    &commands::ack::DOC,
    &commands::create::DOC,
    &commands::dead::DOC,
    &commands::deadack::DOC,
    &commands::debug::DOC,
    &commands::drop::DOC,
    &commands::extend::DOC,
    &commands::info::DOC,
    &commands::lease::DOC,
    &commands::list::DOC,
    &commands::peek::DOC,
    &commands::popdue::DOC,
    &commands::purge::DOC,
    &commands::redrive::DOC,
    &commands::release::DOC,
    &commands::send::DOC,
    &commands::sendm::DOC,
    &commands::set::DOC,
    &commands::tag::DOC,
    &commands::untag::DOC,
    &commands::internal::XATTEMPT_DOC,
    &commands::internal::XDEDUP_DOC,
    &commands::internal::XDEL_DOC,
    &commands::internal::XFORGET_DOC,
    &commands::internal::XLEASE_DOC,
    &commands::internal::XMARK_DOC,
    &commands::internal::XPURGE_DOC,
    &commands::internal::XPUT_DOC,
    &commands::internal::XQUEUE_DOC,
];

/// Where a command's key is and what the command does with it, which decides which key
/// permissions of an ACL it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyUse {
    pub(crate) at: At,
    pub(crate) flags: u32,
}

/// Where a key is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// The first argument.
    First,
    /// What follows this word.
    After(&'static CStr),
    /// Nowhere: the end of a list.
    End,
}

impl KeyUse {
    /// Its content is read (`%R~`).
    pub(crate) const READ: Self = Self {
        at: At::First,
        flags: raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
    };
    /// Something is added (`%W~`).
    pub(crate) const INSERT: Self = Self {
        at: At::First,
        flags: raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_INSERT,
    };
    /// Something is changed (`%W~`).
    pub(crate) const UPDATE: Self = Self {
        at: At::First,
        flags: raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_UPDATE,
    };
    /// Something is deleted (`%W~`).
    pub(crate) const DELETE: Self = Self {
        at: At::First,
        flags: raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_DELETE,
    };
    /// Its content is read and changed (both).
    pub(crate) const TAKE: Self = Self {
        at: At::First,
        flags: raw::REDISMODULE_CMD_KEY_RW
            | raw::REDISMODULE_CMD_KEY_ACCESS
            | raw::REDISMODULE_CMD_KEY_UPDATE,
    };

    /// The same for a key after a word.
    pub(crate) const fn after(self, word: &'static CStr) -> Self {
        Self { at: At::After(word), ..self }
    }
}

/// One argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arg {
    pub(crate) name: &'static CStr,
    pub(crate) kind: RedisModuleCommandArgType,
    pub(crate) token: Option<&'static CStr>,
    pub(crate) flags: u32,
    pub(crate) parts: &'static [Self],
}

impl Arg {
    /// The key.
    pub(crate) const KEY: Self =
        Self::new(c"key", raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY);

    const fn new(name: &'static CStr, kind: RedisModuleCommandArgType) -> Self {
        Self { name, kind, token: None, flags: 0, parts: &[] }
    }

    /// Any bytes.
    pub(crate) const fn string(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING)
    }

    /// A whole number.
    pub(crate) const fn integer(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER)
    }

    /// A number with decimals.
    pub(crate) const fn double(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE)
    }

    /// A word that stands alone.
    pub(crate) const fn word(name: &'static CStr, token: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN).token(token)
    }

    /// Several together.
    pub(crate) const fn block(name: &'static CStr, parts: &'static [Self]) -> Self {
        let kind = raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK;
        Self { parts, ..Self::new(name, kind) }
    }

    /// One of several.
    pub(crate) const fn one_of(name: &'static CStr, parts: &'static [Self]) -> Self {
        let kind = raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF;
        Self { parts, ..Self::new(name, kind) }
    }

    /// Behind this word.
    pub(crate) const fn token(self, token: &'static CStr) -> Self {
        Self { token: Some(token), ..self }
    }

    /// May be left out.
    pub(crate) const fn optional(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_OPTIONAL, ..self }
    }

    /// May be repeated, its word with it.
    pub(crate) const fn repeated(self) -> Self {
        let flags = match self.token {
            Some(_) => raw::REDISMODULE_CMD_ARG_MULTIPLE | raw::REDISMODULE_CMD_ARG_MULTIPLE_TOKEN,
            None => raw::REDISMODULE_CMD_ARG_MULTIPLE,
        };
        Self { flags: self.flags | flags, ..self }
    }
}
