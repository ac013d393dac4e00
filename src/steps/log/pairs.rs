//! The tracking lines that belong to one request, or to one user, and what must be true of them.

use std::collections::{BTreeSet, HashMap};

use super::request_trace;
use crate::{
    probe::log::{Grammar, Line, Record, Tracked, Window},
    steps::prelude::*,
};

/// Tracking lines that belong together.
#[derive(Debug)]
pub struct Pairs(Vec<Tracked>);

/// What they must be.
struct Expected<'a> {
    did: &'a str,
    email: &'a str,
    context: &'a str,
    /// `None`: at least one pair.
    times: Option<usize>,
}

impl Pairs {
    /// Those that a request caused, found by its nonce. A line that stands without its
    /// request, as in the literal form, is taken by its address.
    fn of_request(grammar: &Grammar, records: &[Record], nonce: &str, email: &str) -> Self {
        let own = |tracked: &Tracked| {
            tracked.record.caused_by(nonce)
                || (tracked.record.request.is_none() && names(tracked, email))
        };
        Self(grammar.lines(records).into_iter().filter(own).collect())
    }

    /// Those that name a user.
    fn of_user(grammar: &Grammar, records: &[Record], email: &str) -> Self {
        let mut own = grammar.lines(records);
        own.retain(|tracked| names(tracked, email));
        Self(own)
    }

    /// Those of a context: its `Tracking user` lines, with as many of the others as they have.
    fn in_context(self, wanted: &str) -> Self {
        let is_tracking = |tracked: &Tracked| matches!(tracked.line, Line::Tracking { .. });
        let (mut own, others): (Vec<_>, Vec<_>) = self.0.into_iter().partition(is_tracking);
        own.retain(|one| matches!(&one.line, Line::Tracking { context, .. } if context == wanted));
        let count = own.len();
        own.extend(others.into_iter().take(count));
        Self(own)
    }

    fn any(&self, is_it: impl Fn(&Line) -> bool) -> bool {
        self.0.iter().any(|tracked| is_it(&tracked.line))
    }

    fn count(&self, is_it: impl Fn(&Line) -> bool) -> usize {
        let own = self.0.iter().filter(|tracked| is_it(&tracked.line));
        own.count()
    }

    /// Whether there is a pair, in whichever context: more is not to be waited for.
    fn complete(&self, grammar: &Grammar) -> bool {
        let ends = |line: &Line| matches!(line, Line::Success { .. } | Line::Failed { .. });
        self.any(|line| matches!(line, Line::Tracking { .. }))
            && (!grammar.tells_success() || self.any(ends))
    }

    /// The lines as they stand in the log.
    fn text(&self) -> String {
        match self.0.is_empty() {
            true => "(no tracking line)".to_owned(),
            false => lines(self.0.iter().map(|tracked| &tracked.record.raw)),
        }
    }

    /// The nonce of the request that caused the last of them, where a line has one.
    fn nonce(&self) -> Option<&str> {
        let requests = self.0.iter().rev();
        requests
            .filter_map(|tracked| tracked.record.request.as_deref())
            .find_map(nonce_in)
    }

    /// What is not as it must be: its code, and what is there instead.
    fn fault(&self, expected: &Expected<'_>, run: &Run) -> (&'static str, Seen) {
        let level = &run.profile.log.level;
        let pair = run.grammar.tells_success();
        let Expected { email, context, .. } = expected;
        let lines = || self.0.iter().map(|tracked| &tracked.line);
        let other = lines().find_map(|line| match line {
            Line::Tracking { email: other, .. }
            | Line::Success { email: other }
            | Line::Failed { email: other }
                if other != email =>
            {
                Some(other)
            }
            _ => None,
        });
        let label = lines().find_map(|line| match line {
            Line::Tracking { context: other, .. } if other != context => Some(other),
            _ => None,
        });
        let first = self.count(|line| matches!(line, Line::Tracking { .. }));
        let second = self.count(|line| matches!(line, Line::Success { .. }));
        let failed = self.any(|line| matches!(line, Line::Failed { .. }));
        let misshapen = self.any(|line| matches!(line, Line::Misshapen));
        let (code, fault) = match (other, label) {
            _ if failed => ("tracking.failed", "the tracking failed".to_owned()),
            (Some(other), _) => {
                let fault = format!("it names {other}, not {email}");
                ("tracking.wrong-user", fault)
            }
            (None, Some(label)) => {
                let fault = format!("the context is [{label}], not [{context}]");
                ("tracking.wrong-context", fault)
            }
            _ if misshapen => {
                let fault = "a line does not have the plan's form".to_owned();
                ("tracking.form", fault)
            }
            _ if first == 0 => {
                let fault = "only the second line of the pair is there".to_owned();
                ("tracking.first-line-missing", fault)
            }
            _ if pair && second == 0 => {
                let fault = "only the first line of the pair is there".to_owned();
                ("tracking.second-line-missing", fault)
            }
            _ if first != 1 || second != usize::from(pair) => {
                let fault = match pair {
                    true => format!("{first} first and {second} second lines of a pair"),
                    false => format!("{first} lines"),
                };
                ("tracking.doubled", fault)
            }
            _ => ("tracking.level", format!("a line is not marked [{level}]")),
        };
        let mut seen = Seen::from(format!("{fault}:\n{}", self.text()));
        for (name, found) in [("user", other), ("context", label)] {
            if let Some(found) = found {
                seen = seen.fact(name, found);
            }
        }
        (code, seen)
    }

