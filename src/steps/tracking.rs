//! The tracking lines that belong to one request, or to one user, and what must be true of them.

use std::collections::{BTreeSet, HashMap};

use super::{
    run::{Run, Sent},
    trail,
    world::{Blame, Coded as _, Seen, StepResult, World, expect},
};
use crate::{
    evidence::{EvidenceKind, Stage},
    probe::log::{Grammar, Line, Record, Tracked, Window},
};

/// Tracking lines that belong together.
#[derive(Debug)]
pub struct Pairs(Vec<Tracked>);

impl Pairs {
    /// Those that a request caused, found by its nonce. A line that stands without its
    /// request, as in the literal form, is taken by its address.
    #[must_use]
    pub fn of_request(grammar: &Grammar, records: &[Record], nonce: &str, email: &str) -> Self {
        let own = |tracked: &Tracked| {
            tracked.record.caused_by(nonce)
                || (tracked.record.request.is_none() && names(tracked, email))
        };
        Self(grammar.lines(records).into_iter().filter(own).collect())
    }

    /// Those that name a user.
    #[must_use]
    pub fn of_user(grammar: &Grammar, records: &[Record], email: &str) -> Self {
        Self(
            grammar
                .lines(records)
                .into_iter()
                .filter(|tracked| names(tracked, email))
                .collect(),
        )
    }

    /// Those of a context: its `Tracking user` lines, with as many of the others as they have.
    #[must_use]
    pub fn in_context(self, wanted: &str) -> Self {
        let (tracking, others): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .partition(|tracked| matches!(tracked.line, Line::Tracking { .. }));
        let own: Vec<_> = tracking
            .into_iter()
            .filter(|tracked| matches!(&tracked.line, Line::Tracking { context, .. } if context == wanted))
            .collect();
        let count = own.len();
        Self(
            own.into_iter()
                .chain(others.into_iter().take(count))
                .collect(),
        )
    }

    /// Whether there is a pair, in whichever context: more is not to be waited for.
    #[must_use]
    pub fn complete(&self) -> bool {
        let tracking = |line: &Line| matches!(line, Line::Tracking { .. });
        let ended = |line: &Line| matches!(line, Line::Success { .. } | Line::Failed { .. });
        self.0.iter().any(|tracked| tracking(&tracked.line))
            && self.0.iter().any(|tracked| ended(&tracked.line))
    }

