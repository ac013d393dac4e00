//! Whether a failure is the harness's own: the services round the gateway must answer, and every
//! probe must show something that is known to be there.
//!
//! Asked before the candidate is blamed, and by steps that pass because they see nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{
    error::{Coded as _, StepError, StepResult, failure},
    run::{Run, address},
    session::ticket_key,
    state::Deployment,
};
use crate::{
    doubles::{journal::Entry, litellm::pass_through::ANSWERED},
    model::event::Failure,
    probe::{
        http::Request,
        journal::Journal,
        log::{Level, Record},
        nonce,
    },
    stack::{Act, Service, StackError},
};

/// How long the control key lives in Redis, in seconds.
const CONTROL_TTL: i64 = 60;

/// How often the services round the gateway are asked whether they answer.
const EVERY: Duration = Duration::from_millis(100);

/// How often the harness looks whether it stands still itself.
const BEAT: Duration = Duration::from_millis(20);

fn service_failed(seen: String) -> StepError {
    let did = "look at the services round the gateway";
    StepError::harness(did, "all of them answer", seen).code("harness.service")
}

impl Run {
    /// What is left of an error when the services round the gateway, and then the harness's own
    /// probes, were looked at: a dead Redis is not the candidate's fault, nor is a log that
    /// brings nothing.
    pub async fn excused(&self, error: StepError) -> StepError {
        let seen = error.seen().to_owned();
        if let Some(limit) = self.stack.overrun().await {
            let seen = format!("{limit}. Seen then: {seen}");
            let did = "run the gateway within the limits of its place";
            return StepError::candidate(did, "a gateway that needs no more", seen)
                .code("gateway.over-limit");
        }
        if matches!(error, StepError::Harness(_)) {
            return error;
        }
        if let Some(broken) = self.broken_service().await {
            let seen = format!("{broken}. Seen through it: {seen}");
            self.notes().service_failed = true;
            return service_failed(seen);
        }
        // The log of a gateway that does not come up was waited for when that was found.
        let broken = matches!(self.made.lock().await.deployment, Deployment::Broken(_));
        let blind = match broken && error.is_not_reached() {
            true => self.blind_but_for_the_log().await,
            false => self.blind().await,
        };
        match blind {
            Some(blind) => {
                let seen = format!("{}. Seen through it: {seen}", blind.seen);
                StepError::Harness(Failure { seen, ..blind }).code("harness.blind")
            }
            None => error,
        }
    }

    /// What is left of an item before it begins: nothing can come of it where a service failed one
    /// before it, and does not answer yet.
    ///
    /// # Errors
    /// Which service it is.
    pub async fn services_answer(&self) -> StepResult<()> {
        if !self.notes().service_failed {
            return Ok(());
        }
        match self.silent_service().await {
            Some(silent) => Err(service_failed(format!("{silent}. The item was not begun"))),
            None => Ok(()),
        }
    }

    /// The first service round the gateway that does not answer, or did not, if any.
    async fn broken_service(&self) -> Option<String> {
        if let Some(what) = self.silent_service().await {
            return Some(what);
        }
        let journals = [("idp", &self.idp), ("upstream", &self.upstream)];
        for (name, journal) in journals.into_iter().filter(|(_, one)| one.is_kept()) {
            let entries = match journal.since(0).await {
                Ok(entries) => entries,
                Err(error) => return Some(error.to_string()),
            };
            // A double answers so only when it is broken itself; the real LiteLLM also where it is
            // well, and lacks a database.
            let own = |entry: &Entry| entry.note.as_deref() == Some(ANSWERED);
            let failed = |entry: &&Entry| entry.status >= 500 && !own(entry);
            if let Some(entry) = entries.iter().find(failed) {
                let (status, method, path) = (entry.status, &entry.method, &entry.path);
                return Some(format!("{name}: answered {status} to {method} {path}"));
            }
        }
        self.watch.noticed()
    }

    /// The first service round the gateway that does not answer now, if any.
    async fn silent_service(&self) -> Option<String> {
        let made = self.made.lock().await;
        let answered = matches!(made.deployment, Deployment::Candidate { .. });
        drop(made);
        if let Some(what) = self.stack.interference(answered).await {
            return Some(what);
        }
        if let Err(error) = self.redis.ping().await {
            return Some(format!("redis: {error}"));
        }
        self.auth_answers()
            .await
            .err()
            .map(|why| format!("auth: {why}"))
    }

