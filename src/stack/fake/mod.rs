//! A stack on which something is not as in a real run, by no fault of the gateway: it shows
//! whether the harness notices, or is not disturbed.
//!
//! Everything is done as the real stack does it. Only what is read through one sense comes back
//! empty, or is something else; or one of its services comes to grief while the run goes on; or
//! other people use the gateway, too. For the harness's own tests: no such run says anything about
//! a gateway, and its report names the stack `fake`.

mod lost;
mod sense;
mod traffic;
mod trouble;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use self::{lost::LostJournal, traffic::Traffic};
pub use self::{
    sense::Sense,
    trouble::{Fault, Trouble},
};
use super::{
    Act, Instance, LogChunk, LogCursor, Output, Service, ServiceState, SideBySide, Socket, Stack,
    StackError, StackInfo, Version,
};
use crate::{
    evidence::EvidenceKind,
    model::run::Component,
    plan::ItemId,
    probe::{chromium::ShutEyes, redis::Redis},
    profile::Profile,
    run::Recorder,
};

/// What the evidence of an item is called that read something through the blinded sense.
pub const READ_BLINDLY: &str = "read through the blinded sense";

/// What the evidence of the item is called with which a trouble came.
pub const STRUCK: &str = "a service came to grief";

/// The same, where the trouble could not be brought about.
pub const NOT_STRUCK: &str = "no service came to grief";

/// What the evidence is called that says what other people did before an item.
pub const OTHERS: &str = "what other people did so far";

/// The log of another program, an error of its own included.
const OTHER_LOG: &str = "\
1:C 01 Nov 2025 00:00:00.000 * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n\
2025/11/01 00:00:00 [notice] 1#1: start worker process 29\n\
2025/11/01 00:00:01 [error] 29#29: *1 open() \"/srv/other/favicon.ico\" failed (2: No such file or directory), client: 192.0.2.7, server: other.example.com, request: \"GET /favicon.ico HTTP/1.1\", host: \"other.example.com\"\n\
192.0.2.7 - - [01/Nov/2025:00:00:01 +0000] \"GET /favicon.ico HTTP/1.1\" 404 153\n";

/// What is not as in a real run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Injection {
    /// The harness is blind in one sense.
    Blind(Sense),
    Trouble(Trouble),
    /// Other people use the gateway, too.
    Traffic,
}

impl Injection {
    /// The profile of the stack that it is about: with other people, where they are needed.
    #[must_use]
    pub fn profile(self, profile: &Profile) -> Profile {
        let mut profile = profile.clone();
        if self == Self::Traffic {
            profile.users.guests = Some(traffic::guests());
        }
        profile
    }
}

/// A real stack with something wrong.
pub struct Fake {
    inner: Arc<dyn Stack>,
    sense: Option<Sense>,
    trouble: Mutex<Option<Trouble>>,
    /// What happened and was not told yet: title and body of its evidence.
    struck: Arc<Mutex<Option<(&'static str, String)>>>,
    traffic: Mutex<Option<Traffic>>,
    info: StackInfo,
    reads: Arc<Reads>,
    /// The double's journal in its place, where that is what is lost.
    _lost: Option<LostJournal>,
}

/// Who reads through the blinded sense, where one is.
struct Reads {
    sense: Option<Sense>,
    recorder: Recorder,
    /// The item that runs, and how often it read.
    now: Mutex<(Option<ItemId>, u64)>,
}

impl Reads {
    /// Tells that an item begins, or that none runs.
    fn begins(&self, item: Option<ItemId>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (item, 0);
    }

    /// Notes one reading; the first of an item is written down.
    fn note(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.1 += 1;
        if let (Some(item), 1) = *now {
            let sense = self.sense.map(Sense::name).unwrap_or_default();
            (self.recorder).saw(item, EvidenceKind::Remark, READ_BLINDLY, sense);
        }
    }
}

impl Fake {
    /// `inner`, with something wrong.
    ///
    /// # Errors
    /// Where the server that stands in for a lost journal cannot listen.
    pub async fn with(
        inner: Arc<dyn Stack>,
        injection: Injection,
        profile: &Profile,
        recorder: Recorder,
    ) -> Result<Self, StackError> {
        let (sense, trouble) = match injection {
            Injection::Blind(sense) => (Some(sense), None),
            Injection::Trouble(trouble) => (None, Some(trouble)),
            Injection::Traffic => (None, None),
        };
        let traffic = match injection {
            Injection::Traffic => Some(Traffic::start(&*inner, profile)?),
            _ => None,
        };
        let reads = Arc::new(Reads {
            sense,
            recorder,
            now: Mutex::new((None, 0)),
        });
        let mut info = inner.info().clone();
        info.kind = "fake";
        info.shared = traffic.is_some();
        let journal = match sense {
            Some(Sense::UpstreamJournal) => Some((Service::Upstream, &mut info.endpoints.upstream)),
            Some(Sense::IdpJournal) => Some((Service::Idp, &mut info.endpoints.idp)),
            _ => None,
        };
        let mut lost = None;
        if let Some((service, address)) = journal
            && let Some(real) = *address
        {
            let counted = Arc::clone(&reads);
            let stand_in = LostJournal::serve(real, move || counted.note()).await;
            let stand_in = stand_in.map_err(|source| StackError::Io {
                what: "standing in for a lost journal".to_owned(),
                service,
                source,
            })?;
            *address = Some(stand_in.address);
            lost = Some(stand_in);
        }
        Ok(Self {
            inner,
            sense,
            trouble: Mutex::new(trouble),
            struck: Arc::default(),
            traffic: Mutex::new(traffic),
            info,
            reads,
            _lost: lost,
        })
    }

    fn is(&self, sense: Sense) -> bool {
        let blind = self.sense == Some(sense);
        if blind {
            self.reads.note();
        }
        blind
    }

