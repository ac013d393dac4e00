//! The grammar of the tracking lines: exactly two a request, or one.

use std::collections::BTreeMap;

use regex::Regex;

use super::record::{Level, Record};
use crate::profile::{Context, LogPatterns};

/// The patterns of a profile, compiled.
#[derive(Clone, Debug)]
pub struct Grammar {
    tracking: Regex,
    success: Option<Regex>,
    failed: Option<Regex>,
    /// The names of the contexts, by what lines call them.
    labels: BTreeMap<String, String>,
    level: Level,
    /// Messages that are no fault, whole.
    harmless: Vec<Regex>,
    /// What may stand in a message before the text, written by nobody but the gateway.
    before: Regex,
    /// What every tracking line has in common, so that one which is out of shape is noticed.
    loose: Regex,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("the profile's log.{key}: {why}")]
pub struct GrammarError {
    key: &'static str,
    why: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// A user is about to be tracked.
    Tracking {
        email: String,
        /// In which context; empty where the profile's lines name none.
        context: String,
    },
    /// It worked.
    Success { email: String },
    /// It did not.
    Failed { email: String },
    /// It speaks of tracking and has none of these shapes.
    Misshapen,
}

/// A line of tracking with the record that it was read from.
#[derive(Clone, Debug)]
pub struct Tracked {
    pub line: Line,
    /// Whether it carries the level that it must.
    pub at_level: bool,
    /// Where in the record's message it begins.
    pub at: usize,
    pub record: Record,
}

/// What lua-nginx-module writes before a message (ngx_http_lua_log.c): where it was logged, and in
/// which function.
const LUA: &str = r"\[lua\] \S+: (?:\S+\(\): )?";

/// The fixed words that a pattern begins with; none where they are too few to go by.
#[must_use]
pub fn phrase(pattern: &str) -> Option<String> {
    let end = pattern.find(['\\', '(', '[', '.', '*', '+', '?', '{', '|', '^', '$']);
    let words = pattern.get(..end.unwrap_or(pattern.len()))?.trim();
    (words.len() >= 8).then(|| words.to_owned())
}

/// A pattern of the first two words of each of `patterns`, in whatever case.
fn loosely<'a>(patterns: impl Iterator<Item = &'a String>) -> Result<Regex, regex::Error> {
    let words = patterns
        .filter_map(|pattern| phrase(pattern))
        .map(|phrase| {
            let two: Vec<&str> = phrase.split(' ').take(2).collect();
            let two = two.join(" ");
            regex::escape(two.trim_end_matches(|last: char| !last.is_alphanumeric()))
        });
    let words: Vec<String> = words.collect();
    match words.is_empty() {
        true => Regex::new(r"[^\s\S]"),
        false => Regex::new(&format!(r"(?i)\b(?:{})\b", words.join("|"))),
    }
}

/// A level or another word in brackets.
const BRACKETS: &str = r"(?:\[[^\[\]]*\]\s*)*";

/// A pattern that is all of a message, but for where it was logged and what nginx was doing then.
fn whole(pattern: &str) -> String {
    format!("^(?:{LUA})?(?:{pattern})(?: while [a-z ]+)?$")
}

