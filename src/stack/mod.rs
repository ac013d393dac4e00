//! The gateway with everything round it, and the kinds of places where that can run.
//!
//! A [`Stack`] is what probes and steps know of such a place. Every kind answers the same
//! questions, so the same features run on every kind.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;

pub use crate::model::service::{Endpoints, Instance, LogChunk, LogCursor, Service, StackError};
#[cfg(feature = "fault-injection")]
use crate::probe::chromium::ShutEyes;
use crate::{
    model::run::Component,
    plan::ItemId,
    probe::{log::LogSource, redis::Redis},
};

pub mod docker;
mod executable;
#[cfg(feature = "fault-injection")]
pub mod fake;
pub mod keys;
pub mod litellm;
pub mod measure;
pub mod procfs;
pub mod programs;
pub mod redis_acl;
pub mod sandbox;

/// What a stack is, from its start to its end.
#[derive(Clone, Debug)]
pub struct StackInfo {
    /// `sandbox`, `containers`, ...
    pub kind: &'static str,
    pub endpoints: Endpoints,
    pub secrets: Secrets,
    /// Where the gateway's configuration is deployed, on the gateway.
    pub config: PathBuf,
    /// Whether other people use the gateway while the run goes on. Where not, everything that
    /// happens to it is the run's own doing.
    pub shared: bool,
    /// Whether the candidate is deployed already, so that only what it does can be looked at.
    pub runs_candidate: bool,
    /// Whether the upstream is the real LiteLLM, behind a journal.
    pub real_upstream: bool,
}

/// What a stack knows that must not be shown.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The key that the gateway signs JWTs with, where it is known.
    pub jwt_secret: Option<SecretString>,
    /// The key with which the gateway asks the upstream for its users, where it is known.
    pub upstream_key: Option<SecretString>,
    /// The password of each user, by e-mail.
    pub passwords: BTreeMap<String, SecretString>,
    /// What opens the control path of the doubles, where there are any.
    pub control: Option<SecretString>,
    /// Everything else that must never be shown.
    pub others: Vec<SecretString>,
}

#[derive(Clone, Debug)]
pub struct Output {
    /// The exit status of the program itself, `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error, in the order read, lossily decoded.
    pub text: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceState {
    pub running: bool,
    /// The main process: for nginx the master. A restart gives another.
    pub main: Instance,
    /// Its children: for nginx the workers.
    pub workers: Vec<Instance>,
    /// How often it was restarted without being asked to.
    pub restarts: u32,
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<String> = self
            .workers
            .iter()
            .map(|worker| worker.pid.to_string())
            .collect();
        let running = if self.running { "running" } else { "ended" };
        write!(
            f,
            "main process {} ({running}, started at tick {}), workers {}; restarted by itself {} times",
            self.main.pid,
            self.main.started,
            if workers.is_empty() {
                "none".to_owned()
            } else {
                workers.join(", ")
            },
            self.restarts
        )
    }
}

/// A TCP socket with the process that holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// The process, `None` where none holds it any more (TIME_WAIT).
    pub pid: Option<u32>,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// As the kernel names it: `ESTABLISHED`, `LISTEN`, ...
    pub state: &'static str,
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self
            .pid
            .map_or_else(|| "nobody".to_owned(), |pid| format!("process {pid}"));
        write!(
            f,
            "{holder}: {} -> {} {}",
            self.local, self.remote, self.state
        )
    }
}

/// Which of the two versions of the gateway's files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    Baseline,
    Candidate,
}

/// Two gateways up together, one with each configuration, for a fair comparison.
#[async_trait]
pub trait SideBySide: Send {
    /// Asks one of the two for `path` on its internal port `count` times over one
    /// connection, one after another. One duration a request.
    async fn measure(
        &mut self,
        version: Version,
        path: &str,
        count: u32,
    ) -> Result<Vec<Duration>, StackError>;
}

