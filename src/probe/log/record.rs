//! One record of nginx's error log: a line in its own format with the lines that belong to it.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::service::LogChunk;

/// The levels of nginx's error log, the worst last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warn,
    Error,
    Crit,
    Alert,
    Emerg,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Crit => "crit",
            Self::Alert => "alert",
            Self::Emerg => "emerg",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "notice" => Self::Notice,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "crit" => Self::Crit,
            "alert" => Self::Alert,
            "emerg" => Self::Emerg,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The log that it stands in.
    pub source: String,
    /// Whether `docker compose logs` would show it.
    pub in_service_log: bool,
    /// nginx's own level; `None` for a line that is not in nginx's format.
    pub level: Option<Level>,
    /// What was logged, without nginx's head and without the request that it adds.
    pub message: String,
    /// The request line that nginx adds, where there is one.
    pub request: Option<String>,
    /// The line as it stands, with the lines that follow it.
    pub raw: String,
}

impl Record {
    /// Whether the request that caused it carries this text in its request line.
    pub fn caused_by(&self, nonce: &str) -> bool {
        self.request
            .as_deref()
            .is_some_and(|request| request.contains(nonce))
    }
}

/// ngx_log.c: time, level, pid#tid, and the connection where there is one.
static HEAD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>[a-z]+)\] \d+#\d+: (?:\*\d+ )?").ok()
});

/// What nginx itself says before it has a log: `nginx: [emerg] …`.
static EARLY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^nginx: \[(?P<level>[a-z]+)\] ").ok());

/// The request that nginx adds at the end. It stands behind `, client: `, and what a client
/// can choose within the message before it does not count.
static REQUEST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#", request: "([^"]*)"#).ok());

pub(super) struct Parsed {
    pub records: Vec<Record>,
    /// Where in the chunk that begins which may still grow: its last record, or, where it has
    /// none, its last line, if that is not complete.
    pub open: usize,
}

/// Takes one chunk of a log apart. A line that is neither in nginx's format nor starts with
/// a level in brackets belongs to the record before it, as the lines of a Lua stack trace do.
pub fn parse(chunk: &LogChunk) -> Vec<Record> {
    take_apart(chunk).records
}

/// The same, with where the chunk may still grow.
pub(super) fn take_apart(chunk: &LogChunk) -> Parsed {
    let mut records: Vec<Record> = Vec::new();
    let (mut open, mut at) = (0, 0);
    for bytes in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let begins = at;
        at += bytes.len();
        match (start(line), records.last_mut()) {
            (Some((level, message)), _) => {
                open = begins;
                let (message, request) = split_tail(message);
                records.push(Record {
                    source: chunk.source.clone(),
                    in_service_log: chunk.in_service_log,
                    level,
                    message: message.to_owned(),
                    request,
                    raw: line.to_owned(),
                });
            }
            (None, Some(before)) => {
                // A multi-line message has its request behind its last line.
                let (message, request) = split_tail(line);
                before.message.push('\n');
                before.message.push_str(message);
                before.request = before.request.take().or(request);
                before.raw.push('\n');
                before.raw.push_str(line);
            }
            // The rest of a record from before the window.
            (None, None) if bytes.ends_with(b"\n") => open = at,
            (None, None) => {}
        }
    }
    Parsed { records, open }
}

/// Whether a line begins a record of the error log; one of an access log does not.
pub(super) fn begins_record(line: &str) -> bool {
    start(line).is_some()
}

fn start(line: &str) -> Option<(Option<Level>, &str)> {
    let head = match line.as_bytes().first()? {
        b'0'..=b'9' => HEAD.as_ref()?,
        b'n' => EARLY.as_ref()?,
        b'[' => {
            let (level, _) = line.get(1..)?.split_once("] ")?;
            return Level::named(level).map(|_| (None, line));
        }
        _ => return None,
    };
    let found = head.captures(line)?;
    Some((Level::named(&found["level"]), line.get(found[0].len()..)?))
}

