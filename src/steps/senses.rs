//! Whether the harness sees at all: something known to be there is looked at through each sense.
//!
//! Asked before the candidate is blamed, and by steps that pass because they see nothing.

use super::{
    run::Run,
    session::ticket_key,
    world::{Blame, StepError, StepResult, expect},
};
use crate::{
    probe::{
        http::Request,
        journal::Journal,
        log::{Level, Record, Window},
        nonce,
    },
    stack::{Act, Service, StackError},
};

/// How long the control key lives in Redis, in seconds.
const CONTROL_TTL: i64 = 60;

/// What a sense was put to the test with, and what it showed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blind {
    /// What was done.
    pub did: String,
    /// What must be seen.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

impl Run {
    /// The first sense that does not see what is there. A sense that cannot be put to the test
    /// in this place, or that fails with an error of its own, is passed over: such an error is
    /// told where it happens.
    pub async fn blind(&self) -> Option<Blind> {
        match self.blind_but_for_the_log().await {
            None => self.blind_to_log().await,
            blind => blind,
        }
    }

    /// The same, but that nothing is written to a log and waited for.
    pub async fn blind_but_for_the_log(&self) -> Option<Blind> {
        if let Some(blind) = self.blind_to_processes().await {
            return Some(blind);
        }
        if let Ok(Some(blind)) = self.blind_to_keys().await {
            return Some(blind);
        }
        for (name, journal) in [("idp", &self.idp), ("upstream", &self.upstream)] {
            if let Ok(Some(blind)) = self.blind_to_requests(name, journal).await {
                return Some(blind);
            }
        }
        if let Some(blind) = self.blind_to_sockets().await {
            return Some(blind);
        }
        self.blind_to_pages().await
    }

    /// Redis that answers has a process.
    async fn blind_to_processes(&self) -> Option<Blind> {
        self.redis.ping().await.ok()?;
        let state = self.stack.state(Service::Redis).await.ok()?;
        (!state.running).then(|| Blind {
            did: "look for the process of Redis, which answers".to_owned(),
            expected: "that it runs".to_owned(),
            seen: state.to_string(),
        })
    }

    /// A key that the run wrote itself is there; where it may write none, its session's is.
    async fn blind_to_keys(&self) -> Result<Option<Blind>, StepError> {
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
        let seen = (
            self.redis.exists(&key).await?,
            self.redis.get(&key).await?.is_some(),
            self.redis.ttl(&key).await?.is_some(),
        );
        Ok((seen != (true, true, true)).then(|| Blind {
            did: format!("look {key} up in Redis, which the run wrote"),
            expected: "a key with a value and an end".to_owned(),
            seen: format!("exists {}, a value {}, an end {}", seen.0, seen.1, seen.2),
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
    ) -> Result<Option<Blind>, StepError> {
        let Some(address) = journal.address() else {
            return Ok(None);
        };
        let nonce = nonce();
        let path = format!("/control?verify={nonce}");
        let url = format!("http://{address}{path}").parse();
        let url = url.map_err(|error| StepError::harness("make an address", &path, error))?;
        let cursor = journal.cursor().await?;
        self.http.send(&Request::get(url)).await?;
        let entries = journal.since(cursor).await?;
        let found = entries.iter().any(|entry| entry.query.contains(&nonce));
        Ok((!found).then(|| Blind {
            did: format!("send {name} a request of the run's own and read its journal"),
            expected: format!("GET {path} in it"),
            seen: format!("{} entries, and not this one", entries.len()),
        }))
    }

    /// A gateway that answers has sockets. One that ended is not waited for: while nobody rolls
    /// it back, nobody is served.
    async fn blind_to_sockets(&self) -> Option<Blind> {
        let state = self.stack.state(Service::Gateway).await.ok()?;
        if !state.running {
            return None;
        }
        let answer = tokio::time::timeout(self.deadline(), self.health()).await;
        answer.ok()?.ok()?;
        let sockets = self.stack.sockets(Service::Gateway).await.ok()?;
        sockets.is_empty().then(|| Blind {
            did: "read the socket table of the gateway, which answers".to_owned(),
            expected: "a socket that it answers on".to_owned(),
            seen: "none".to_owned(),
        })
    }

    /// A page that the run puts into the real browser is seen there.
    async fn blind_to_pages(&self) -> Option<Blind> {
        let words = format!("verify {}", nonce());
        let tab = self.started_chromium()?.fresh().await.ok()?;
        let seen = tab.shows(&words).await.ok()?;
        (!seen).then(|| Blind {
            did: "put a page of the run's own into the browser and look at it".to_owned(),
            expected: words,
            seen: "nothing of it".to_owned(),
        })
    }

    /// A line written to every log of the gateway is read back.
    async fn blind_to_log(&self) -> Option<Blind> {
        let sentinel = self.sentinel(Level::Info).await.ok()?;
        (!sentinel.is_found()).then(|| Blind {
            did: "write a line to every log of the gateway and read it back".to_owned(),
            expected: format!("found in {:?}", sentinel.written),
            seen: format!("found in {:?}", sentinel.found),
        })
    }

    /// Writes a line to every log of the gateway, as nginx would, and reads it back.
    ///
    /// # Errors
    /// A log that cannot be written or read.
    pub async fn sentinel(&self, level: Level) -> Result<Sentinel, StepError> {
        let mark = format!("verify-sentinel-{}", nonce());
        self.notes().marks.push(mark.clone());
        let window = Window::open(&*self.stack, Service::Gateway).await?;
        let now = jiff::ZonedDateTime::now()
            .strftime("%Y/%m/%d %H:%M:%S")
            .to_string();
        let line = format!("{now} [{}] 0#0: {mark}\n", level.name());
        let written = self.stack.append_log(Service::Gateway, &line).await?;
        let found_in = |records: &[Record]| -> Vec<String> {
            records
                .iter()
                .filter(|record| record.level == Some(level) && record.message.contains(&mark))
                .map(|record| record.source.clone())
                .collect()
        };
        let records = window
            .wait(&*self.stack, self.deadline(), |records| {
                found_in(records).len() >= written.len()
            })
            .await?;
        let mut found = found_in(&records);
        found.sort();
        Ok(Sentinel { written, found })
    }

    /// Holds against the real browser, as a control, that it shows what is there.
    ///
    /// # Errors
    /// The harness's fault where it does not.
    pub async fn pages_show(&self) -> StepResult {
        match self.blind_to_pages().await {
            None => Ok(()),
            Some(blind) => expect(Blame::Control, false, blind.did, blind.expected, blind.seen),
        }
    }

    /// Holds against Redis, as a control, that it shows what is there.
    ///
    /// # Errors
    /// The harness's fault where it does not, or where it cannot be asked.
    pub async fn redis_shows(&self) -> StepResult {
        match self.blind_to_keys().await? {
            None => Ok(()),
            Some(blind) => expect(Blame::Control, false, blind.did, blind.expected, blind.seen),
        }
    }
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
    /// Whether it was found everywhere.
    #[must_use]
    pub fn is_found(&self) -> bool {
        !self.written.is_empty() && self.found == self.written
    }
}
