//! The way of one request: from the client through the gateway to the upstream and back, by what
//! it left at each place. Pure: made of an item's evidence alone.

use super::ItemReport;
use crate::evidence::{Evidence, Stage};

/// What one request left on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<'a> {
    /// The text that it carried, and nothing else did.
    pub nonce: &'a str,
    /// Every place, in the order of the way, also where nothing was seen.
    pub stops: Vec<Stop>,
}

/// A place on a request's way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// What the client sent.
    Request,
    /// The line of the gateway's access log.
    AccessLog,
    /// What the gateway's Lua wrote to the error log.
    Lua,
    /// What changed in Redis.
    Redis,
    /// What the upstream received.
    Upstream,
    /// What the client was answered.
    Answer,
}

/// What was seen at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// Where.
    pub place: Place,
    /// What; `None` where nothing was seen, or nobody looked.
    pub seen: Option<Seen>,
}

/// What was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// A text, line by line.
    Text(String),
    /// A value as it was and as it became; `None` where only one of both is known.
    Change {
        /// Before the request.
        before: Option<String>,
        /// After it.
        after: Option<String>,
    },
}

/// The ways of an item's requests that were seen at two places or more besides the client, the
/// ones that were followed farthest first; of those alike, the first.
#[must_use]
pub fn traces(item: &ItemReport) -> Vec<Trace<'_>> {
    let mut nonces: Vec<(&str, usize)> = Vec::new();
    for trail in item.evidence.iter().filter_map(|one| one.trail.as_ref()) {
        if !nonces.iter().any(|(known, _)| *known == trail.nonce) {
            let count = stages(item, &trail.nonce);
            nonces.push((&trail.nonce, count));
        }
    }
    nonces.retain(|(_, count)| *count > 1);
    // A stable sort: those alike stay in their order.
    nonces.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    nonces
        .into_iter()
        .map(|(nonce, _)| follow(item, nonce))
        .collect()
}

/// How many stages of a request's way are known.
fn stages(item: &ItemReport, nonce: &str) -> usize {
    let mut stages: Vec<Stage> = of(item, nonce).map(|(stage, _)| stage).collect();
    stages.sort_unstable();
    stages.dedup();
    stages.len()
}

/// The evidence of a request, in the order that it was seen.
fn of<'a>(item: &'a ItemReport, nonce: &'a str) -> impl Iterator<Item = (Stage, &'a Evidence)> {
    item.evidence.iter().filter_map(move |one| {
        let trail = one.trail.as_ref().filter(|trail| trail.nonce == nonce)?;
        Some((trail.stage, one))
    })
}

fn follow<'a>(item: &'a ItemReport, nonce: &'a str) -> Trace<'a> {
    // A request that was sent twice, as by a login that comes back to it, counts as it came last.
    let last = |wanted: Stage| {
        let found = of(item, nonce).filter(|(stage, _)| *stage == wanted).last();
        found.map(|(_, evidence)| evidence.body.as_str())
    };
    let exchange = last(Stage::Exchange);
    let text = |body: Option<&str>| body.map(|body| Seen::Text(body.trim_end().to_owned()));
    let (before, after) = (last(Stage::RedisBefore), last(Stage::RedisAfter));
    let change = (before.is_some() || after.is_some()).then(|| Seen::Change {
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    });
    let stop = |place, seen| Stop { place, seen };
    Trace {
        nonce,
        stops: vec![
            stop(
                Place::Request,
                text(exchange.map(|body| halves(body).0).as_deref()),
            ),
            stop(Place::AccessLog, text(last(Stage::AccessLog))),
            stop(Place::Lua, text(last(Stage::Lua))),
            stop(Place::Redis, change),
            stop(Place::Upstream, text(last(Stage::Upstream))),
            stop(
                Place::Answer,
                text(exchange.map(|body| halves(body).1).as_deref()),
            ),
        ],
    }
}

