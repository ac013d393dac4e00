//! The compose stack: a deployment that runs already. It reads, and does what it was told that
//! it may do; everything else is refused here, whoever asks.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, RwLock},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

mod attach;
mod undo;

pub use super::container::Container;
pub use attach::{Attached, Named};
pub use undo::{Undone, undo};

use super::{components, engine::EngineError, labels, pair, watchdog::Watchdog};
use crate::{
    digest::sha256,
    ledger::{self, Deployment, Ledger, LedgerError},
    model::input::GatewayFiles,
    model::run::Component,
    probe::redis::Redis,
    profile::Profile,
    stack::{
        Act, LogChunk, LogCursor, Output, Secrets, Service, ServiceState, SideBySide, Socket,
        Stack, StackError, StackInfo, Version,
    },
};

/// The flag that allows what changes the deployment itself.
pub const DEPLOY: &str = "--deploy";
/// The flag that allows what a person would do with a session.
pub const TEST_USER: &str = "--test-user";

/// What never happens to a deployment happens on a stack of the run's own.
const OWN_STACK: &str = "a stack of the run's own (--stack sandbox or containers)";

/// What a run on a deployment is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Which deployment.
    pub named: Named,
    /// What it may do there.
    pub allowed: Allowed,
    /// Passwords by e-mail, for logins.
    pub passwords: std::collections::BTreeMap<String, String>,
    /// The admin's session: the value of its cookie.
    pub session_cookie: Option<String>,
    /// The process that the run is.
    pub owner: String,
}

/// What a run may do to a deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Allowed {
    /// The user that may be banned, and whose sessions and tokens, with the admin's, may be made.
    pub test_user: Option<String>,
    /// Whether the candidate is deployed, with everything that phase 1 and 7 do.
    pub deploy: bool,
    /// Whether a file of this machine that is mounted read-only may be edited.
    pub host_edit: bool,
}

/// The stack of one run on a deployment.
#[derive(Debug)]
pub struct Compose {
    attached: Attached,
    setup: Setup,
    run: String,
    files: GatewayFiles,
    admin: String,
    keys: [String; 3],
    ledger: Ledger,
    noted: Mutex<BTreeSet<String>>,
    internal: RwLock<SocketAddr>,
    info: StackInfo,
    watchdog: tokio::sync::Mutex<Option<Watchdog>>,
}

impl Compose {
    /// Attaches to a deployment.
    ///
    /// # Errors
    /// A deployment that is not there, or not as it must be.
    pub async fn attach(
        setup: Setup,
        run: &str,
        files: GatewayFiles,
        profile: &Profile,
    ) -> Result<Self, StackError> {
        let failed = |what: String| StackError::Service {
            service: Service::Gateway,
            what,
        };
        let attached = Attached::find(&setup.named, profile)
            .await
            .map_err(|error| failed(error.to_string()))?;
        attached.member(Service::Gateway)?.remember().await;
        let ledger =
            Ledger::open(&attached.project, run).map_err(|error| failed(error.to_string()))?;
        let internal = attached.internal().await?;
        let internal =
            internal.ok_or_else(|| failed("the gateway has no address of its own".to_owned()))?;
        // Only who may act as the test user needs the key to do so.
        let jwt = attached
            .env
            .get("JWT_SECRET")
            .filter(|_| setup.allowed.test_user.is_some());
        let secrets = Secrets {
            jwt_secret: jwt.map(|secret| SecretString::from(secret.clone())),
            upstream_key: attached
                .env
                .get("LITELLM_SHARED_KEY")
                .map(|key| SecretString::from(key.clone())),
            passwords: setup
                .passwords
                .iter()
                .map(|(email, password)| (email.clone(), SecretString::from(password.clone())))
                .collect(),
            control: attached.control.clone(),
            others: attached
                .env
                .iter()
                .filter(|(name, _)| name.contains("SECRET") || name.contains("KEY"))
                .map(|(_, value)| SecretString::from(value.clone()))
                .chain(setup.session_cookie.clone().map(SecretString::from))
                .chain(attached.control.clone())
                .collect(),
        };
        Ok(Self {
            run: run.to_owned(),
            files,
            admin: profile.users.admin.clone(),
            keys: [
                profile.redis.active_user.clone(),
                profile.redis.active_user_metadata.clone(),
                profile.redis.ban.clone(),
            ],
            ledger,
            noted: Mutex::new(BTreeSet::new()),
            internal: RwLock::new(internal),
            info: StackInfo {
                kind: "compose",
                endpoints: attached.endpoints.clone(),
                secrets,
                config: attached.config_path.clone(),
                shared: true,
                runs_candidate: !setup.allowed.deploy,
                real_upstream: false,
            },
            attached,
            setup,
            watchdog: tokio::sync::Mutex::new(None),
        })
    }