impl Grammar {
    ///
    /// # Errors
    /// A pattern that does not compile or lacks a group, a level that nginx does not have.
    pub fn new(
        patterns: &LogPatterns,
        contexts: &BTreeMap<String, Context>,
    ) -> Result<Self, GrammarError> {
        let compile = |key, pattern: &str, groups: &[&str]| {
            let regex = Regex::new(pattern).map_err(|error| GrammarError {
                key,
                why: error.to_string(),
            })?;
            for group in groups {
                if !regex.capture_names().flatten().any(|name| name == *group) {
                    return Err(GrammarError {
                        key,
                        why: format!("it has no group (?P<{group}>…)"),
                    });
                }
            }
            Ok(regex)
        };
        let optional = |key, pattern: &Option<String>| {
            let pattern = pattern.as_deref();
            pattern
                .map(|pattern| compile(key, pattern, &["email"]))
                .transpose()
        };
        let all = std::iter::once(&patterns.tracking);
        let all = all.chain(&patterns.success).chain(&patterns.failed);
        let loose = loosely(all).map_err(|error| GrammarError {
            key: "tracking",
            why: error.to_string(),
        })?;
        let before = format!(
            "^(?:{LUA})?{BRACKETS}(?:{})?$",
            patterns.before.as_deref().unwrap_or_default()
        );
        Ok(Self {
            before: compile("before", &before, &[])?,
            harmless: patterns
                .harmless
                .iter()
                .map(|pattern| compile("harmless", &whole(pattern), &[]))
                .collect::<Result<_, _>>()?,
            tracking: compile("tracking", &patterns.tracking, &["email"])?,
            success: optional("success", &patterns.success)?,
            failed: optional("failed", &patterns.failed)?,
            labels: (contexts.iter())
                .map(|(name, context)| {
                    let label = context.label.as_ref().unwrap_or(name);
                    (label.clone(), name.clone())
                })
                .collect(),
            level: Level::named(&patterns.level).ok_or_else(|| GrammarError {
                key: "level",
                why: format!("nginx has no level `{}`", patterns.level),
            })?,
            loose,
        })
    }

    /// Whether the lines of tracking name their context.
    pub fn tells_context(&self) -> bool {
        let mut groups = self.tracking.capture_names().flatten();
        groups.any(|name| name == "context")
    }

    /// Whether a request leaves a second line, which says that its tracking worked.
    pub fn tells_success(&self) -> bool {
        self.success.is_some()
    }

    /// The name of the context that lines call so. A label of none is no context's name, also
    /// where it is spelt like one.
    fn named(&self, label: &str) -> String {
        match self.labels.get(label) {
            Some(name) => name.clone(),
            None if self.labels.values().any(|name| name == label) => format!("{label}?"),
            None => label.to_owned(),
        }
    }

    /// A context as lines of tracking tell it: empty where they tell none.
    pub fn told<'a>(&self, context: &'a str) -> &'a str {
        if self.tells_context() { context } else { "" }
    }

    /// The number of the pattern which says that this record is no fault.
    pub fn harmless(&self, record: &Record) -> Option<usize> {
        let fits = |pattern: &Regex| pattern.is_match(&record.message);
        self.harmless.iter().position(fits)
    }

    pub fn lines(&self, records: &[Record]) -> Vec<Tracked> {
        records
            .iter()
            .filter_map(|record| self.read(record))
            .collect()
    }

    fn read(&self, record: &Record) -> Option<Tracked> {
        let message = &record.message;
        let captured = |pattern: &Option<Regex>| pattern.as_ref()?.captures(message);
        let (line, at) = if let Some(found) = self.tracking.captures(message) {
            let context = found.name("context").map_or("", |context| context.as_str());
            let (email, context) = (found["email"].to_owned(), self.named(context));
            (Line::Tracking { email, context }, found.get(0)?.start())
        } else if let Some(found) = captured(&self.success) {
            (
                Line::Success {
                    email: found["email"].to_owned(),
                },
                found.get(0)?.start(),
            )
        } else if let Some(found) = captured(&self.failed) {
            (
                Line::Failed {
                    email: found["email"].to_owned(),
                },
                found.get(0)?.start(),
            )
        } else {
            (Line::Misshapen, self.loose.find(message)?.start())
        };
        // What a client sent may stand in the middle of a message: a line of tracking begins one.
        if !self.before.is_match(message.get(..at)?) {
            return None;
        }
        // Its own level counts where the message brings one along; nginx's otherwise.
        let literal = message
            .get(..at)
            .and_then(|before| before.trim_end().strip_suffix(']'))
            .and_then(|before| Level::named(before.rsplit_once('[')?.1));
        let at_level = literal.or(record.level) == Some(self.level);
        Some(Tracked {
            line,
            at_level,
            at,
            record: record.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