/// The transcript of a request and its response, taken apart and without its marks; a text that
/// is no transcript is all answer.
#[must_use]
pub fn halves(transcript: &str) -> (String, String) {
    let mut request = Vec::new();
    let mut rest = transcript.lines().peekable();
    while let Some(line) = rest.next_if(|line| line.starts_with('>')) {
        request.push(unmarked(line, '>'));
    }
    // A body that was sent may have lines of its own: all up to the answer's first.
    let rest: Vec<&str> = rest.collect();
    let answer = rest.iter().position(|line| is_status(line));
    let (body, answer) = rest.split_at(answer.unwrap_or(0));
    if !request.is_empty() {
        request.extend(body.iter().copied());
    }
    let mut in_head = true;
    let answer: Vec<&str> = answer
        .iter()
        .map(|line| {
            // An empty mark ends the head; what the body's lines begin with is their own.
            let shown = if in_head { unmarked(line, '<') } else { line };
            in_head = in_head && *line != "<";
            shown
        })
        .collect();
    (request.join("\n"), answer.join("\n"))
}

/// `< 200`
fn is_status(line: &str) -> bool {
    let status = line.strip_prefix("< ").unwrap_or_default();
    status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit())
}

fn unmarked(line: &str, mark: char) -> &str {
    let rest = line.strip_prefix(mark).unwrap_or(line);
    rest.strip_prefix(' ').unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::{EvidenceKind, Trail},
        report::samples::pass,
    };

    fn evidence(nonce: &str, stage: Stage, body: &str) -> Evidence {
        Evidence {
            kind: EvidenceKind::Log,
            title: "title".to_owned(),
            body: body.to_owned(),
            image: None,
            trail: Some(Trail {
                nonce: nonce.to_owned(),
                stage,
            }),
            figures: None,
        }
    }

    fn item(evidence: Vec<Evidence>) -> ItemReport {
        ItemReport {
            evidence,
            ..pass().items.remove(0)
        }
    }

    #[test]
    fn a_request_is_followed_by_its_nonce_and_by_nothing_else() {
        let item = item(vec![
            evidence("a", Stage::Exchange, "> GET http://x/?verify=a\n< 401\n"),
            evidence("b", Stage::RedisBefore, "key = 1"),
            evidence("b", Stage::Exchange, "> GET http://x/?verify=b\n< 302\n"),
            evidence("b", Stage::Lua, "Tracking user"),
            evidence("b", Stage::RedisAfter, "key = 2"),
            evidence(
                "b",
                Stage::Exchange,
                "> GET http://x/?verify=b\n> accept: */*\n< 200\n< server: x\n<\nbody",
            ),
        ]);
        let found = traces(&item);
        assert_eq!(found.len(), 1, "of `a` only the client knows");
        assert_eq!(found[0].nonce, "b");
        let seen: Vec<Option<Seen>> = found[0]
            .stops
            .iter()
            .map(|stop| stop.seen.clone())
            .collect();
        let text = |text: &str| Some(Seen::Text(text.to_owned()));
        assert_eq!(
            seen,
            [
                text("GET http://x/?verify=b\naccept: */*"),
                None,
                text("Tracking user"),
                Some(Seen::Change {
                    before: Some("key = 1".to_owned()),
                    after: Some("key = 2".to_owned())
                }),
                None,
                text("200\nserver: x\n\nbody"),
            ]
        );
    }

    #[test]
    fn the_one_that_was_followed_farthest_comes_first() {
        let item = item(vec![
            evidence("a", Stage::Exchange, ""),
            evidence("a", Stage::AccessLog, ""),
            evidence("b", Stage::Exchange, ""),
            evidence("b", Stage::AccessLog, ""),
            evidence("b", Stage::Upstream, ""),
        ]);
        let found: Vec<&str> = traces(&item).iter().map(|trace| trace.nonce).collect();
        assert_eq!(found, ["b", "a"]);
        assert!(traces(&pass().items[0]).is_empty());
    }

    #[test]
    fn a_transcript_falls_into_two_whatever_its_bodies_hold() {
        let (request, answer) =
            halves("> POST /a\n> x: y\n>\n> {\n}\n< 200\n< a: b\n<\n< 404\n> c");
        assert_eq!(request, "POST /a\nx: y\n\n{\n}");
        assert_eq!(answer, "200\na: b\n\n< 404\n> c");
        assert_eq!(
            halves("no transcript"),
            (String::new(), "no transcript".to_owned())
        );
        assert_eq!(halves(""), (String::new(), String::new()));
    }
}
