//! What the scenarios of one run share: the stack, the probes, and what is created lazily.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use url::Url;

use super::{
    error::{StepError, StepResult},
    state::{Deployment, Made, Notes},
    watch::Watch,
};
use crate::{
    evidence::Redactor,
    model::event::{Failure, Outcome, RunEvent},
    plan::ItemId,
    probe::{
        NONCE,
        chromium::{Chromium, ChromiumError},
        http::Http,
        journal::Journal,
        log::{Grammar, Record, Window},
        nonce,
        redis::Redis,
    },
    profile::{Context, Profile},
    run::{Recorder, RunPlan},
    stack::{Service, Stack},
};

/// One run, seen from its steps.
pub struct Run {
    pub stack: Arc<dyn Stack>,
    pub profile: Profile,
    pub plan: RunPlan,
    /// Requests without a browser.
    pub http: Http,
    pub redis: Redis,
    /// What the identity provider received.
    pub idp: Journal,
    /// What LiteLLM received.
    pub upstream: Journal,
    pub grammar: Grammar,
    pub recorder: Recorder,
    pub watch: Watch,
    pub redactor: Arc<Redactor>,
    /// Held while something is created.
    pub made: AsyncMutex<Made>,
    notes: Mutex<Notes>,
    chromium: OnceCell<Result<Arc<Chromium>, ChromiumError>>,
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
    pub fn new(
        stack: Arc<dyn Stack>,
        plan: RunPlan,
        recorder: Recorder,
        redactor: Arc<Redactor>,
    ) -> StepResult<Self> {
        let broken = |error: &dyn std::error::Error| {
            StepError::harness("begin the run", "probes", error.to_string())
        };
        let http = Http::new(stack.endpoints().clone()).map_err(|error| broken(&error))?;
        let grammar = Grammar::new(&plan.profile.log, &plan.profile.contexts)
            .map_err(|error| broken(&error))?;
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

    pub async fn end_chromium(&self) {
        if let Some(chromium) = self.started_chromium() {
            chromium.end().await;
        }
    }

    /// Records how an item ended, redacted and bounded.
    pub fn finish_item(&self, item: ItemId, outcome: Outcome, duration_ms: f64) {
        let clean = |failure: Failure| Failure {
            did: self.recorder.bounded(&failure.did),
            expected: self.recorder.bounded(&failure.expected),
            seen: self.recorder.bounded(&failure.seen),
            facts: (failure.facts.into_iter())
                .map(|(name, value)| (name, self.recorder.bounded(&value)))
                .collect(),
            code: failure.code,
        };
        let outcome = match outcome {
            Outcome::Passed => Outcome::Passed,
            Outcome::Failed(failure) => Outcome::Failed(clean(failure)),
            Outcome::Inconclusive(failure) => Outcome::Inconclusive(clean(failure)),
            Outcome::Skipped {
                reason,
                consequence,
            } => Outcome::Skipped {
                reason: self.recorder.bounded(&reason),
                consequence,
            },
        };
        self.recorder.tell(&RunEvent::ItemFinished {
            item,
            outcome,
            duration_ms,
        });
    }

    /// What is looked at again at the end.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a condition is waited for.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.profile.thresholds.deadline_ms)
    }

    /// The e-mail of a user by the role that features name.
    pub fn email(&self, role: &str) -> StepResult<&str> {
        let users = &self.profile.users;
        match role {
            "admin" => Ok(&users.admin),
            "test user" => Ok(&users.test),
            "plain user" => Ok(&users.plain),
            other => Err(StepError::harness(
                "read a step",
                "admin, test user or plain user",
                other,
            )),
        }
    }

    /// A context of the profile by its name.
    pub fn context(&self, name: &str) -> StepResult<&Context> {
        let none = || {
            let expected = format!("a context `{name}`");
            StepError::harness("look into the profile", expected, "none")
        };
        self.profile.contexts.get(name).ok_or_else(none)
    }

    /// The path of a page as features name it: in quotes, or by what it is.
    pub fn path_of<'a>(&'a self, page: &'a str) -> &'a str {
        match page {
            "the home page" => self.profile.home(),
            "the admin page" => &self.profile.admin_page.path,
            path => path.trim_matches('"'),
        }
    }

    /// An address of the public site, with a nonce of its own.
    pub fn page(&self, path: &str) -> StepResult<(Url, String)> {
        let mut url = self.plain_page(path)?;
        let nonce = nonce();
        url.query_pairs_mut().append_pair(NONCE, &nonce);
        Ok((url, nonce))
    }

    /// An address of the public site as it is.
    pub fn plain_page(&self, path: &str) -> StepResult<Url> {
        address(&format!("http://{}{path}", self.profile.site.authority()))
    }

    pub async fn log_from_here(&self) -> StepResult<Window> {
        Ok(Window::open(&*self.stack, Service::Gateway).await?)
    }

    /// The records of a window up to now.
    pub async fn records(&self, window: &Window) -> StepResult<Vec<Record>> {
        Ok(window.records(&*self.stack).await?)
    }
}

pub(super) fn address(text: &str) -> StepResult<Url> {
    text.parse()
        .map_err(|error| StepError::harness("make an address", text, error))
}