    fn need(
        &self,
        what: impl Into<String>,
        allowed: bool,
        flag: &'static str,
    ) -> Result<(), StackError> {
        if allowed {
            return Ok(());
        }
        Err(StackError::NotAllowed {
            what: what.into(),
            flag,
        })
    }

    /// Whether this user's sessions, tokens and keys may be touched.
    fn need_user(&self, what: &str, email: &str) -> Result<(), StackError> {
        let test_user = self.setup.allowed.test_user.as_deref();
        self.need(format!("{what} of {email}"), test_user.is_some(), TEST_USER)?;
        let known = email == self.admin || Some(email) == test_user;
        self.need(
            format!("{what} of {email}, who is neither the admin nor the test user"),
            known,
            TEST_USER,
        )
    }

    fn write(&self, act: ledger::Act) -> Result<(), StackError> {
        self.ledger
            .write(act)
            .map_err(|error: LedgerError| StackError::Service {
                service: Service::Gateway,
                what: format!("the ledger cannot be written, so nothing is done: {error}"),
            })
    }

    /// Writes a key down as it is, once a run.
    async fn note_key(&self, key: String) -> Result<(), StackError> {
        let noted = |key: &str| {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            !noted.insert(key.to_owned())
        };
        if noted(&key) {
            return Ok(());
        }
        let dumped = self.attached.redis().dump(&key).await;
        let dumped = dumped.map_err(|error| StackError::Service {
            service: Service::Redis,
            what: error.to_string(),
        })?;
        let (before, ttl_ms) = match dumped {
            Some((bytes, ttl)) => (Some(STANDARD.encode(bytes)), ttl),
            None => (None, 0),
        };
        self.write(ledger::Act::Key {
            key,
            before,
            ttl_ms,
        })
    }

    /// Writes down what the gateway keeps of a user.
    async fn note_user(&self, email: &str) -> Result<(), StackError> {
        for pattern in &self.keys {
            self.note_key(pattern.replace("{email}", email)).await?;
        }
        Ok(())
    }

    /// Where a write to a path of the gateway goes: into the container, or to the file of this
    /// machine that is mounted there read-only.
    fn target(&self, path: &Path) -> Result<Option<PathBuf>, StackError> {
        let refused = |what: String| StackError::Service {
            service: Service::Gateway,
            what,
        };
        match self.attached.mounted(path) {
            Some((mount, host)) if !mount.writable => match host {
                Some(host) if self.setup.allowed.host_edit => Ok(Some(host)),
                _ => Err(refused(format!("{} is mounted read-only", path.display()))),
            },
            _ => Ok(None),
        }
    }

    /// Puts the candidate's deployment down before the backup is made.
    async fn note_deployment(&self, backup: &Path) -> Result<(), StackError> {
        let failed = |what: String| StackError::Service {
            service: Service::Gateway,
            what,
        };
        let config = &self.attached.config_path;
        let baseline = self.read_file(Service::Gateway, config).await?;
        let candidate = fs::read(&self.files.candidate).map_err(|source| StackError::Io {
            what: format!("reading {}", self.files.candidate.display()),
            service: Service::Gateway,
            source,
        })?;
        let baseline_sha256 = sha256(&baseline);
        let kept = self
            .ledger
            .keep(&baseline_sha256, &baseline)
            .map_err(|error| failed(error.to_string()))?;
        self.write(ledger::Act::Deploy(Deployment {
            config: config.clone(),
            backup: backup.to_owned(),
            kept,
            baseline_sha256,
            candidate_sha256: sha256(&candidate),
            host_file: self.target(config)?,
        }))
    }
}

/// Whether the deployed configuration can be replaced, before anything is touched.
///
/// # Errors
/// Why it cannot, and what would allow it.
pub fn can_deploy(attached: &Attached, allow_host_edit: bool) -> Result<(), EngineError> {
    let path = &attached.config_path;
    let Some((mount, host)) = attached.mounted(path) else {
        return Ok(());
    };
    if mount.writable {
        return Ok(());
    }
    let read_only = format!(
        "{} is mounted read-only into the gateway: it cannot be replaced from within",
        path.display()
    );
    let Some(host) = host else {
        return Err(EngineError::new(format!(
            "{read_only}, and what is mounted there is no file of the host"
        ))
        .hint("mount it writable, or as a file of the host"));
    };
    if !host.is_file() {
        return Err(EngineError::new(format!(
            "{read_only}, and its source {} is not on this machine",
            host.display()
        ))
        .hint("run verify on the machine of the engine, or mount the file writable"));
    }
    if !allow_host_edit {
        return Err(EngineError::new(format!("{read_only}; its source is {}", host.display()))
            .hint("--allow-host-edit edits that file of this machine in place; the ledger keeps what it was"));
    }
    Ok(())
}