    /// What is to happen with this item, if anything.
    fn due(&self, item: Option<ItemId>) -> Option<Trouble> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let phase = item.and_then(ItemId::phase);
        trouble.take_if(|trouble| phase.is_some_and(|phase| phase >= trouble.phase))
    }
}

#[async_trait]
impl Stack for Fake {
    fn info(&self) -> &StackInfo {
        &self.info
    }

    fn internal(&self) -> SocketAddr {
        self.inner.internal()
    }

    fn redis(&self) -> Redis {
        let redis = self.inner.redis();
        if self.sense != Some(Sense::Redis) {
            return redis;
        }
        let reads = Arc::clone(&self.reads);
        redis.filtered(Arc::new(move |command, value| {
            let nothing = sense::nothing_for(command);
            if nothing.is_some() {
                reads.note();
            }
            nothing.unwrap_or(value)
        }))
    }

    fn shut_eyes(&self) -> Option<ShutEyes> {
        let reads = Arc::clone(&self.reads);
        (self.sense == Some(Sense::Browser)).then(|| ShutEyes::new(move || reads.note()))
    }

    async fn begins(&self, item: Option<ItemId>) {
        self.reads.begins(item);
        let done = (self.traffic.lock().unwrap_or_else(PoisonError::into_inner))
            .as_ref()
            .map(Traffic::done);
        if let (Some(item), Some(done)) = (item, done) {
            (self.reads.recorder).saw(item, EvidenceKind::Remark, OTHERS, &done);
        }
        if let Some(trouble) = self.due(item) {
            let (inner, struck) = (Arc::clone(&self.inner), Arc::clone(&self.struck));
            let strike = async move {
                tokio::time::sleep(Duration::from_millis(trouble.after_ms)).await;
                let came = match trouble.strike(inner).await {
                    Ok(()) => (STRUCK, format!("{trouble:?}")),
                    Err(error) => (NOT_STRUCK, error.to_string()),
                };
                *struck.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
            };
            if trouble.after_ms == 0 {
                strike.await;
            } else {
                tokio::spawn(strike);
            }
        }
        // What came in the middle of an item is told with the next: the one that it came in may
        // be over.
        let came = (self.struck.lock().unwrap_or_else(PoisonError::into_inner)).take();
        if let (Some(item), Some((title, body))) = (item, came) {
            (self.reads.recorder).saw(item, EvidenceKind::Remark, title, &body);
        }
    }

    async fn may(&self, act: Act<'_>) -> Result<(), StackError> {
        self.inner.may(act).await
    }

    fn given_session(&self, email: &str) -> Option<SecretString> {
        self.inner.given_session(email)
    }

    async fn components(&self) -> Result<Vec<Component>, StackError> {
        self.inner.components().await
    }

    async fn deploy_assets(&self, version: Version) -> Result<(), StackError> {
        self.inner.deploy_assets(version).await
    }

    async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        self.inner.gateway_exec(args).await
    }

    async fn read_file(&self, service: Service, path: &Path) -> Result<Vec<u8>, StackError> {
        let read = self.inner.read_file(service, path).await?;
        Ok(if self.is(Sense::Files) {
            Vec::new()
        } else {
            read
        })
    }

    async fn write_file(
        &self,
        service: Service,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError> {
        self.inner.write_file(service, path, content).await
    }

    async fn restart(&self, service: Service) -> Result<(), StackError> {
        self.inner.restart(service).await
    }

    async fn kill(&self, service: Service) -> Result<(), StackError> {
        self.inner.kill(service).await
    }

    async fn state(&self, service: Service) -> Result<ServiceState, StackError> {
        if self.is(Sense::StatesUnreadable) {
            return Err(StackError::Io {
                what: "reading the process table".to_owned(),
                service,
                source: std::io::ErrorKind::PermissionDenied.into(),
            });
        }
        if self.is(Sense::StatesGone) {
            return Ok(ServiceState {
                running: false,
                main: Instance { pid: 0, started: 0 },
                workers: Vec::new(),
                restarts: 0,
            });
        }
        self.inner.state(service).await
    }

    async fn sockets(&self, service: Service) -> Result<Vec<Socket>, StackError> {
        if self.is(Sense::Sockets) {
            return Ok(Vec::new());
        }
        self.inner.sockets(service).await
    }

    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        self.inner.log_cursor(service).await
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        if self.is(Sense::LogCut) {
            return Ok(Vec::new());
        }
        if self.is(Sense::LogOther) {
            return Ok(vec![LogChunk {
                source: "stderr".to_owned(),
                in_service_log: true,
                bytes: OTHER_LOG.into(),
            }]);
        }
        self.inner.log_since(service, cursor).await
    }

    async fn log_settled(&self, service: Service) -> Result<(), StackError> {
        self.inner.log_settled(service).await
    }

    async fn append_log(&self, service: Service, line: &str) -> Result<Vec<String>, StackError> {
        self.inner.append_log(service, line).await
    }

    fn is_own_noise(&self, message: &str) -> bool {
        self.inner.is_own_noise(message)
    }

    fn service_log(&self, service: Service) -> Option<std::path::PathBuf> {
        self.inner.service_log(service)
    }

    fn posed(&self) -> Option<String> {
        self.inner.posed()
    }

    async fn overrun(&self) -> Option<String> {
        self.inner.overrun().await
    }

    async fn interference(&self, answered: bool) -> Option<String> {
        self.inner.interference(answered).await
    }

    async fn side_by_side(&self) -> Result<Box<dyn SideBySide>, StackError> {
        self.inner.side_by_side().await
    }

    async fn down(&self) {
        (self.traffic.lock().unwrap_or_else(PoisonError::into_inner)).take();
        self.inner.down().await;
    }
}
