//! Which modules there are, and what of them a piece of Lua can come to.

use std::collections::{BTreeMap, BTreeSet};

use super::chunk::{Arg, Call, Chunk};

/// What Lua, LuaJIT and OpenResty bring along; `resty.` is one family.
const FAMILIES: &str = "resty ngx cjson jit table string bit ffi math io os package debug coroutine thread \
    tablepool rds redis utf8";

/// Modules that never end a request.
const HARMLESS: &str = "cjson bit ffi jit table string ngx resty.core resty.string resty.redis resty.lrucache \
    resty.lock resty.random resty.md5 resty.sha";

/// Lua's own functions, and OpenResty's name for everything.
const STANDARD: &str = "assert collectgarbage dofile error getfenv getmetatable ipairs load loadfile loadstring \
    module next pairs pcall print rawequal rawget rawlen rawset require select setfenv \
    setmetatable tonumber tostring type unpack xpcall _G ngx ndk string table math io os \
    coroutine debug package bit jit cjson self";

/// Calls that end a request, or hand it to another location.
const ENDS: &[&str] = &["ngx.exit", "ngx.redirect", "ngx.exec", "ngx.eof", "error"];

fn among(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// Whether a module of this name comes with OpenResty.
fn is_known(module: &str) -> bool {
    let family = module.split('.').next().unwrap_or(module);
    among(FAMILIES, family)
}

/// The modules that were given.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// Those of the Lua folder, by name.
    pub own: BTreeMap<String, Chunk>,
    /// The names of those in the folder of further modules.
    pub further: BTreeSet<String>,
    /// Whether there are more that are not known.
    pub unknown: bool,
}

impl Modules {
    /// A module of the Lua folder, by the name that it is required with. The folder is
    /// `custom` among OpenResty's own modules.
    pub fn get(&self, name: &str) -> Option<&Chunk> {
        let name = name.replace('/', ".");
        let name = name.strip_prefix("custom.").unwrap_or(&name);
        self.own.get(name)
    }

    /// Whether anything that was given provides this module.
    pub fn provides(&self, name: &str) -> bool {
        let further = |name: &str| self.further.contains(name);
        self.unknown
            || self.get(name).is_some()
            || is_known(name)
            || further(name)
            || name.strip_prefix("resty.").is_some_and(further)
    }
}

/// Everything that some pieces of Lua can come to.
#[derive(Clone, Debug, Default)]
pub struct Reach<'a> {
    /// The pieces themselves and every module that they require, directly or not.
    pub chunks: Vec<&'a Chunk>,
    /// The names of the modules of the Lua folder among them.
    pub modules: BTreeSet<String>,
    /// Whether there is more that could not be followed.
    pub unsure: bool,
}

impl<'a> Reach<'a> {
    /// What `starts` can come to; `unsure` where one of them could not be read.
    pub fn new(starts: Vec<&'a Chunk>, modules: &'a Modules, unsure: bool) -> Self {
        let mut reach = Self {
            unsure,
            ..Self::default()
        };
        let mut open = starts;
        while let Some(chunk) = open.pop() {
            reach.chunks.push(chunk);
            reach.unsure |= !chunk.faults.is_empty();
            for (_, name) in chunk.requires() {
                let Some(name) = name else {
                    reach.unsure = true;
                    continue;
                };
                match modules.get(name) {
                    Some(module) if reach.modules.insert(name.to_owned()) => open.push(module),
                    Some(_) => {}
                    None => reach.unsure |= !harmless(name),
                }
            }
        }
        reach
    }

    /// Every call.
    pub fn calls(&self) -> impl Iterator<Item = &'a Call> {
        self.chunks.iter().flat_map(|chunk| &chunk.calls)
    }

    /// Every text.
    pub fn texts(&self) -> impl Iterator<Item = &'a str> {
        (self.chunks.iter()).flat_map(|chunk| chunk.texts.iter().map(String::as_str))
    }

    /// Whether something of it may turn a request away: it ends requests, or it calls what
    /// nobody here knows. `known` are globals that do not.
    pub fn may_refuse(&self, known: &[&str]) -> bool {
        let stranger = |chunk: &Chunk, call: &Call| {
            let first = call.name.split(['.', ':']).next().unwrap_or_default();
            !first.is_empty()
                && !among(STANDARD, first)
                && !known.contains(&first)
                && !chunk.locals.contains(first)
                && !is_known(first)
        };
        self.unsure
            || self.chunks.iter().any(|chunk| {
                let mut calls = chunk.calls.iter();
                calls.any(|call| ENDS.contains(&call.name.as_str()) || stranger(chunk, call))
            })
    }

    /// Whether a request's header is set or cleared by this name, in any case; `None` where
    /// that may be, by a name that is computed: from those that the request has, or from a
    /// text that the header's name begins with.
    pub fn touches_header(&self, header: &str, functions: &[&str]) -> Option<bool> {
        let mut computed = false;
        for call in self.calls() {
            if functions.contains(&call.name.as_str()) {
                match call.args.first() {
                    Some(Arg::Text(name)) => {
                        let name = name.replace('_', "-");
                        if name.eq_ignore_ascii_case(header) {
                            return Some(true);
                        }
                    }
                    _ => computed = true,
                }
            }
        }
        let header = header.to_lowercase();
        let begins = |text: &str| {
            let text = text.to_lowercase().replace('_', "-");
            text.len() > 1 && header.starts_with(&text)
        };
        let may_be_named = || {
            let mut calls = self.calls();
            calls.any(|call| call.name == "ngx.req.get_headers") || self.texts().any(begins)
        };
        let unsure = self.unsure || computed && may_be_named();
        (!unsure).then_some(false)
    }
}

fn harmless(module: &str) -> bool {
    HARMLESS
        .split_whitespace()
        .any(|known| module.starts_with(known))
}
