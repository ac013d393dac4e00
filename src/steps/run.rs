//! What the scenarios of one run share: the stack, the probes, and what was made when it
//! was first needed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::{
    extended::trouble::Trouble,
    session::Session,
    watch::Watch,
    world::{Coded as _, StepError},
};
use crate::{
    doubles::{journal::Entry, litellm::pass_through::ANSWERED},
    engine::{Recorder, RunPlan},
    evidence::Redactor,
    plan::ItemId,
    probe::{
        chromium::{Chromium, ChromiumError},
        http::{Http, Request},
        journal::Journal,
        log::{Grammar, Window},
        redis::Redis,
    },
    profile::Profile,
    stack::{Service, ServiceState, Stack},
};

/// A request whose traces are looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The text that its query carries.
    pub nonce: String,
    /// Who made it.
    pub email: String,
    /// Where it must be tracked.
    pub context: String,
}

/// A token that the gateway issued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// The name that it was asked for by.
    pub name: String,
    /// Its id, as answered.
    pub id: String,
    /// The JWT.
    pub jwt: String,
    /// Its end as answered, in seconds since 1970.
    pub expires_at: i64,
    /// Whose it is.
    pub email: String,
}

/// What is deployed on the gateway.
#[derive(Clone, Debug)]
pub enum Deployment {
    /// The baseline, as it was when the stack came up.
    Baseline,
    /// The candidate, and it answers.
    Candidate {
        /// The log since just before its start.
        since: Window,
        /// Its processes when it first answered.
        state: ServiceState,
    },
    /// The candidate does not come up; why.
    Broken(String),
}

/// What was made when it was first needed.
#[derive(Debug)]
pub struct Made {
    /// What is deployed.
    pub deployment: Deployment,
    /// Sessions by e-mail; the error says why there is none.
    pub sessions: BTreeMap<String, Result<Session, String>>,
    /// Tokens by the name that they were asked for; the error says why there is none.
    pub tokens: BTreeMap<String, Result<Token, String>>,
}

/// One run, seen from its steps.
pub struct Run {
    /// The stack.
    pub stack: Arc<dyn Stack>,
    /// The gateway's surface.
    pub profile: Profile,
    /// What the run was asked to do.
    pub plan: RunPlan,
    /// Requests without a browser.
    pub http: Http,
    /// Redis.
    pub redis: Redis,
    /// What the identity provider received.
    pub idp: Journal,
    /// What LiteLLM received.
    pub upstream: Journal,
    /// The tracking lines' grammar.
    pub grammar: Grammar,
    /// Where evidence goes.
    pub recorder: Recorder,
    /// What was noticed of the services round the gateway.
    pub watch: Watch,
    /// What takes secrets out.
    pub redactor: Arc<Redactor>,
    /// What was made when it was first needed. Held while something is made.
    pub made: AsyncMutex<Made>,
    notes: Mutex<Notes>,
    chromium: OnceCell<Result<Arc<Chromium>, ChromiumError>>,
}

/// What is looked at again at the end of the run.
#[derive(Debug, Default)]
pub struct Notes {
    /// Every request that must be tracked.
    pub sent: Vec<Sent>,
    /// Tokens that were revoked, with the item that revoked them.
    pub revoked: Vec<(ItemId, Token)>,
    /// Secrets that the run itself wrote into the address of a request.
    pub in_address: Vec<String>,
    /// Marks that the run itself wrote to the gateway's log.
    pub marks: Vec<String>,
    /// When the run itself kept a service from answering.
    pub troubles: Vec<Trouble>,
    /// The upstream's log up to when the run ended it: a new one may know nothing of it.
    pub upstream_log: String,
    /// Whether the candidate's syntax was refused, and how.
    pub syntax: Option<String>,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.plan.run.id)
            .finish_non_exhaustive()
    }
}

impl Run {
    /// A run on a stack that is up.
    ///
    /// # Errors
    /// A profile whose patterns cannot be used, an HTTP client that cannot start.
    pub fn new(
        stack: Arc<dyn Stack>,
        plan: RunPlan,
        recorder: Recorder,
        redactor: Arc<Redactor>,
    ) -> Result<Self, StepError> {
        let broken = |error: &dyn std::error::Error| {
            StepError::harness("begin the run", "probes", error.to_string())
        };
        let http = Http::new(stack.endpoints().clone()).map_err(|error| broken(&error))?;
        let grammar = Grammar::new(&plan.profile.log).map_err(|error| broken(&error))?;
        let endpoints = stack.endpoints().clone();
        let token = stack.secrets().control.clone();
        let journal = |service, address| Journal::of(http.clone(), service, address, token.clone());
        Ok(Self {
            profile: plan.profile.clone(),
            redis: stack.redis(),
            idp: journal(Service::Idp, endpoints.idp),
            upstream: journal(Service::Upstream, endpoints.upstream),
            http,
            grammar,
            recorder,
            redactor,
            watch: Watch::default(),
            stack,
            plan,
            made: AsyncMutex::new(Made {
                deployment: Deployment::Baseline,
                sessions: BTreeMap::new(),
                tokens: BTreeMap::new(),
            }),
            notes: Mutex::new(Notes::default()),
            chromium: OnceCell::new(),
        })
    }

