//! What a run may do to a deployment that is not its own. Everything else is refused here, whoever
//! asks, and what is allowed is written to the ledger first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    super::engine::{Context as _, EngineError},
    attach::{Attached, Named},
};
use crate::{
    digest::sha256,
    ledger::{self, Deployment, Ledger},
    profile::Profile,
    stack::{Act, Service, StackError},
};

/// The flag that allows what changes the deployment itself.
pub const DEPLOY: &str = "--deploy";
/// The flag that allows what a person would do with a session.
pub const TEST_USER: &str = "--test-user";

/// What never happens to a deployment happens on a stack of the run's own.
const OWN_STACK: &str = "a stack of the run's own (--stack sandbox or containers)";

/// What a run on a deployment starts from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub named: Named,
    pub allowed: Allowed,
    /// By e-mail, for logins.
    pub passwords: BTreeMap<String, String>,
    /// The admin's session: the value of its cookie.
    pub session_cookie: Option<String>,
    /// The run's process, for the labels.
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

/// The permissions of a run on a deployment.
#[derive(Debug)]
pub struct Permissions {
    attached: Attached,
    setup: Setup,
    /// The configuration that is deployed where that is allowed.
    candidate: PathBuf,
    admin: String,
    /// What the gateway keeps of a user in Redis.
    keys: [String; 3],
    ledger: Ledger,
    noted: Mutex<BTreeSet<String>>,
}

impl Permissions {
    pub fn new(
        attached: Attached,
        setup: Setup,
        candidate: PathBuf,
        ledger: Ledger,
        profile: &Profile,
    ) -> Self {
        Self {
            attached,
            setup,
            candidate,
            admin: profile.users.admin.clone(),
            keys: [
                profile.redis.active_user.clone(),
                profile.redis.active_user_metadata.clone(),
                profile.redis.ban.clone(),
            ],
            ledger,
            noted: Mutex::new(BTreeSet::new()),
        }
    }

    pub fn allowed(&self) -> &Allowed {
        &self.setup.allowed
    }

    pub fn only_reads(&self) -> bool {
        !self.allowed().deploy && self.allowed().test_user.is_none()
    }

    pub fn given_session(&self, email: &str) -> Option<SecretString> {
        let given = self.setup.session_cookie.clone();
        given
            .filter(|_| email == self.admin)
            .map(SecretString::from)
    }

    /// The paths that are mounted into the gateway.
    pub fn mounted_paths(&self) -> Vec<String> {
        let mounts = self.attached.mounts.iter();
        mounts.map(|mount| mount.at.display().to_string()).collect()
    }

    /// Writes a file of the gateway where that goes: into the container, or to the file of this
    /// machine that is mounted there read-only.
    pub async fn write_file(&self, path: &Path, content: &[u8]) -> Result<(), StackError> {
        let target = self.target(path)?;
        self.attached.write_file(target, path, content).await
    }

    pub async fn authorize(&self, act: Act<'_>) -> Result<(), StackError> {
        let deploy = self.setup.allowed.deploy;
        match act {
            Act::WriteFile(path) => {
                let what = format!("writing {} on the gateway", path.display());
                need(what, deploy, DEPLOY)?;
                let name = path.file_name().and_then(|name| name.to_str());
                let stays = path == self.attached.host.config_path
                    || name.is_some_and(|name| name.starts_with("nginx.conf.backup"));
                if stays {
                    return Ok(());
                }
                self.write(ledger::Act::File {
                    path: path.to_owned(),
                })
            }
            Act::Deploy(backup) => {
                need("replacing the configuration", deploy, DEPLOY)?;
                self.note_deployment(backup).await
            }
            Act::Restart => need("restarting the gateway", deploy, DEPLOY),
            Act::Reload => need("reloading the gateway", deploy, DEPLOY),
            // People use it: what it does without a service is shown elsewhere.
            Act::Break(service) => need(format!("ending {service} for a while"), false, OWN_STACK),
            Act::WriteLog => need("writing to the gateway's log", deploy, DEPLOY),
            Act::Load => need("load and a pause of Redis", deploy, DEPLOY),
            Act::StartBeside => {
                need("starting gateways beside it", deploy, DEPLOY)?;
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
                need(what, test_user == Some(email), TEST_USER)?;
                self.note_user(email).await
            }
            Act::WriteKey(key) => {
                let test_user = self.setup.allowed.test_user.as_deref();
                let own = self.keys.iter().any(|pattern| {
                    let of = |email: &str| pattern.replace("{email}", email) == key;
                    of(&self.admin) || test_user.is_some_and(of)
                });
                let what = format!("changing {key} in Redis");
                need(what, own && test_user.is_some(), TEST_USER)?;
                self.note_key(key.to_owned()).await
            }
        }
    }

    /// Whether this user's sessions, tokens and keys may be touched.
    fn need_user(&self, what: &str, email: &str) -> Result<(), StackError> {
        let test_user = self.setup.allowed.test_user.as_deref();
        need(format!("{what} of {email}"), test_user.is_some(), TEST_USER)?;
        let known = email == self.admin || Some(email) == test_user;
        need(
            format!("{what} of {email}, who is neither the admin nor the test user"),
            known,
            TEST_USER,
        )
    }

    fn write(&self, act: ledger::Act) -> Result<(), StackError> {
        let written = self.ledger.write(act);
        let written = written.context("the ledger cannot be written, so nothing is done");
        written.map_err(|error| error.on(Service::Gateway))
    }

    /// Writes a key down as it is, once a run.
    async fn note_key(&self, key: String) -> Result<(), StackError> {
        let first = {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.insert(key.clone())
        };
        if !first {
            return Ok(());
        }
        let dumped = self.attached.host.redis.dump(&key).await;
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
        match self.attached.mounted(path) {
            Some((mount, host)) if !mount.writable => match host {
                Some(host) if self.setup.allowed.host_edit => Ok(Some(host)),
                _ => Err(failed(format_args!(
                    "{} is mounted read-only",
                    path.display()
                ))),
            },
            _ => Ok(None),
        }
    }

    /// Puts the candidate's deployment down before the backup is made.
    async fn note_deployment(&self, backup: &Path) -> Result<(), StackError> {
        let host = &self.attached.host;
        let config = &host.config_path;
        let baseline = host.member(Service::Gateway)?.read_file(config).await?;
        let candidate = fs::read(&self.candidate).map_err(|source| StackError::Io {
            what: format!("reading {}", self.candidate.display()),
            service: Service::Gateway,
            source,
        })?;
        let baseline_sha256 = sha256(&baseline);
        let kept = self.ledger.keep(&baseline_sha256, &baseline);
        let kept = kept.map_err(failed)?;
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

fn need(what: impl Into<String>, allowed: bool, flag: &'static str) -> Result<(), StackError> {
    if allowed {
        return Ok(());
    }
    Err(StackError::NotAllowed {
        what: what.into(),
        flag,
    })
}

/// An error of the deployment's gateway.
fn failed(error: impl std::fmt::Display) -> StackError {
    EngineError::new(error.to_string()).on(Service::Gateway)
}

/// Whether the deployed configuration can be replaced, before anything is touched.
///
/// # Errors
/// Why it cannot, and what would allow it.
pub fn can_deploy(attached: &Attached, allow_host_edit: bool) -> Result<(), EngineError> {
    let path = &attached.host.config_path;
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