    /// The two lines of the plan's form, at their level, with this e-mail and context, each so
    /// many times, and no other.
    fn must_be(&self, run: &Run, records: &[Record], expected: &Expected<'_>) -> StepResult {
        let Expected { did, email, .. } = *expected;
        let context = run.grammar.told(expected.context);
        let expected = &Expected {
            context,
            ..*expected
        };
        let tracking = Line::Tracking {
            email: email.to_owned(),
            context: context.to_owned(),
        };
        let success = Line::Success {
            email: email.to_owned(),
        };
        let (first, second) = (
            self.count(|line| *line == tracking),
            self.count(|line| *line == success),
        );
        let times = expected.times.unwrap_or(first.max(1));
        let pairs = usize::from(run.grammar.tells_success()) * times;
        let counted = first == times && second == pairs && self.0.len() == times + pairs;
        let at_level = self.0.iter().all(|tracked| tracked.at_level);
        let level = &run.profile.log.level;
        let (code, seen) = match self.0.is_empty() {
            true => {
                let seen = format!(
                    "no tracking line of it among {} records of the log ({} tracking lines of other requests)",
                    records.len(),
                    run.grammar.lines(records).len()
                );
                ("tracking.missing", Seen::from(seen))
            }
            false => self.fault(expected, run),
        };
        let many = expected.times.map_or("a", |_| "exactly one");
        let label = match run.grammar.tells_context() {
            true => format!(", of the context {context}"),
            false => String::new(),
        };
        let what = match run.grammar.tells_success() {
            true => "pair of tracking lines",
            false => "tracking line",
        };
        let pair = format!("{many} {what} for {email}, marked [{level}]{label}");
        check(did, seen).must(pair, counted && at_level).code(code)
    }
}

/// The codes of a pair that is not as it must be.
pub const CODES: &[&str] = &[
    "tracking.failed",
    "tracking.wrong-user",
    "tracking.wrong-context",
    "tracking.form",
    "tracking.first-line-missing",
    "tracking.second-line-missing",
    "tracking.doubled",
    "tracking.level",
    "tracking.missing",
];

fn names(tracked: &Tracked, user: &str) -> bool {
    match &tracked.line {
        Line::Misshapen => tracked.record.message.contains(user),
        line => user_of(line) == Some(user),
    }
}

/// Whom a tracking line names.
pub fn user_of(line: &Line) -> Option<&str> {
    match line {
        Line::Tracking { email, .. } | Line::Success { email } | Line::Failed { email } => {
            Some(email)
        }
        Line::Misshapen => None,
    }
}

/// Where the lines of tracking name no context, a remark says what was checked in its place.
pub fn note_untold_context(world: &World, run: &Run) {
    if !run.grammar.tells_context() {
        world.remark(
            "which context a line belongs to is not told",
            "The gateway's lines name none, as the profile says: what was checked is that each request has exactly one pair, of its user.",
        );
    }
}

/// The tracking pair of a user in the scenario's window, whichever request caused it.
pub async fn pair_of_user(
    world: &World,
    run: &Run,
    did: &str,
    email: &str,
    context: &str,
) -> StepResult {
    let found = |records: &[Record]| Pairs::of_user(&run.grammar, records, email);
    let complete = |records: &[Record]| found(records).complete(&run.grammar);
    let window = world.window()?;
    let records = window.wait(&*run.stack, run.deadline(), complete).await?;
    let pairs = found(&records);
    let nonce = pairs.nonce().unwrap_or_default();
    let title = format!("tracking lines of {email}");
    world.saw_of(nonce, Stage::Lua, EvidenceKind::Log, title, pairs.text());
    if !nonce.is_empty() {
        request_trace::access_log(world, run, nonce).await;
    }
    let expected = Expected {
        did,
        email,
        context,
        times: None,
    };
    pairs.must_be(run, &records, &expected)
}

