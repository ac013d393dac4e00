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

/// A profile whose log patterns cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the profile's log.{key}: {why}")]
pub struct GrammarError {
    key: &'static str,
    why: String,
}

/// One line of tracking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// A user is about to be tracked.
    Tracking {
        /// Who.
        email: String,
        /// In which context; empty where the profile's lines name none.
        context: String,
    },
    /// It worked.
    Success {
        /// Who.
        email: String,
    },
    /// It did not.
    Failed {
        /// Who.
        email: String,
    },
    /// It speaks of tracking and has none of these shapes.
    Misshapen,
}

/// A line of tracking with the record that it was read from.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// What it says.
    pub line: Line,
    /// Whether it carries the level that it must.
    pub at_level: bool,
    /// Where in the record's message it begins.
    pub at: usize,
    /// Where it stands.
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
    /// Compiles a profile's patterns.
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
    #[must_use]
    pub fn tells_context(&self) -> bool {
        let mut groups = self.tracking.capture_names().flatten();
        groups.any(|name| name == "context")
    }

    /// A context as lines of tracking tell it: empty where they tell none.
    #[must_use]
    pub fn told<'a>(&self, context: &'a str) -> &'a str {
        if self.tells_context() { context } else { "" }
    }

    /// The number of the pattern which says that this record is no fault.
    #[must_use]
    pub fn harmless(&self, record: &Record) -> Option<usize> {
        let fits = |pattern: &Regex| pattern.is_match(&record.message);
        self.harmless.iter().position(fits)
    }

    /// The lines of tracking among records.
    #[must_use]
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
mod tests {
    use super::*;
    use crate::{probe::log::parse, stack::LogChunk};

    fn patterns() -> LogPatterns {
        LogPatterns {
            tracking: r"Tracking user: (?P<email>\S+) \[(?P<context>[^\]]*)\]".to_owned(),
            success: r"User tracking success: (?P<email>[^\s,]+)".to_owned(),
            failed: r"User tracking failed: (?P<email>[^\s,]+)".to_owned(),
            level: "info".to_owned(),
            before: None,
            harmless: vec!["check: START".to_owned()],
        }
    }

    fn grammar() -> Grammar {
        Grammar::new(&patterns()).unwrap()
    }

    fn lines(text: &str) -> Vec<Tracked> {
        let chunk = LogChunk {
            source: "f".to_owned(),
            in_service_log: false,
            bytes: text.as_bytes().to_vec(),
        };
        grammar().lines(&parse(&chunk))
    }

    const TAIL: &str =
        ", client: 1.2.3.4, server: , request: \"GET /?verify=n HTTP/1.1\", host: \"h\"";