    /// Whether oauth2-proxy answers its health check; the error says what it does instead.
    async fn auth_answers(&self) -> Result<(), String> {
        let ping = format!("http://{}/ping", self.stack.endpoints().auth);
        let ping = ping.parse().map_err(|error| format!("{ping}: {error}"))?;
        match self.http.send(&Request::get(ping)).await {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(format!("/ping answers {}", response.summary())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Watches the services round the gateway, where they are the run's own and may be asked so
    /// often.
    pub fn watch_services(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        if self.stack.kind() == "compose" {
            return Vec::new();
        }
        let watch = |service| {
            let run = Arc::clone(self);
            tokio::spawn(async move {
                loop {
                    run.watch.asks(service);
                    let answer = match service {
                        Service::Redis => run.redis.ping().await.map_err(|error| error.to_string()),
                        Service::Upstream => {
                            let answer = run.upstream.real_answers().await;
                            answer.map_err(|error| error.to_string())
                        }
                        _ => run.auth_answers().await,
                    };
                    run.watch.answered(service, answer);
                    tokio::time::sleep(EVERY).await;
                }
            })
        };
        let run = Arc::clone(self);
        let beat = tokio::spawn(async move {
            loop {
                let began = Instant::now();
                tokio::time::sleep(BEAT).await;
                let late = began.elapsed().saturating_sub(BEAT * 2);
                run.watch.stood_still(late);
            }
        });
        // A double that stands still is this process that stands still.
        let upstream = (self.stack.has_real_upstream()).then_some(Service::Upstream);
        let services = [Service::Redis, Service::Auth].into_iter().chain(upstream);
        services.map(watch).chain([beat]).collect()
    }

    /// The first probe that does not see what is there. One that cannot be put to the test in this
    /// place, or that fails with an error of its own, is passed over: such an error ends the step
    /// where it happens.
    pub async fn blind(&self) -> Option<Failure> {
        let (others, log) = tokio::join!(self.blind_but_for_the_log(), self.blind_to_log());
        others.or(log)
    }

    /// The same, but that nothing is written to a log and waited for.
    async fn blind_but_for_the_log(&self) -> Option<Failure> {
        // Side by side: none of them sees what another does.
        let (processes, keys, idp, upstream, sockets, pages) = tokio::join!(
            self.blind_to_processes(),
            self.blind_to_keys(),
            self.blind_to_requests("idp", &self.idp),
            self.blind_to_requests("upstream", &self.upstream),
            self.blind_to_sockets(),
            self.blind_to_pages(),
        );
        let asked = [keys, idp, upstream].map(|told| told.ok().flatten());
        let told = [processes].into_iter().chain(asked).chain([sockets, pages]);
        told.flatten().next()
    }

    /// Redis that answers has a process.
    async fn blind_to_processes(&self) -> Option<Failure> {
        self.redis.ping().await.ok()?;
        let state = self.stack.state(Service::Redis).await.ok()?;
        let did = "look for the process of Redis, which answers";
        (!state.running).then(|| failure(did, "that it runs", state))
    }

    /// A key that the run wrote itself is there; where it may write none, its session's is.
    async fn blind_to_keys(&self) -> StepResult<Option<Failure>> {
        let control = format!("verify:control:{}", nonce());
        let key = match self.stack.may(Act::WriteKey(&control)).await {
            Ok(()) => {
                self.redis.write(&control, "here", CONTROL_TTL).await?;
                control
            }
            Err(StackError::NotAllowed { .. }) => match self.session_key().await {
                Some(key) => key,
                None => return Ok(None),
            },
            Err(error) => return Err(error.into()),
        };
        let exists = self.redis.exists(&key).await?;
        let value = self.redis.get(&key).await?.is_some();
        let end = self.redis.ttl(&key).await?.is_some();
        Ok((!(exists && value && end)).then(|| {
            let did = format!("look {key} up in Redis, which the run wrote");
            let seen = format!("exists {exists}, a value {value}, an end {end}");
            failure(did, "a key with a value and an end", seen)
        }))
    }

    /// The key in Redis of a session that the run made.
    async fn session_key(&self) -> Option<String> {
        let made = self.made.lock().await;
        let session = made.sessions.values().flatten().next()?;
        ticket_key(&self.session_cookie(&session.browser).ok()??)
    }

    /// A request that the run sends a double is in its journal.
    async fn blind_to_requests(
        &self,
        name: &str,
        journal: &Journal,
    ) -> StepResult<Option<Failure>> {
        let Some(double) = journal.address() else {
            return Ok(None);
        };
        let nonce = nonce();
        let path = format!("/control?verify={nonce}");
        let url = address(&format!("http://{double}{path}"))?;
        let cursor = journal.cursor().await?;
        self.http.send(&Request::get(url)).await?;
        let entries = journal.since(cursor).await?;
        let found = entries.iter().any(|entry| entry.query.contains(&nonce));
        Ok((!found).then(|| {
            let did = format!("send {name} a request of the run's own and read its journal");
            let seen = format!("{} entries, and not this one", entries.len());
            failure(did, format!("GET {path} in it"), seen)
        }))
    }

    /// A gateway that answers has sockets. One that ended is not waited for: while nobody rolls
    /// it back, nobody is served.
    async fn blind_to_sockets(&self) -> Option<Failure> {
        let state = self.stack.state(Service::Gateway).await.ok()?;
        if !state.running {
            return None;
        }
        let answer = tokio::time::timeout(self.deadline(), self.health()).await;
        answer.ok()?.ok()?;
        let sockets = self.stack.sockets(Service::Gateway).await.ok()?;
        let did = "read the socket table of the gateway, which answers";
        (sockets.is_empty()).then(|| failure(did, "a socket that it answers on", "none"))
    }

    /// A page that the run puts into the real browser is seen there.
    async fn blind_to_pages(&self) -> Option<Failure> {
        let words = format!("verify {}", nonce());
        let tab = self.started_chromium()?.fresh().await.ok()?;
        let seen = tab.shows(&words).await.ok()?;
        let did = "put a page of the run's own into the browser and look at it";
        (!seen).then(|| failure(did, words, "nothing of it"))
    }

    /// A line written to every log of the gateway is read back.
    async fn blind_to_log(&self) -> Option<Failure> {
        let sentinel = self.sentinel(Level::Info).await.ok()?;
        let did = "write a line to every log of the gateway and read it back";
        let places = |logs: &[String]| format!("found in {logs:?}");
        (!sentinel.is_found())
            .then(|| failure(did, places(&sentinel.written), places(&sentinel.found)))
    }

    /// Writes a line to every log of the gateway, as nginx would, and reads it back.
    pub async fn sentinel(&self, level: Level) -> StepResult<Sentinel> {
        let mark = format!("verify-sentinel-{}", nonce());
        self.notes().marks.push(mark.clone());
        let window = self.log_from_here().await?;
        let line = log_line(level, &mark);
        let written = self.stack.append_log(Service::Gateway, &line).await?;
        let own = |record: &&Record| record.level == Some(level) && record.message.contains(&mark);
        let found_in = |records: &[Record]| -> Vec<String> {
            let own = records.iter().filter(own);
            own.map(|record| record.source.clone()).collect()
        };
        let enough = |records: &[Record]| found_in(records).len() >= written.len();
        let records = window.wait(&*self.stack, self.deadline(), enough).await?;
        let mut found = found_in(&records);
        found.sort();
        Ok(Sentinel { written, found })
    }

    /// Control: the real browser shows what is there.
    pub async fn pages_show(&self) -> StepResult {
        seeing(self.blind_to_pages().await)
    }

    /// Control: Redis shows what is there.
    pub async fn redis_shows(&self) -> StepResult {
        seeing(self.blind_to_keys().await?)
    }

    /// Control: every probe shows what is there.
    pub async fn all_show(&self) -> StepResult {
        seeing(self.blind().await)
    }
}

fn seeing(blind: Option<Failure>) -> StepResult {
    blind.map_or(Ok(()), |blind| Err(StepError::Harness(blind)))
}

/// A line of the error log, as nginx writes it.
pub(super) fn log_line(level: Level, text: &str) -> String {
    let now = jiff::ZonedDateTime::now().strftime("%Y/%m/%d %H:%M:%S");
    format!("{now} [{}] 0#0: {text}\n", level.name())
}

/// A line that was written to every log of the gateway.
#[derive(Debug)]
pub struct Sentinel {
    /// The logs that it was written to, sorted.
    pub written: Vec<String>,
    /// The logs that it was found in, sorted.
    pub found: Vec<String>,
}

impl Sentinel {
    pub fn is_found(&self) -> bool {
        !self.written.is_empty() && self.found == self.written
    }
}
