//! Which lines are tracking, whose, and at which level.

use super::*;
use crate::{model::service::LogChunk, probe::log::parse};

fn patterns() -> LogPatterns {
    LogPatterns {
        tracking: r"Tracking user: (?P<email>\S+) \[(?P<context>[^\]]*)\]".to_owned(),
        success: Some(r"User tracking success: (?P<email>[^\s,]+)".to_owned()),
        failed: Some(r"User tracking failed: (?P<email>[^\s,]+)".to_owned()),
        level: "info".to_owned(),
        before: None,
        harmless: vec!["check: START".to_owned()],
    }
}

fn grammar() -> Grammar {
    Grammar::new(&patterns(), &BTreeMap::new()).unwrap()
}

fn lines(text: &str) -> Vec<Tracked> {
    let chunk = LogChunk {
        source: "f".to_owned(),
        in_service_log: false,
        bytes: text.as_bytes().to_vec(),
    };
    grammar().lines(&parse(&chunk))
}

const TAIL: &str = ", client: 1.2.3.4, server: , request: \"GET /?verify=n HTTP/1.1\", host: \"h\"";

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
        success: None,
        failed: None,
        level: "info".to_owned(),
        before: None,
        harmless: Vec::new(),
    };
    let error = Grammar::new(&patterns, &BTreeMap::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("log.tracking") && error.contains("email"),
        "{error}"
    );
    patterns.tracking = "(".to_owned();
    assert!(Grammar::new(&patterns, &BTreeMap::new()).is_err());
}

#[test]
fn only_a_whole_message_is_harmless() {
    let harmless = |message: &str| {
        let chunk = LogChunk {
            source: "f".to_owned(),
            in_service_log: false,
            bytes: format!("2025/11/08 12:00:01 [error] 7#7: *1 {message}{TAIL}\n").into_bytes(),
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
    let grammar = Grammar::new(&patterns, &BTreeMap::new()).unwrap();
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
    let text =
        format!("2025/11/08 12:00:01 [info] 7#7: *1 [lua] x:1: gw: Tracking user: a@b [D]{TAIL}\n");
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
        Grammar::new(&patterns, &BTreeMap::new())
            .unwrap()
            .lines(&parse(&chunk))
            .len(),
        1
    );
}

#[test]
fn a_harmless_record_names_the_pattern_that_says_so() {
    let patterns = LogPatterns {
        harmless: vec!["first".to_owned(), "second".to_owned()],
        ..patterns()
    };
    let grammar = Grammar::new(&patterns, &BTreeMap::new()).unwrap();
    let number = |message: &str| {
        let chunk = LogChunk {
            source: "f".to_owned(),
            in_service_log: false,
            bytes: format!("2025/11/08 12:00:01 [error] 7#7: *1 {message}{TAIL}\n").into_bytes(),
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
