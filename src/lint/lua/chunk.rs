//! A piece of Lua, as far as rules ask: what it calls with what, which texts it has, which
//! globals it defines.

use std::collections::{BTreeMap, BTreeSet};

use super::{parse, visit};
use crate::lint::config::At;

/// An argument of a call, as far as it can be known without running anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arg {
    /// A text, as written between its quotes.
    Text(String),
    /// `nil`
    Nil,
    /// A name, dotted: `ngx.WARN`.
    Name(String),
    /// A number, as written.
    Number(String),
    /// `a .. b`, in its parts.
    Joined(Vec<Arg>),
    /// What may be any number of values: a call or `...`.
    Many,
    /// Anything else.
    Other,
}

impl Arg {
    /// Its parts, in order: what is joined is taken apart.
    pub fn parts(&self) -> Vec<&Arg> {
        match self {
            Self::Joined(parts) => parts.iter().flat_map(Self::parts).collect(),
            other => vec![other],
        }
    }
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called, dotted and with local names resolved: `ngx.log`; empty where that is
    /// no name, `red:get` for a method.
    pub name: String,
    /// With what.
    pub args: Vec<Arg>,
    /// Where.
    pub at: At,
    /// Within how many functions it stands.
    pub depth: usize,
}

/// Something that does not compile.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where.
    pub at: At,
    /// What the parser says.
    pub says: String,
}

/// A piece of Lua.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// What does not compile; the first is the one that matters.
    pub faults: Vec<Fault>,
    /// Every call, in order.
    pub calls: Vec<Call>,
    /// Every text.
    pub texts: Vec<String>,
    /// Every local name, parameters among them.
    pub locals: BTreeSet<String>,
    /// Globals that it gives a value; for a function with its parameters.
    pub globals: BTreeMap<String, Option<Vec<String>>>,
}

impl Chunk {
    /// Reads a piece of Lua whose first line stands at `at`.
    pub fn read(code: &str, at: &At) -> Self {
        let place = |line: usize| At {
            line: at.line + line.saturating_sub(1) as u64,
            ..at.clone()
        };
        match parse::parse(code) {
            Ok(ast) => visit::chunk(&ast, &place),
            Err(faults) => Self {
                faults: (faults.into_iter())
                    .map(|(line, says)| Fault {
                        at: place(line),
                        says,
                    })
                    .collect(),
                ..Self::default()
            },
        }
    }

    /// The calls of this name.
    pub fn calls_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| call.name == name)
    }

    /// The modules that it requires, as far as they are named; `None` for one that is not.
    pub fn requires(&self) -> impl Iterator<Item = (&Call, Option<&str>)> {
        self.calls_of("require").map(|call| {
            let name = match call.args.first() {
                Some(Arg::Text(name)) => Some(name.as_str()),
                _ => None,
            };
            (call, name)
        })
    }

    /// The calls of a global function, by its name or through `_G`. None where the name is a
    /// local one's.
    pub fn calls_of_global<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Call> {
        let local = self.locals.contains(name);
        self.calls.iter().filter(move |call| {
            let plain = call.name == name && !local;
            plain || call.name.strip_prefix("_G.") == Some(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(code: &str) -> Chunk {
        let at = At {
            file: std::path::Path::new("x.lua").into(),
            line: 10,
        };
        Chunk::read(code, &at)
    }

    #[test]
    fn calls_are_found_wherever_they_stand() {
        let read = chunk(
            "local log, WARN = ngx.log, ngx.WARN\n\
             local authz = require(\"authz\")\n\
             local email = require \"session\".email(1)\n\
             _G.track_user = function(email, context)\n\
               log(WARN, \"[info] Tracking user: \" .. email, \" [\", context, nil)\n\
               red:get(f(...))\n\
             end\n\
             return authz.require_admin()",
        );
        assert!(read.faults.is_empty());
        let names: Vec<&str> = read.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "require",
                "require",
                "",
                "ngx.log",
                "red:get",
                "f",
                "authz.require_admin"
            ]
        );
        let log = &read.calls[3];
        assert_eq!((log.at.line, log.depth), (14, 1));
        assert_eq!(log.args[0], Arg::Name("ngx.WARN".to_owned()));
        assert_eq!(
            log.args[1].parts()[0],
            &Arg::Text("[info] Tracking user: ".to_owned())
        );
        assert_eq!(log.args[4], Arg::Nil);
        let params = vec!["email".to_owned(), "context".to_owned()];
        assert_eq!(read.globals["track_user"], Some(params));
    }

    #[test]
    fn what_does_not_compile_is_said_with_its_line() {
        let read = chunk("local x = 1\nif x then\n  y()\n");
        assert_eq!(read.faults[0].at.line, 13);
        let read = chunk("ngx.say(\"x\")\nend");
        assert_eq!(read.faults[0].at.line, 11);
    }

    #[test]
    fn what_luajit_takes_is_no_fault() {
        for code in [
            "goto done; do local y = 1ULL + 0xffLL + 2i end ::done::",
            "while true do break; f() end",
            "local t = {1, 2; 3};;; ::l:: ;",
            "#!/usr/bin/env resty\nlocal s = 'a\\z\n  b\\x41' .. [==[ ]] ]==]",
            "local function f(...) return ... end f{1} f'x' (g or h)()",
        ] {
            let read = chunk(code);
            assert!(read.faults.is_empty(), "{code}: {:?}", read.faults);
        }
    }
}
