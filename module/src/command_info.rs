//! A command's documentation in the server's own structures, for COMMAND DOCS.

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use redis_module::{Context, raw};

use crate::docs::{Arg, At, Doc};
use crate::ffi;

static VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// Documents a command. `false`: the server refuses.
pub(crate) fn describe(ctx: &Context, doc: &Doc) -> bool {
    // What the structure points to lives until the end of this function.
    let mut lists = Vec::new();
    let mut key_specs: Vec<_> = doc.key.iter().map(|key| key_spec(key.at, key.flags)).collect();
    key_specs.push(key_spec(At::End, 0));
    let info = raw::RedisModuleCommandInfo {
        version: &raw const VERSION,
        summary: doc.summary.as_ptr(),
        complexity: doc.complexity.as_ptr(),
        since: c"0.1.0".as_ptr(),
        history: null_mut(),
        tips: null(),
        arity: doc.arity,
        key_specs: if doc.key.is_some() { key_specs.as_mut_ptr() } else { null_mut() },
        args: argument_list(doc.arguments, &mut lists),
    };
    ffi::describe(ctx, doc.name, &info)
}

fn key_spec(at: At, flags: u32) -> raw::RedisModuleCommandKeySpec {
    let mut spec = raw::RedisModuleCommandKeySpec {
        notes: null(),
        flags: u64::from(flags),
        // An invalid type ends a list.
        begin_search_type: raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INVALID,
        bs: raw::RedisModuleCommandKeySpec__bindgen_ty_1 {
            keyword: raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_2 {
                keyword: null(),
                startfrom: 0,
            },
        },
        find_keys_type: raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE,
        fk: raw::RedisModuleCommandKeySpec__bindgen_ty_2 {
            range: raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
                lastkey: 0,
                keystep: 1,
                limit: 0,
            },
        },
    };
    match at {
        At::End => {}
        At::First => {
            spec.begin_search_type =
                raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
            spec.bs.index.pos = 1;
        }
        At::After(word) => {
            spec.begin_search_type =
                raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_KEYWORD;
            spec.bs.keyword.keyword = word.as_ptr();
            spec.bs.keyword.startfrom = 1;
        }
    }
    spec
}

/// Arguments as the server wants them, null if there are none; `lists` keeps them alive.
fn argument_list(
    arguments: &[Arg],
    lists: &mut Vec<Vec<raw::RedisModuleCommandArg>>,
) -> *mut raw::RedisModuleCommandArg {
    if arguments.is_empty() {
        return null_mut();
    }
    let token = |arg: &Arg| arg.token.map_or(null(), CStr::as_ptr);
    let mut list: Vec<_> = arguments
        .iter()
        .map(|arg| raw::RedisModuleCommandArg {
            name: arg.name.as_ptr(),
            type_: arg.kind,
            token: token(arg),
            flags: arg.flags.cast_signed(),
            subargs: argument_list(arg.parts, lists),
            ..LIST_END
        })
        .collect();
    list.push(LIST_END);
    let start = list.as_mut_ptr();
    lists.push(list);
    start
}

const LIST_END: raw::RedisModuleCommandArg = raw::RedisModuleCommandArg {
    name: null(),
    type_: 0,
    key_spec_index: 0,
    token: null(),
    summary: null(),
    since: null(),
    flags: 0,
    deprecated_since: null(),
    subargs: null_mut(),
    display_text: null(),
};