/// What a run is about to do to the gateway's world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act<'a> {
    /// Write a file of a service.
    WriteFile(&'a Path),
    /// Replace the deployed configuration, whose backup goes here.
    Deploy(&'a Path),
    Restart,
    /// Have the gateway read its configuration again.
    Reload,
    /// Keep this service from answering for a while.
    Break(Service),
    /// Write a line to a log.
    WriteLog,
    LogIn(&'a str),
    /// Keep a session of this user, by its key in Redis.
    KeepSession(&'a str),
    /// Visit the gateway in a session of this user, which it remembers.
    Visit(&'a str),
    AskToken {
        name: &'a str,
        email: &'a str,
    },
    /// A token of this id was made.
    KeepToken(&'a str),
    /// Use a token of this user that was minted, and not asked for.
    Mint(&'a str),
    /// Ban this user or lift the ban.
    Ban(&'a str),
    WriteKey(&'a str),
    /// Send many requests at once, and hold Redis back for a moment.
    Load,
    StartBeside,
}

/// The gateway with everything round it.
#[async_trait]
pub trait Stack: Send + Sync {
    fn info(&self) -> &StackInfo;
    /// The gateway's internal port (:8080), where `/health` is asked. A restart may move it.
    fn internal(&self) -> SocketAddr;
    fn redis(&self) -> Redis;
    /// What makes the real browser blind.
    #[cfg(feature = "fault-injection")]
    fn shut_eyes(&self) -> Option<ShutEyes> {
        None
    }
    /// Told before each item, and when none runs any more.
    async fn begins(&self, _item: Option<ItemId>) {}
    /// To be asked before anything that changes the gateway's world: a stack that is the run's
    /// own allows everything, a deployment only what it was told to. What is allowed there is
    /// written down first, so that it can be undone.
    ///
    /// # Errors
    /// [`StackError::NotAllowed`], with the flag that allows it.
    async fn may(&self, _act: Act<'_>) -> Result<(), StackError> {
        Ok(())
    }
    /// A session of this user that was handed to the run: the value of its cookie.
    fn given_session(&self, _email: &str) -> Option<SecretString> {
        None
    }
    async fn components(&self) -> Result<Vec<Component>, StackError>;
    /// Puts the Lua modules and pages of a version in place. The configuration is written
    /// by [`Stack::write_file`].
    async fn deploy_assets(&self, version: Version) -> Result<(), StackError>;
    /// Runs the gateway's own binary with `args`.
    async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError>;
    /// The content of a file of a service.
    async fn read_file(&self, service: Service, path: &Path) -> Result<Vec<u8>, StackError>;
    /// Replaces a file of a service.
    async fn write_file(
        &self,
        service: Service,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError>;
    /// Stops a service and starts it again. Returns when its main process was started, not
    /// when it answers.
    async fn restart(&self, service: Service) -> Result<(), StackError>;
    /// Ends a service at once. Its processes are gone when this returns.
    async fn kill(&self, service: Service) -> Result<(), StackError>;
    async fn state(&self, service: Service) -> Result<ServiceState, StackError>;
    /// The TCP sockets of a service's network namespace, each with the process of the
    /// service that holds it, if one does.
    async fn sockets(&self, service: Service) -> Result<Vec<Socket>, StackError>;
    /// The end of the logs of a service as they are now.
    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError>;
    /// What the logs of a service got since `cursor`.
    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError>;
    /// Returns when everything that a service wrote up to now can be read.
    async fn log_settled(&self, _service: Service) -> Result<(), StackError> {
        Ok(())
    }
    /// Writes a line to the end of every log of a service, as the service itself would.
    /// Returns their names, sorted.
    async fn append_log(&self, service: Service, line: &str) -> Result<Vec<String>, StackError>;
    /// Whether this kind of place itself makes the gateway log this message, whatever its
    /// configuration: such a line is not held against a candidate.
    fn is_own_noise(&self, _message: &str) -> bool {
        false
    }
    /// The file that a service's own log output goes to, where there is one.
    fn service_log(&self, _service: Service) -> Option<PathBuf> {
        None
    }
    /// Whether the gateway took the place of a service that verdicts rest on.
    fn posed(&self) -> Option<String> {
        None
    }
    /// The limit of its place that the gateway hit, where it hit one: what it does there is its own
    /// doing.
    async fn overrun(&self) -> Option<String> {
        None
    }
    /// What somebody else did to the gateway or to its world while the run went on, where that
    /// can be told: it is not the candidate's fault. `answered`: the gateway came up and
    /// answered since its last start, so it does not end by itself.
    async fn interference(&self, _answered: bool) -> Option<String> {
        None
    }
    /// Starts two small gateways, one with each configuration.
    async fn side_by_side(&self) -> Result<Box<dyn SideBySide>, StackError>;
    /// Ends everything.
    async fn down(&self);
}

impl dyn Stack + '_ {
    pub fn kind(&self) -> &'static str {
        self.info().kind
    }

    pub fn endpoints(&self) -> &Endpoints {
        &self.info().endpoints
    }

    pub fn secrets(&self) -> &Secrets {
        &self.info().secrets
    }

    pub fn config_path(&self) -> &Path {
        &self.info().config
    }

    pub fn is_shared(&self) -> bool {
        self.info().shared
    }

    pub fn runs_candidate(&self) -> bool {
        self.info().runs_candidate
    }

    pub fn has_real_upstream(&self) -> bool {
        self.info().real_upstream
    }
}

#[async_trait]
impl<S: Stack + ?Sized> LogSource for S {
    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        Stack::log_cursor(self, service).await
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        Stack::log_since(self, service, cursor).await
    }

    async fn log_settled(&self, service: Service) -> Result<(), StackError> {
        Stack::log_settled(self, service).await
    }
}

/// The first word with a digit and a dot in what a program says when asked for its version.
fn version_in(said: &str) -> String {
    said.split(|letter: char| letter.is_whitespace() || letter == '/' || letter == '=')
        .find(|word| {
            word.contains('.')
                && word
                    .trim_start_matches('v')
                    .starts_with(|first: char| first.is_ascii_digit())
        })
        .unwrap_or("unknown")
        .trim_start_matches('v')
        .to_owned()
}