    /// The real browser, started when it is first needed; `None` where the run was asked for the
    /// built-in one.
    ///
    /// # Errors
    /// A program that does not start.
    pub async fn chromium(&self) -> Result<Option<Arc<Chromium>>, ChromiumError> {
        let Some(program) = &self.plan.browser else {
            return Ok(None);
        };
        let start = || async {
            let endpoints = self.stack.endpoints();
            let started = Chromium::start(program, endpoints, self.http.clone()).await;
            #[cfg(feature = "fault-injection")]
            let started = started.map(|chromium| chromium.looking_with(self.stack.shut_eyes()));
            started.map(Arc::new)
        };
        self.chromium.get_or_init(start).await.clone().map(Some)
    }

    /// The real browser, where one was started.
    pub fn started_chromium(&self) -> Option<&Chromium> {
        self.chromium.get()?.as_deref().ok()
    }

    /// Ends the real browser, where one was started.
    pub async fn end_chromium(&self) {
        if let Some(chromium) = self.started_chromium() {
            chromium.end().await;
        }
    }

    /// What is looked at again at the end.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a condition is waited for.
    #[must_use]
    pub fn deadline(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.profile.thresholds.deadline_ms)
    }

    /// The e-mail of a user by the role that features name.
    ///
    /// # Errors
    /// A role that there is not.
    pub fn email(&self, role: &str) -> Result<String, StepError> {
        let users = &self.profile.users;
        match role {
            "admin" => Ok(users.admin.clone()),
            "test user" => Ok(users.test.clone()),
            "plain user" => Ok(users.plain.clone()),
            other => Err(StepError::harness(
                "read a step",
                "admin, test user or plain user",
                other,
            )),
        }
    }

    /// What is left of an error when the services round the gateway, and then the harness's own
    /// senses, were looked at: a dead Redis is not the candidate's fault, nor is a log that
    /// brings nothing.
    pub async fn excused(&self, error: StepError) -> StepError {
        let seen = match &error {
            StepError::Candidate(failure) | StepError::Harness(failure) => failure.seen.clone(),
            StepError::Skip(reason) => reason.clone(),
        };
        if let Some(limit) = self.stack.overrun().await {
            return StepError::candidate(
                "run the gateway within the limits of its place",
                "a gateway that needs no more",
                format!("{limit}. Seen then: {seen}"),
            )
            .code("gateway.over-limit");
        }
        if matches!(error, StepError::Harness(_)) {
            return error;
        }
        if let Some(broken) = self.broken_service().await {
            return StepError::harness(
                "look at the services round the gateway",
                "all of them answer",
                format!("{broken}. Seen through it: {seen}"),
            )
            .code("harness.service");
        }
        // The log of a gateway that does not come up was waited for when that was found.
        let broken = matches!(self.made.lock().await.deployment, Deployment::Broken(_));
        let blind = match (broken, &error) {
            (true, StepError::Skip(_)) => self.blind_but_for_the_log().await,
            _ => self.blind().await,
        };
        match blind {
            Some(blind) => StepError::harness(
                blind.did,
                blind.expected,
                format!("{}. Seen through it: {seen}", blind.seen),
            )
            .code("harness.blind"),
            None => error,
        }
    }

    /// The first service round the gateway that does not answer, if any.
    async fn broken_service(&self) -> Option<String> {
        let answered = matches!(
            self.made.lock().await.deployment,
            Deployment::Candidate { .. }
        );
        if let Some(what) = self.stack.interference(answered).await {
            return Some(what);
        }
        if let Err(error) = self.redis.ping().await {
            return Some(format!("redis: {error}"));
        }
        let kept = [("idp", &self.idp), ("upstream", &self.upstream)]
            .into_iter()
            .filter(|(_, journal)| journal.is_kept());
        for (name, journal) in kept {
            match journal.since(0).await {
                Ok(entries) => {
                    // A double answers so only when it is broken itself; the real LiteLLM also
                    // where it is well, and lacks a database.
                    let own = |entry: &&Entry| entry.note.as_deref() == Some(ANSWERED);
                    let failed = entries
                        .iter()
                        .find(|entry| entry.status >= 500 && !own(entry));
                    if let Some(entry) = failed {
                        return Some(format!(
                            "{name}: answered {} to {} {}",
                            entry.status, entry.method, entry.path
                        ));
                    }
                }
                Err(error) => return Some(error.to_string()),
            }
        }
        self.auth_answers()
            .await
            .err()
            .map(|why| format!("auth: {why}"))
            .or_else(|| self.watch.noticed())
    }

    /// Whether oauth2-proxy says that it is well; the error says what it does instead.
    pub(super) async fn auth_answers(&self) -> Result<(), String> {
        let ping = format!("http://{}/ping", self.stack.endpoints().auth);
        let ping = ping.parse().map_err(|error| format!("{ping}: {error}"))?;
        match self.http.send(&Request::get(ping)).await {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(format!("/ping answers {}", response.summary())),
            Err(error) => Err(error.to_string()),
        }
    }
}