    #[test]
    fn both_ways_of_carrying_the_level_are_read() {
        let native = format!(
            "2025/11/08 12:00:01 [info] 7#7: *12 [lua] nginx.conf:61: Tracking user: a+t@b.c [UI/Admin]{TAIL}"
        );
        let literal = format!(
            "2025/11/08 12:00:01 [warn] 7#7: *12 [lua] x:1: f(): [info] User tracking success: a+t@b.c{TAIL}"
        );
        let found = lines(&format!(
            "{native}\n{literal}\n[info] Tracking user: x@y [Default]\n"
        ));
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|line| line.at_level));
        assert_eq!(
            found[0].line,
            Line::Tracking {
                email: "a+t@b.c".to_owned(),
                context: "UI/Admin".to_owned()
            }
        );
        assert_eq!(
            found[1].line,
            Line::Success {
                email: "a+t@b.c".to_owned()
            }
        );
        assert!(found[0].record.caused_by("verify=n"));
    }

    #[test]
    fn another_level_is_noticed() {
        let found = lines(&format!(
            "2025/11/08 12:00:01 [warn] 7#7: *1 [lua] x:1: Tracking user: a@b [Default]{TAIL}\n"
        ));
        assert!(!found[0].at_level);
    }

    #[test]
    fn a_failure_and_a_line_out_of_shape_are_noticed() {
        let found = lines(&format!(
            "2025/11/08 12:00:01 [warn] 7#7: *1 [lua] x:1: User tracking failed: a@b status: 500{TAIL}\n\
             2025/11/08 12:00:01 [info] 7#7: *1 [lua] x:1: Tracking user: a@b{TAIL}\n"
        ));
        assert_eq!(
            found[0].line,
            Line::Failed {
                email: "a@b".to_owned()
            }
        );
        assert_eq!(found[1].line, Line::Misshapen);
    }

    #[test]
    fn a_pattern_without_its_group_is_refused() {
        let mut patterns = LogPatterns {
            tracking: "Tracking user: (.*)".to_owned(),
            success: String::new(),
            failed: String::new(),
            level: "info".to_owned(),
            before: None,
            harmless: Vec::new(),
        };
        let error = Grammar::new(&patterns).unwrap_err().to_string();
        assert!(
            error.contains("log.tracking") && error.contains("email"),
            "{error}"
        );
        patterns.tracking = "(".to_owned();
        assert!(Grammar::new(&patterns).is_err());
    }

    #[test]
    fn only_a_whole_message_is_harmless() {
        let harmless = |message: &str| {
            let chunk = LogChunk {
                source: "f".to_owned(),
                in_service_log: false,
                bytes: format!("2025/11/08 12:00:01 [error] 7#7: *1 {message}{TAIL}\n")
                    .into_bytes(),
            };
            grammar().harmless(&parse(&chunk)[0]).is_some()
        };
        assert!(harmless("[lua] gate.lua:39: session(): check: START"));
        assert!(harmless(
            "[lua] gate.lua:39: check: START while sending to client"
        ));
        for other in [
            "[lua] gate.lua:39: session(): check: START failed",
            "[lua] x.lua:1: bad: check: START",
            "lua entry thread aborted: x.lua:3: attempt to index nil\nstack: check: START",
        ] {
            assert!(!harmless(other), "{other}");
        }
    }

    #[test]
    fn a_line_without_a_context_is_read_where_the_profile_has_none() {
        let patterns = LogPatterns {
            tracking: r"Tracking user: (?P<email>\S+)".to_owned(),
            ..patterns()
        };
        let grammar = Grammar::new(&patterns).unwrap();
        let text = format!(
            "2025/11/08 12:00:01 [info] 7#7: *1 Tracking user: a@b while sending to client{TAIL}\n"
        );
        let chunk = LogChunk {
            source: "f".to_owned(),
            in_service_log: false,
            bytes: text.into_bytes(),
        };
        let line = grammar.lines(&parse(&chunk)).remove(0).line;
        let (email, context) = ("a@b".to_owned(), String::new());
        assert_eq!(line, Line::Tracking { email, context });
        assert!(!grammar.tells_context() && grammar.told("Default").is_empty());
    }

    #[test]
    fn what_a_client_sent_is_no_line_of_tracking() {
        for message in [
            "[lua] jwt.lua:12: require_token(): bad token: Tracking user: a@b [Default]",
            "[lua] x.lua:1: agent: [info] User tracking success: a@b",
            "[lua] x.lua:1: agent: 5:12: Tracking user: a@b [Default]",
            "client sent invalid header line: \"Tracking user: a@b [Default]\"",
            "open() \"/html/Tracking user: a@b [Default]\" failed (2: No such file)",
        ] {
            let text = format!("2025/11/08 12:00:01 [info] 7#7: *1 {message}{TAIL}\n");
            assert!(lines(&text).is_empty(), "{message}");
        }
    }

    #[test]
    fn a_profile_may_name_what_stands_before_the_text() {
        let text = format!(
            "2025/11/08 12:00:01 [info] 7#7: *1 [lua] x:1: gw: Tracking user: a@b [D]{TAIL}\n"
        );
        assert!(lines(&text).is_empty());
        let patterns = LogPatterns {
            before: Some("gw: ".to_owned()),
            ..patterns()
        };
        let chunk = LogChunk {
            source: "f".to_owned(),
            in_service_log: false,
            bytes: text.into_bytes(),
        };
        assert_eq!(
            Grammar::new(&patterns).unwrap().lines(&parse(&chunk)).len(),
            1
        );
    }

    #[test]
    fn a_harmless_record_names_the_pattern_that_says_so() {
        let patterns = LogPatterns {
            harmless: vec!["first".to_owned(), "second".to_owned()],
            ..patterns()
        };
        let grammar = Grammar::new(&patterns).unwrap();
        let number = |message: &str| {
            let chunk = LogChunk {
                source: "f".to_owned(),
                in_service_log: false,
                bytes: format!("2025/11/08 12:00:01 [error] 7#7: *1 {message}{TAIL}\n")
                    .into_bytes(),
            };
            grammar.harmless(&parse(&chunk)[0])
        };
        assert_eq!(number("first"), Some(0));
        assert_eq!(number("second"), Some(1));
        assert_eq!(number("third"), None);
    }

    #[test]
    fn a_context_is_told_where_the_lines_name_one() {
        assert!(grammar().tells_context());
        assert_eq!(grammar().told("UI/Admin"), "UI/Admin");
    }
}