fn split_tail(text: &str) -> (&str, Option<String>) {
    match text.find(", client: ") {
        Some(at) => {
            let (message, tail) = text.split_at(at);
            let request = REQUEST
                .as_ref()
                .and_then(|pattern| pattern.captures(tail))
                .map(|found| found[1].to_owned());
            (message, request)
        }
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(bytes: &[u8]) -> Vec<Record> {
        parse(&LogChunk {
            source: "stderr".to_owned(),
            in_service_log: true,
            bytes: bytes.to_vec(),
        })
    }

    const NATIVE: &str = "2025/11/08 12:00:01 [info] 7#7: *12 [lua] init_worker_by_lua(nginx.conf:65):8: track_user(): Tracking user: a+b@example.com [Token API] while sending to client, client: 127.0.0.1, server: localhost, request: \"GET /api/token/?verify=abc HTTP/1.1\", host: \"gateway.example.com\"";

    #[test]
    fn nginx_s_own_format_is_read() {
        let found = records(NATIVE.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Some(Level::Info));
        assert!(
            found[0]
                .message
                .ends_with("[Token API] while sending to client")
        );
        assert!(found[0].caused_by("abc") && !found[0].caused_by("abd"));
    }

    #[test]
    fn a_literal_line_is_a_record_of_its_own_without_a_request() {
        let found =
            records(b"[info] Tracking user: a@b [Default]\n[info] User tracking success: a@b\n");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].level, found[0].request.as_deref()), (None, None));
        assert_eq!(found[0].message, "[info] Tracking user: a@b [Default]");
    }

    #[test]
    fn a_stack_trace_belongs_to_its_first_line() {
        let text = "2025/11/08 12:00:01 [error] 7#7: *1 lua entry thread aborted: runtime error: x.lua:3: attempt to index nil\nstack traceback:\ncoroutine 0:\n\tx.lua: in function <x.lua:1>, client: 10.0.0.1, server: , request: \"GET /ui/?verify=n1 HTTP/1.1\"\n2025/11/08 12:00:02 [warn] 7#7: next\n";
        let found = records(text.as_bytes());
        assert_eq!(found.len(), 2);
        assert!(found[0].raw.contains("coroutine 0") && found[0].caused_by("n1"));
        assert_eq!(
            (found[1].level, found[1].message.as_str()),
            (Some(Level::Warn), "next")
        );
    }

    #[test]
    fn words_of_a_client_are_not_taken_for_a_level_or_a_request() {
        let line = "2025/11/08 12:00:01 [info] 7#7: *3 client sent [error] \", request: \"GET /forged\", client: 10.0.0.1, request: \"GET /real HTTP/1.1\", referrer: \"http://x/?request: \"GET /other\"";
        let found = records(line.as_bytes());
        assert_eq!(found[0].level, Some(Level::Info));
        assert_eq!(found[0].request.as_deref(), Some("GET /real HTTP/1.1"));
    }

    #[test]
    fn what_is_cut_or_not_utf_8_is_read_as_far_as_it_goes() {
        let cut = &NATIVE.as_bytes()[..120];
        assert_eq!(records(cut).len(), 1);
        assert_eq!(records(cut)[0].request, None);
        let mut bytes = NATIVE.as_bytes().to_vec();
        bytes.extend(b"\n\xff\xfe rest\n");
        bytes.extend(NATIVE.as_bytes());
        let found = records(&bytes);
        assert_eq!(found.len(), 2);
        assert!(found[0].raw.contains('\u{fffd}'));
    }

    #[test]
    fn interleaved_requests_are_kept_apart() {
        let other = NATIVE
            .replace("verify=abc", "verify=def")
            .replace("*12", "*13");
        let text = format!("{NATIVE}\n{other}\n{NATIVE}\n");
        let found = records(text.as_bytes());
        assert_eq!(
            found
                .iter()
                .filter(|record| record.caused_by("abc"))
                .count(),
            2
        );
        assert_eq!(
            found
                .iter()
                .filter(|record| record.caused_by("def"))
                .count(),
            1
        );
    }

    #[test]
    fn what_nginx_says_before_it_has_a_log_is_a_record() {
        let found = records(b"nginx: [emerg] host not found in upstream \"x\" in /c:3\nnginx: configuration file /c test failed\n");
        assert_eq!(found[0].level, Some(Level::Emerg));
    }

    #[test]
    fn the_eight_levels_of_nginx_are_known_by_their_names_the_worst_last() {
        let names = [
            "debug", "info", "notice", "warn", "error", "crit", "alert", "emerg",
        ];
        let levels: Vec<Level> = names.iter().filter_map(|name| Level::named(name)).collect();
        assert!(levels.is_sorted_by(|milder, worse| milder < worse));
        let called: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        assert_eq!(called, names);
        for none in ["", "err", "ERROR", "warning"] {
            assert_eq!(Level::named(none), None, "{none}");
        }
    }
}
