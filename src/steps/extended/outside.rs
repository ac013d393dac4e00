//! What somebody outside tries: many requests at once, each told apart by what it was, and
//! what came of them.

use futures::future::join_all;

use crate::{
    doubles::journal::Entry,
    evidence::EvidenceKind,
    probe::{
        http::{NoAnswer, Response},
        raw::Raw,
    },
    profile::Values,
    stack::{Act, Service},
    steps::{
        run::Run,
        session::Session,
        world::{Blame, Coded as _, Seen, StepError, StepResult, World, expect},
    },
};

/// Something that is tried.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What it is, in a few words.
    pub what: String,
    /// The request.
    pub raw: Raw,
    /// A text that only this attempt carries: an address that it claims, a nonce.
    pub mark: String,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What it was.
    pub what: String,
    /// Its own text.
    pub mark: String,
    /// The answer.
    pub response: Response,
}

impl Tried {
    /// Attempt and answer in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} -> {}", self.what, self.response.summary())
    }
}

/// Attempts and answers, a line each.
#[must_use]
pub fn lines<'a>(tried: impl IntoIterator<Item = &'a Tried>) -> String {
    let lines: Vec<String> = tried.into_iter().map(Tried::line).collect();
    lines.join("\n")
}

/// Whether nobody was let in: an API's refusal, or the way to the login.
#[must_use]
pub fn kept_out(run: &Run, response: &Response) -> bool {
    refused(response.status) || run.sends_to_login(response)
}

/// Whether the status says that whoever asked may not.
#[must_use]
pub fn refused(status: u16) -> bool {
    matches!(status, 401 | 403)
}

impl Run {
    /// A GET of the public site, byte for byte.
    #[must_use]
    pub fn raw(&self, target: &str) -> Raw {
        Raw::get(&self.profile.site.authority(), target)
    }

    /// The same in a session.
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn raw_in(&self, session: &Session, target: &str) -> Result<Raw, StepError> {
        let site = self.plain_page("/")?;
        let cookies = session.browser.cookies(&site).unwrap_or_default();
        Ok(self.raw(target).header("Cookie", &cookies))
    }

    /// Sends a request to the public port.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn send_raw(&self, raw: &Raw) -> Result<Response, StepError> {
        let site = &self.profile.site;
        let why = match self.stack.endpoints().resolve(&site.host, site.port) {
            None => "the site is no part of the stack".to_owned(),
            Some(address) => match raw.send(address).await {
                Ok(response) => {
                    self.http.note(&raw.method, &raw.target, response.status);
                    return Ok(response);
                }
                Err(error) => error.to_string(),
            },
        };
        Err(StepError::from(NoAnswer {
            service: Service::Gateway,
            method: raw.method.clone(),
            url: format!("http://{}{}", raw.host, raw.target),
            why,
        }))
    }

    /// Makes all attempts at the same time.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn try_all(&self, attempts: Vec<Attempt>) -> Result<Vec<Tried>, StepError> {
        let answers = join_all(attempts.iter().map(|attempt| self.send_raw(&attempt.raw))).await;
        attempts
            .into_iter()
            .zip(answers)
            .map(|(attempt, response)| {
                Ok(Tried {
                    what: attempt.what,
                    mark: attempt.mark,
                    response: response?,
                })
            })
            .collect()
    }

    /// The keys that Redis holds of a user who is active.
    #[must_use]
    pub fn active_keys(&self, email: &str) -> [String; 2] {
        let keys = &self.profile.redis;
        [&keys.active_user, &keys.active_user_metadata].map(|key| key.replace("{email}", email))
    }

    /// The key of a user's ban.
    #[must_use]
    pub fn ban_key(&self, email: &str) -> String {
        self.profile.redis.ban.replace("{email}", email)
    }

    /// Whether strangers may be tried in: whoever is let in by mistake becomes active.
    ///
    /// # Errors
    /// Skips where the run may not change such keys.
    pub async fn may_make_active(&self, email: &str) -> StepResult {
        for key in self.active_keys(email) {
            self.stack.may(Act::WriteKey(&key)).await?;
        }
        Ok(())
    }

    /// Which keys of active users there are whose address fits a pattern of Redis; they are
    /// deleted, so that nothing stays.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn made_active(&self, pattern: &str) -> Result<Vec<String>, StepError> {
        let mut found = Vec::new();
        for key in self.active_keys(pattern) {
            found.extend(self.redis.keys(&key).await?);
        }
        self.redis.delete_all(&found).await?;
        Ok(found)
    }

    /// A path of the LLM API as a request with a prompt, without a token.
    #[must_use]
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
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{mark}{}={prompt}", crate::probe::NONCE);
        let raw = self.raw(&target).method(method);
        match body {
            Some(body) => raw.json(crate::profile::fill_value(body, &values).to_string()),
            None => raw,
        }
    }

    /// The messages API with a prompt, without a token.
    #[must_use]
    pub fn message(&self, prompt: &str) -> Raw {
        let llm = &self.profile.llm;
        self.llm_request("POST", &llm.path, Some(&llm.body), prompt)
    }
}