#[async_trait]
impl Stack for Compose {
    fn info(&self) -> &StackInfo {
        &self.info
    }

    fn internal(&self) -> SocketAddr {
        *self.internal.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn redis(&self) -> Redis {
        self.attached.redis()
    }

    async fn may(&self, act: Act<'_>) -> Result<(), StackError> {
        let deploy = self.setup.allowed.deploy;
        match act {
            Act::WriteFile(path) => {
                let what = format!("writing {} on the gateway", path.display());
                self.need(what, deploy, DEPLOY)?;
                let name = path.file_name().and_then(|name| name.to_str());
                let stays = path == self.attached.config_path
                    || name.is_some_and(|name| name.starts_with("nginx.conf.backup"));
                if stays {
                    return Ok(());
                }
                self.write(ledger::Act::File {
                    path: path.to_owned(),
                })
            }
            Act::Deploy(backup) => {
                self.need("replacing the configuration", deploy, DEPLOY)?;
                self.note_deployment(backup).await
            }
            Act::Restart => self.need("restarting the gateway", deploy, DEPLOY),
            Act::Reload => self.need("reloading the gateway", deploy, DEPLOY),
            // People use it: what it does without a service is shown elsewhere.
            Act::Break(service) => {
                self.need(format!("ending {service} for a while"), false, OWN_STACK)
            }
            Act::WriteLog => self.need("writing to the gateway's log", deploy, DEPLOY),
            Act::Load => self.need("load and a pause of Redis", deploy, DEPLOY),
            Act::StartBeside => {
                self.need("starting gateways beside it", deploy, DEPLOY)?;
                self.write(ledger::Act::Containers)
            }
            Act::LogIn(email) | Act::Visit(email) => {
                self.need_user("a session", email)?;
                self.note_user(email).await
            }
            Act::KeepSession(key) => self.write(ledger::Act::Session {
                key: key.to_owned(),
            }),
            Act::AskToken { name, email } => {
                self.need_user("a token", email)?;
                self.write(ledger::Act::TokenAsked {
                    name: name.to_owned(),
                    email: email.to_owned(),
                })
            }
            Act::KeepToken(id) => self.write(ledger::Act::Token { id: id.to_owned() }),
            Act::Mint(email) => {
                self.need_user("a token", email)?;
                self.note_user(email).await
            }
            Act::Ban(email) => {
                let test_user = self.setup.allowed.test_user.as_deref();
                let what = format!("banning {email}, who is not the test user,");
                self.need(what, test_user == Some(email), TEST_USER)?;
                self.note_user(email).await
            }
            Act::WriteKey(key) => {
                let test_user = self.setup.allowed.test_user.as_deref();
                let own = self.keys.iter().any(|pattern| {
                    let of = |email: &str| pattern.replace("{email}", email) == key;
                    of(&self.admin) || test_user.is_some_and(of)
                });
                let what = format!("changing {key} in Redis");
                self.need(what, own && test_user.is_some(), TEST_USER)?;
                self.note_key(key.to_owned()).await
            }
        }
    }

    fn given_session(&self, email: &str) -> Option<SecretString> {
        let given = self.setup.session_cookie.clone();
        given
            .filter(|_| email == self.admin)
            .map(SecretString::from)
    }

    async fn components(&self) -> Result<Vec<Component>, StackError> {
        components::found(&self.attached.members, &self.attached.images).await
    }

    /// Lua modules and pages are the deployment's own and stay as they are.
    async fn deploy_assets(&self, _: Version) -> Result<(), StackError> {
        Ok(())
    }

    async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        self.attached
            .member(Service::Gateway)?
            .gateway_exec(args)
            .await
    }

    async fn read_file(&self, service: Service, path: &Path) -> Result<Vec<u8>, StackError> {
        self.attached.member(service)?.read_file(path).await
    }

