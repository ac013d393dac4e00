//! The grammar of the tracking lines: exactly two a request.

use regex::Regex;

use super::record::{Level, Record};
use crate::profile::LogPatterns;

/// The patterns of a profile, compiled.
#[derive(Clone, Debug)]
pub struct Grammar {
    tracking: Regex,
    success: Regex,
    failed: Regex,
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
    pub fn new(patterns: &LogPatterns) -> Result<Self, GrammarError> {
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
        let loose =
            Regex::new(r"(?i)\b(tracking user|user tracking)\b").map_err(|error| GrammarError {
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
            success: compile("success", &patterns.success, &["email"])?,
            failed: compile("failed", &patterns.failed, &["email"])?,
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
        let (line, at) = if let Some(found) = self.tracking.captures(message) {
            let context = found.name("context").map_or("", |context| context.as_str());
            let (email, context) = (found["email"].to_owned(), context.to_owned());
            (Line::Tracking { email, context }, found.get(0)?.start())
        } else if let Some(found) = self.success.captures(message) {
            (
                Line::Success {
                    email: found["email"].to_owned(),
                },
                found.get(0)?.start(),
            )
        } else if let Some(found) = self.failed.captures(message) {
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
