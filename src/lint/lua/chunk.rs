//! A piece of Lua, as far as rules ask: what it calls with what, which texts it has, which
//! globals it defines.

use std::collections::{BTreeMap, BTreeSet};

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

#[derive(Clone, Debug)]
pub struct Call {
    /// What is called, dotted and with local names resolved: `ngx.log`; empty where that is
    /// no name, `red:get` for a method.
    pub name: String,
    pub args: Vec<Arg>,
    pub at: At,
    /// Within how many functions it stands.
    pub depth: usize,
}

/// Something that does not compile.
#[derive(Clone, Debug)]
pub struct Fault {
    pub at: At,
    /// As the parser says it.
    pub says: String,
}

/// A piece of Lua.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// What does not compile; the first is the one that matters.
    pub faults: Vec<Fault>,
    /// In order.
    pub calls: Vec<Call>,
    pub texts: Vec<String>,
    /// Every local name, parameters among them.
    pub locals: BTreeSet<String>,
    /// Globals that it gives a value; for a function with its parameters.
    pub globals: BTreeMap<String, Option<Vec<String>>>,
}

impl Chunk {
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