    async fn write_file(
        &self,
        service: Service,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError> {
        self.may(Act::WriteFile(path)).await?;
        if service != Service::Gateway {
            return Err(StackError::Unsupported {
                kind: "compose",
                what: "write files of other services than the gateway",
            });
        }
        write_file(&self.attached, self.target(path)?, path, content).await
    }

    async fn restart(&self, service: Service) -> Result<(), StackError> {
        self.may(Act::Restart).await?;
        self.attached.member(service)?.restart().await?;
        if service == Service::Gateway
            && let Some(address) = self.attached.internal().await?
        {
            *self
                .internal
                .write()
                .unwrap_or_else(PoisonError::into_inner) = address;
        }
        Ok(())
    }

    async fn kill(&self, _: Service) -> Result<(), StackError> {
        Err(StackError::Unsupported {
            kind: "compose",
            what: "kill a service of a deployment",
        })
    }

    async fn state(&self, service: Service) -> Result<ServiceState, StackError> {
        self.attached.member(service)?.state().await
    }

    async fn sockets(&self, service: Service) -> Result<Vec<Socket>, StackError> {
        self.attached.member(service)?.sockets().await
    }

    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        self.attached.member(service)?.log_cursor().await
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        self.attached.member(service)?.log_since(cursor).await
    }

    async fn log_settled(&self, service: Service) -> Result<(), StackError> {
        // It writes a line of its own: who only reads does not need it, since nothing that must
        // be absent is looked for then.
        let allowed = &self.setup.allowed;
        if !allowed.deploy && allowed.test_user.is_none() {
            return Ok(());
        }
        self.attached.member(service)?.log_settled().await
    }

    async fn append_log(&self, service: Service, line: &str) -> Result<Vec<String>, StackError> {
        self.may(Act::WriteLog).await?;
        self.attached.member(service)?.append_log(line).await
    }

    async fn interference(&self, _answered: bool) -> Option<String> {
        match self.attached.member(Service::Gateway) {
            Ok(gateway) => gateway.interference().await,
            Err(error) => Some(error.to_string()),
        }
    }

    async fn side_by_side(&self) -> Result<Box<dyn SideBySide>, StackError> {
        self.may(Act::StartBeside).await?;
        let io = |source| StackError::Io {
            what: "reading the configurations to compare".to_owned(),
            service: Service::Gateway,
            source,
        };
        let mut watchdog = self.watchdog.lock().await;
        if watchdog.is_none() {
            *watchdog = Some(Watchdog::start(&self.run).map_err(io)?);
        }
        drop(watchdog);
        let own = |version, path: &Path| -> Result<pair::Own, StackError> {
            Ok(pair::Own {
                version,
                config: fs::read(path).map_err(io)?,
                files: None,
            })
        };
        let places = self.attached.mounts.iter();
        let like = pair::Like {
            engine: &self.attached.engine,
            gateway: &self.attached.member(Service::Gateway)?.id,
            places: places.map(|mount| mount.at.display().to_string()).collect(),
            volumes: Vec::new(),
            config_path: &self.attached.config_path,
            labels: labels::of_run(&self.run, &self.setup.owner),
            name: format!("verify-{}-beside", self.run),
        };
        let pair = [
            own(Version::Baseline, &self.files.baseline)?,
            own(Version::Candidate, &self.files.candidate)?,
        ];
        Ok(Box::new(pair::Pair::start(&like, pair).await?))
    }

    /// Nothing of the deployment is ended. What the run made there is undone by who started
    /// the worker, which may be killed before it comes to this.
    async fn down(&self) {
        if let Some(watchdog) = self.watchdog.lock().await.take()
            && let Err(error) = watchdog.finish().await
        {
            tracing::error!(%error, "containers of this run may be left; `verify cleanup` removes them");
        }
    }
}

/// Replaces a file of the gateway: in its container, or on this machine in place, so that a mount
/// keeps its inode.
///
/// # Errors
/// A file that cannot be written.
pub async fn write_file(
    attached: &Attached,
    host: Option<PathBuf>,
    path: &Path,
    content: &[u8],
) -> Result<(), StackError> {
    let gateway = attached.member(Service::Gateway)?;
    let host = match host {
        // Into a gateway that does not run the engine cannot write what is mounted by itself.
        None if !gateway.state().await?.running => attached
            .mounted(path)
            .and_then(|(_, source)| source)
            .filter(|source| source.is_file()),
        host => host,
    };
    let Some(host) = host else {
        return gateway.write_file(path, content).await;
    };
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&host)
        .and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(content)?;
            file.sync_all()
        });
    written.map_err(|source| StackError::Io {
        what: format!("writing {}", host.display()),
        service: Service::Gateway,
        source,
    })
}