/// The tracking pair of a request in the scenario's window.
pub async fn pair_of_request(world: &World, run: &Run, sent: &Sent) -> StepResult {
    let Sent {
        nonce,
        email,
        context,
    } = sent;
    let found = |records: &[Record]| Pairs::of_request(&run.grammar, records, nonce, email);
    let complete = |records: &[Record]| found(records).complete(&run.grammar);
    let window = world.window()?;
    let records = window.wait(&*run.stack, run.deadline(), complete).await?;
    let pairs = found(&records);
    let title = "tracking lines of the request";
    world.saw_of(nonce, Stage::Lua, EvidenceKind::Log, title, pairs.text());
    request_trace::access_log(world, run, nonce).await;
    note_untold_context(world, run);
    if records.iter().any(|record| !record.in_service_log) {
        let why = "docker compose logs would not show them";
        world.remark("the lines stand in a file", why);
    }
    let expected = Expected {
        did: &format!("ask for the context {context} as {email}"),
        email,
        context,
        times: Some(1),
    };
    pairs.must_be(run, &records, &expected)
}

/// The tracking pairs of requests in a window, each held against what it must be.
pub async fn pairs_of_requests(
    world: &World,
    run: &Run,
    window: &Window,
    sent: &[Sent],
    did: &str,
) -> StepResult {
    let nonces: BTreeSet<&str> = sent.iter().map(|one| one.nonce.as_str()).collect();
    let users: BTreeSet<&str> = sent.iter().map(|one| one.email.as_str()).collect();
    // Other people's lines do not make it enough.
    let is_own = |tracked: &Tracked| match tracked.record.request.as_deref() {
        Some(request) => nonce_in(request).is_some_and(|nonce| nonces.contains(nonce)),
        None => users.iter().any(|user| names(tracked, user)),
    };
    let own = |records: &[Record]| -> Vec<Tracked> {
        let mut own = run.grammar.lines(records);
        own.retain(is_own);
        own
    };
    let enough = |records: &[Record]| own(records).len() >= 2 * sent.len();
    let records = window.wait(&*run.stack, run.deadline(), enough).await?;
    let found = own(&records);
    let title = format!("{} tracking lines of {} requests", found.len(), sent.len());
    let raw = lines(found.iter().map(|line| &line.record.raw));
    world.saw(EvidenceKind::Log, title, raw);
    if let Some(last) = sent.last() {
        let own = Pairs::of_request(&run.grammar, &records, &last.nonce, &last.email);
        let (kind, title) = (EvidenceKind::Log, "tracking lines of the last of them");
        world.saw_of(&last.nonce, Stage::Lua, kind, title, own.text());
    }
    // In the literal form lines stand without their request: then the pairs are counted by
    // user and context.
    let untied = found.iter().any(|line| line.record.request.is_none());
    let mut by_nonce: HashMap<&str, Vec<Tracked>> = HashMap::new();
    for line in &found {
        let request = line.record.request.as_deref().unwrap_or_default();
        if let Some(nonce) = nonce_in(request) {
            by_nonce.entry(nonce).or_default().push(line.clone());
        }
    }
    for one in sent {
        let (pairs, times) = if untied {
            let context = run.grammar.told(&one.context);
            let same = |other: &&Sent| {
                other.email == one.email && run.grammar.told(&other.context) == context
            };
            let pairs = Pairs::of_user(&run.grammar, &records, &one.email).in_context(context);
            (pairs, sent.iter().filter(same).count())
        } else {
            let own = by_nonce.remove(one.nonce.as_str());
            (Pairs(own.unwrap_or_default()), 1)
        };
        let expected = Expected {
            did,
            email: &one.email,
            context: &one.context,
            times: Some(times),
        };
        pairs.must_be(run, &records, &expected)?;
    }
    Ok(())
}

/// The nonce that a request line carries.
pub fn nonce_in(request: &str) -> Option<&str> {
    let (_, rest) = request.split_once(&format!("{}=", crate::probe::NONCE))?;
    let end = rest.find(|letter: char| !letter.is_ascii_hexdigit());
    rest.get(..end.unwrap_or(rest.len()))
        .filter(|nonce| !nonce.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_tells_its_nonce() {
        assert_eq!(nonce_in("GET /ui/?verify=01ab HTTP/1.1"), Some("01ab"));
        assert_eq!(nonce_in("GET /?a=b&verify=01ab&c HTTP/1.1"), Some("01ab"));
        assert_eq!(nonce_in("GET /?verify=%20 HTTP/1.1"), None);
        assert_eq!(nonce_in("GET /health HTTP/1.1"), None);
    }
}