    /// Whether there is no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines as they stand in the log.
    #[must_use]
    pub fn text(&self) -> String {
        if self.0.is_empty() {
            return "(no tracking line)".to_owned();
        }
        self.0
            .iter()
            .map(|tracked| tracked.record.raw.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The nonce of the request that caused the last of them, where a line tells it.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        let requests = self.0.iter().rev();
        requests
            .filter_map(|tracked| tracked.record.request.as_deref())
            .find_map(nonce_in)
    }

    /// What is not as it must be: its code, what is there instead, and in a person's words.
    fn fault(&self, email: &str, context: &str, level: &str) -> Fault {
        let lines = || self.0.iter().map(|tracked| &tracked.line);
        let failed = lines().any(|line| matches!(line, Line::Failed { .. }));
        let misshapen = lines().any(|line| matches!(line, Line::Misshapen));
        let others = lines().find_map(|line| match line {
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
        let tracking = lines()
            .filter(|line| matches!(line, Line::Tracking { .. }))
            .count();
        let success = lines()
            .filter(|line| matches!(line, Line::Success { .. }))
            .count();
        let text = match (others, label) {
            (Some(other), _) => format!("it names {other}, not {email}"),
            (None, Some(label)) => format!("the context is [{label}], not [{context}]"),
            _ if failed => "the tracking failed".to_owned(),
            _ if misshapen => "a line does not have the plan's form".to_owned(),
            _ if tracking == 0 => "only the second line of the pair is there".to_owned(),
            _ if success == 0 => "only the first line of the pair is there".to_owned(),
            _ if tracking != 1 || success != 1 => {
                format!("{tracking} first and {success} second lines of a pair")
            }
            _ => format!("a line is not marked [{level}]"),
        };
        let code = match (others, label) {
            _ if failed => "tracking.failed",
            (Some(_), _) => "tracking.wrong-user",
            (None, Some(_)) => "tracking.wrong-context",
            _ if misshapen => "tracking.form",
            _ if tracking == 0 => "tracking.first-line-missing",
            _ if success == 0 => "tracking.second-line-missing",
            _ if tracking != 1 || success != 1 => "tracking.doubled",
            _ => "tracking.level",
        };
        Fault {
            code,
            text,
            user: others.cloned(),
            context: label.cloned(),
        }
    }

    fn count(&self, wanted: &Line) -> usize {
        self.0
            .iter()
            .filter(|tracked| tracked.line == *wanted)
            .count()
    }
}

/// The codes that [`judge`] gives.
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

/// What is wrong with lines.
struct Fault {
    code: &'static str,
    text: String,
    user: Option<String>,
    context: Option<String>,
}

fn names(tracked: &Tracked, user: &str) -> bool {
    match &tracked.line {
        Line::Tracking { email, .. } | Line::Success { email } | Line::Failed { email } => {
            email == user
        }
        Line::Misshapen => tracked.record.message.contains(user),
    }
}

/// Holds what was found against what must be: the two lines of the plan's form, at their
/// level, with this e-mail and context, each so many times (`None`: at least once), and no other.
///
/// # Errors
/// The candidate's fault, with what the log holds instead.
pub fn judge(
    run: &Run,
    pairs: &Pairs,
    records: &[Record],
    did: &str,
    email: &str,
    context: &str,
    times: Option<usize>,
) -> StepResult {
    let context = run.grammar.told(context);
    let tracking = pairs.count(&Line::Tracking {
        email: email.to_owned(),
        context: context.to_owned(),
    });
    let success = pairs.count(&Line::Success {
        email: email.to_owned(),
    });
    let counted = match times {
        Some(times) => tracking == times && success == times && pairs.0.len() == 2 * times,
        None => tracking > 0 && success == tracking && pairs.0.len() == 2 * tracking,
    };
    let at_level = pairs.0.iter().all(|tracked| tracked.at_level);
    let level = &run.profile.log.level;
    let label = match run.grammar.tells_context() {
        true => format!(" [{context}]"),
        false => String::new(),
    };
    let many = match times {
        Some(_) => "exactly one",
        None => "a",
    };
    let (code, seen) = if pairs.is_empty() {
        let others = run.grammar.lines(records);
        let text = format!(
            "no tracking line of it among {} records of the log ({} tracking lines of other requests)",
            records.len(),
            others.len()
        );
        ("tracking.missing", Seen::from(text))
    } else {
        let fault = pairs.fault(email, context, level);
        let mut seen = Seen::from(format!("{}:\n{}", fault.text, pairs.text()));
        for (name, found) in [("user", fault.user), ("context", fault.context)] {
            if let Some(found) = found {
                seen = seen.fact(name, found);
            }
        }
        (fault.code, seen)
    };
    expect(
        Blame::Candidate,
        counted && at_level,
        did,
        format!(
            "{many} pair: [{level}] Tracking user: {email}{label} / [{level}] User tracking success: {email}"
        ),
        seen,
    )
    .code(code)
}

/// Says, where the lines of tracking name no context, what was looked for in its place.
pub fn note_untold_context(world: &World, run: &Run) {
    if !run.grammar.tells_context() {
        world.saw(
            EvidenceKind::Remark,
            "which context a line belongs to is not told",
            "The gateway's lines name none, as the profile says: what was checked is that each request has exactly one pair, of its user.",
        );
    }
}

/// Waits for the tracking pair of a user in the scenario's window, whichever request caused it,
/// and holds it against what must be.
///
/// # Errors
/// The candidate's fault, with what the log holds instead.
pub async fn pair_of_user(world: &World, did: &str, email: &str, context: &str) -> StepResult {
    let run = world.run()?;
    let found = |records: &[Record]| Pairs::of_user(&run.grammar, records, email);
    let complete = |records: &[Record]| found(records).complete();
    let records = world
        .window()?
        .wait(&*run.stack, run.deadline(), complete)
        .await?;
    let pairs = found(&records);
    let nonce = pairs.nonce().unwrap_or_default();
    world.saw_of(
        nonce,
        Stage::Lua,
        EvidenceKind::Log,
        &format!("tracking lines of {email}"),
        &pairs.text(),
    );
    if !nonce.is_empty() {
        trail::access_log(world, nonce).await;
    }
    judge(&run, &pairs, &records, did, email, context, None)
}

/// Waits for a request's tracking pair in the scenario's window, and holds it against what
/// must be.
///
/// # Errors
/// The candidate's fault, with what the log holds instead.
pub async fn pair_of_request(world: &World, run: &Run, sent: &Sent) -> StepResult {
    let found =
        |records: &[Record]| Pairs::of_request(&run.grammar, records, &sent.nonce, &sent.email);
    let complete = |records: &[Record]| found(records).complete();
    let records = world
        .window()?
        .wait(&*run.stack, run.deadline(), complete)
        .await?;
    let pairs = found(&records);
    world.saw_of(
        &sent.nonce,
        Stage::Lua,
        EvidenceKind::Log,
        "tracking lines of the request",
        &pairs.text(),
    );
    trail::access_log(world, &sent.nonce).await;
    note_untold_context(world, run);
    if records.iter().any(|record| !record.in_service_log) {
        world.saw(
            EvidenceKind::Remark,
            "the lines stand in a file",
            "docker compose logs would not show them",
        );
    }
    let did = format!("ask for the context {} as {}", sent.context, sent.email);
    judge(
        run,
        &pairs,
        &records,
        &did,
        &sent.email,
        &sent.context,
        Some(1),
    )
}

/// Waits for the tracking pairs of requests in a window, and holds each against what must be.
///
/// # Errors
/// The candidate's fault, with what the log holds instead.
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
        run.grammar
            .lines(records)
            .into_iter()
            .filter(is_own)
            .collect()
    };
    let enough = |records: &[Record]| own(records).len() >= 2 * sent.len();
    let records = window.wait(&*run.stack, run.deadline(), enough).await?;
    let lines = own(&records);
    let raw: Vec<&str> = lines.iter().map(|line| line.record.raw.as_str()).collect();
    world.saw(
        EvidenceKind::Log,
        &format!("{} tracking lines of {} requests", lines.len(), sent.len()),
        &raw.join("\n"),
    );
    if let Some(last) = sent.last() {
        let own = Pairs::of_request(&run.grammar, &records, &last.nonce, &last.email);
        let title = "tracking lines of the last of them";
        let text = own.text();
        world.saw_of(&last.nonce, Stage::Lua, EvidenceKind::Log, title, &text);
    }
    // In the literal form lines stand without their request: then the pairs are counted by
    // user and context.
    let untied = lines.iter().any(|line| line.record.request.is_none());
    let mut by_nonce: HashMap<&str, Vec<Tracked>> = HashMap::new();
    for line in &lines {
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
            (
                Pairs(by_nonce.remove(one.nonce.as_str()).unwrap_or_default()),
                1,
            )
        };
        judge(
            run,
            &pairs,
            &records,
            did,
            &one.email,
            &one.context,
            Some(times),
        )?;
    }
    Ok(())
}

/// The nonce that a request line carries.
#[must_use]
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