/// Whether a text stands anywhere in what the upstream received.
#[must_use]
pub fn holds(entry: &Entry, text: &str) -> bool {
    entry.path.contains(text)
        || entry.query.contains(text)
        || entry.body.contains(text)
        || entry.headers.iter().any(|(_, value)| value.contains(text))
}

/// Fails where one of these attempts came out otherwise than it must; keeps all as evidence.
///
/// # Errors
/// The candidate's fault, with the attempts that came out wrong.
pub fn all_must(
    world: &World,
    did: &str,
    expected: &str,
    tried: &[Tried],
    right: impl Fn(&Tried) -> bool,
) -> StepResult {
    world.saw(
        EvidenceKind::Exchange,
        &format!("{did}: {} attempts", tried.len()),
        &lines(tried),
    );
    expect(
        Blame::Control,
        !tried.is_empty(),
        did,
        "some attempts",
        "none",
    )?;
    let wrong: Vec<&Tried> = tried.iter().filter(|one| !right(one)).collect();
    let answers: Vec<&Response> = wrong.iter().map(|one| &one.response).collect();
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        did,
        format!("{expected}, {} times", tried.len()),
        Seen::from(lines(wrong)).worst(answers),
    )
}

/// Fails where one of these attempts reached the upstream.
///
/// # Errors
/// The candidate's fault, with what the upstream received.
pub async fn none_reached(world: &World, did: &str, tried: &[Tried]) -> StepResult {
    let run = world.run()?;
    if !run.upstream.is_kept() {
        world.saw(
            EvidenceKind::Remark,
            "what reached the upstream was not looked at",
            "The upstream is no double and keeps no journal.",
        );
        return Ok(());
    }
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let reached: Vec<String> = entries
        .iter()
        .filter_map(|entry| {
            let one = tried.iter().find(|one| holds(entry, &one.mark))?;
            Some(format!(
                "{}: {} {}?{} -> {}",
                one.what, entry.method, entry.path, entry.query, entry.status
            ))
        })
        .collect();
    expect(
        Blame::Candidate,
        reached.is_empty(),
        did,
        "nothing of it reaches the upstream",
        reached.join("\n"),
    )
    .code("upstream.reached")
}

/// A control that the candidate itself can spoil: where it fails, another item says so, and
/// nothing can be said here.
///
/// # Errors
/// Skips instead of blaming the candidate.
pub fn control<T>(result: Result<T, StepError>) -> Result<T, StepError> {
    result.map_err(|error| match error {
        StepError::Candidate(failure) => StepError::Skip(format!(
            "what the check compares with fails: {}: expected {}, seen {}",
            failure.did, failure.expected, failure.seen
        )),
        other => other,
    })
}
