//! What an attacker tries: many requests at once, each known by its mark, and what came of them.

use std::{collections::BTreeSet, io, net::SocketAddr, time::Duration};

use futures::future::{join_all, try_join_all};

use crate::{
    doubles::journal::Entry,
    probe::{
        http::{Connection, NoAnswer},
        raw::Raw,
    },
    profile::Values,
    stack::Socket,
    steps::prelude::*,
};

/// How long a worker may take to accept a connection, before it counts as not seen.
const ACCEPTED_WITHIN: Duration = Duration::from_millis(300);

/// How many times connections are made until every worker has accepted one.
const ROUNDS: usize = 20;

/// Something that is tried. What a check has to know of it is its kind.
#[derive(Clone, Debug)]
pub struct Attempt<K = ()> {
    pub kind: K,
    /// What it is, in a few words.
    pub what: String,
    /// A text that only this attempt carries: an address that it claims, a nonce.
    pub mark: String,
    pub raw: Raw,
}

impl<K> Attempt<K> {
    pub fn new(kind: K, what: impl Into<String>, mark: String, raw: Raw) -> Self {
        Self {
            kind,
            what: what.into(),
            mark,
            raw,
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct AttemptResult<K = ()> {
    pub kind: K,
    pub what: String,
    pub mark: String,
    pub response: Response,
}

impl<K> AttemptResult<K> {
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// Attempt and answer in one line.
    pub fn line(&self) -> String {
        format!("{} -> {}", self.what, self.response.summary())
    }
}

/// Attempts and answers, a line each.
pub fn lines_of<'a, K: 'a>(results: impl IntoIterator<Item = &'a AttemptResult<K>>) -> String {
    lines(results.into_iter().map(AttemptResult::line))
}

/// Whether the status says that whoever asked may not.
pub fn refused(status: u16) -> bool {
    REFUSED.fits(status)
}

/// A path with a nonce in its query.
pub fn with_nonce(path: &str, nonce: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{NONCE}={nonce}")
}

impl Run {
    /// A GET of the public site, byte for byte.
    pub fn raw(&self, target: &str) -> Raw {
        Raw::get(&self.profile.site.authority(), target)
    }

    /// The cookies that a session sends to the site.
    pub fn cookies_of(&self, session: &Session) -> StepResult<String> {
        let site = self.plain_page("/")?;
        Ok(session.browser.cookies(&site).unwrap_or_default())
    }

    /// A GET in a session.
    pub fn raw_in(&self, session: &Session, target: &str) -> StepResult<Raw> {
        Ok(self
            .raw(target)
            .header("Cookie", &self.cookies_of(session)?))
    }

    /// Whether nobody was let in: an API's refusal, or the way to the login.
    pub fn turned_away(&self, response: &Response) -> bool {
        refused(response.status) || self.sends_to_login(response)
    }

    /// Sends a request to the public port.
    pub async fn send_raw(&self, raw: &Raw) -> StepResult<Response> {
        let answer = match self.public_port() {
            Some(address) => raw.send(address).await,
            None => Err(io::Error::other("the site is no part of the stack")),
        };
        self.answer_to(raw, answer)
    }

    fn public_port(&self) -> Option<SocketAddr> {
        let site = &self.profile.site;
        self.stack.endpoints().resolve(&site.host, site.port)
    }

    fn answer_to(&self, raw: &Raw, answer: io::Result<Response>) -> StepResult<Response> {
        let response = answer.map_err(|error| NoAnswer {
            service: Service::Gateway,
            method: raw.method.clone(),
            url: format!("http://{}{}", raw.host, raw.target),
            why: error.to_string(),
        })?;
        self.http.note(&raw.method, &raw.target, response.status);
        Ok(response)
    }

    /// The same request to every worker of the gateway, over a connection that it accepted: what one
    /// of them alone remembers is not found by luck. Where it cannot be seen who accepts (behind a
    /// proxy, on another machine), to whoever answers several at once.
    pub async fn ask_every_worker(&self, raw: &Raw) -> StepResult<Vec<Response>> {
        let Some(port) = self.public_port() else {
            return Ok(vec![self.send_raw(raw).await?]);
        };
        let state = self.stack.state(Service::Gateway).await?;
        let mut missing: BTreeSet<u32> = state.workers.iter().map(|worker| worker.pid).collect();
        let many = 2 * missing.len().max(1);
        let mut answers = Vec::new();
        for _ in 0..ROUNDS {
            let open = try_join_all((0..many).map(|_| Connection::open(port))).await;
            let open = match open {
                Ok(open) => open,
                Err(error) => return Ok(vec![self.answer_to(raw, Err(error))?]),
            };
            let acceptors = self.acceptors(&open).await?;
            let known = acceptors.iter().any(Option::is_some);
            for (connection, acceptor) in open.into_iter().zip(acceptors) {
                if !known || acceptor.is_some_and(|pid| missing.remove(&pid)) {
                    let answer = raw.send_over(connection).await;
                    answers.push(self.answer_to(raw, answer)?);
                }
            }
            if !known || missing.is_empty() {
                break;
            }
        }
        Ok(answers)
    }

    /// Which process of the gateway accepted each connection, as far as the socket table has its
    /// other end.
    async fn acceptors(&self, open: &[Connection]) -> StepResult<Vec<Option<u32>>> {
        let ports: Vec<Option<u16>> = (open.iter())
            .map(|one| one.local().ok().map(|own| own.port()))
            .collect();
        let look = async || {
            let sockets = self.stack.sockets(Service::Gateway).await?;
            let of = |port: &Option<u16>| {
                let other = |one: &&Socket| Some(one.remote.port()) == *port && one.pid.is_some();
                sockets.iter().find(other).and_then(|socket| socket.pid)
            };
            Ok::<_, StepError>(ports.iter().map(of).collect::<Vec<_>>())
        };
        poll(ACCEPTED_WITHIN, look, |found| {
            found.iter().all(Option::is_some)
        })
        .await
    }

    /// Makes all attempts at the same time.
    pub async fn attempt_all<K>(
        &self,
        attempts: Vec<Attempt<K>>,
    ) -> StepResult<Vec<AttemptResult<K>>> {
        let answers = join_all(attempts.iter().map(|attempt| self.send_raw(&attempt.raw))).await;
        let both = attempts.into_iter().zip(answers);
        let result = |(attempt, response): (Attempt<K>, StepResult<Response>)| {
            Ok(AttemptResult {
                kind: attempt.kind,
                what: attempt.what,
                mark: attempt.mark,
                response: response?,
            })
        };
        both.map(result).collect()
    }

    /// Whether attempts may be made as a stranger: whoever is let in by mistake becomes active.
    pub async fn may_make_active(&self, email: &str) -> StepResult {
        for key in self.active_keys(email) {
            self.stack.may(Act::WriteKey(&key)).await?;
        }
        Ok(())
    }

    /// Which keys of active users there are whose address fits a pattern of Redis; they are
    /// deleted, so that nothing stays.
    pub async fn made_active(&self, pattern: &str) -> StepResult<Vec<String>> {
        let mut found = Vec::new();
        for key in self.active_keys(pattern) {
            found.extend(self.redis.keys(&key).await?);
        }
        self.redis.delete_all(&found).await?;
        Ok(found)
    }

    /// A path of the LLM API as a request with a prompt, without a token.
    pub fn llm_request(
        &self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
        prompt: &str,
    ) -> Raw {
        let llm = &self.profile.llm;
        let model = llm.models.first().cloned().unwrap_or_default();
        let values = Values::from([
            ("model".to_owned(), model.into()),
            ("prompt".to_owned(), prompt.into()),
        ]);
        let raw = self.raw(&with_nonce(path, prompt)).method(method);
        match body {
            Some(body) => raw.json(crate::profile::fill_value(body, &values).to_string()),
            None => raw,
        }
    }

    /// The messages API with a prompt, without a token.
    pub fn message(&self, prompt: &str) -> Raw {
        let llm = &self.profile.llm;
        self.llm_request("POST", &llm.path, Some(&llm.body), prompt)
    }

    /// The same with a token.
    pub fn message_with(&self, jwt: &str, prompt: &str) -> Raw {
        bearer(self.message(prompt), jwt)
    }
}

pub fn bearer(raw: Raw, jwt: &str) -> Raw {
    raw.header("Authorization", &format!("Bearer {jwt}"))
}

/// Whether a text stands anywhere in what the upstream received.
pub fn holds(entry: &Entry, text: &str) -> bool {
    entry.path.contains(text)
        || entry.query.contains(text)
        || entry.body.contains(text)
        || entry.headers.iter().any(|(_, value)| value.contains(text))
}

/// Each of these attempts must come out right; all are kept as evidence.
pub fn all_must<K>(
    world: &World,
    did: &str,
    expected: &str,
    results: &[AttemptResult<K>],
    right: impl Fn(&AttemptResult<K>) -> bool,
) -> StepResult {
    let count = results.len();
    let title = format!("{did}: {count} attempts");
    world.saw(EvidenceKind::Exchange, title, lines_of(results));
    check(did, "none").control("some attempts", count > 0)?;
    let wrong = || results.iter().filter(|one| !right(one));
    let seen = Seen::from(lines_of(wrong())).worst(wrong().map(|one| &one.response));
    let holds = wrong().next().is_none();
    check(did, seen).must(format!("{expected}, {count} times"), holds)
}

/// None of these attempts must reach the upstream.
pub async fn none_reached<K>(
    world: &World,
    run: &Run,
    did: &str,
    results: &[AttemptResult<K>],
) -> StepResult {
    if !run.upstream.is_kept() {
        world.remark(
            "what reached the upstream was not looked at",
            "The upstream is no double and keeps no journal.",
        );
        return Ok(());
    }
    let entries = run.upstream.since(world.upstream_cursor).await?;
    let of = |entry: &Entry| {
        let one = results.iter().find(|one| holds(entry, &one.mark))?;
        let (method, path, query) = (&entry.method, &entry.path, &entry.query);
        Some(format!(
            "{}: {method} {path}?{query} -> {}",
            one.what, entry.status
        ))
    };
    let reached: Vec<String> = entries.iter().filter_map(of).collect();
    none(did, "nothing of it reaches the upstream", &reached).code("upstream.reached")
}

/// Every worker of the gateway must refuse.
pub async fn refused_by_every_worker(run: &Run, did: &str, raw: &Raw) -> StepResult {
    let answers = run.ask_every_worker(raw).await?;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let did = format!("{did}, at every worker: {}", raw.target);
    check(did, Seen::from(format!("{statuses:?}")).worst(&answers)).must(
        format!("{REFUSED}, from each of them"),
        !answers.is_empty() && statuses.iter().all(|status| REFUSED.fits(*status)),
    )
}

/// A control that the candidate itself can spoil: where it fails, another item says so, and
/// nothing can be said here.
pub fn control<T>(result: StepResult<T>) -> StepResult<T> {
    result.map_err(|error| match error {
        StepError::Candidate(failure) => StepError::Consequence(format!(
            "what the check compares with fails: {}: expected {}, seen {}",
            failure.did, failure.expected, failure.seen
        )),
        other => other,
    })
}
