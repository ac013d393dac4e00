//! What a run does to a deployment that is not its own: written down and flushed to the disk
//! before each act, so that it can be undone at the end, after Ctrl-C, and after the process or
//! the machine died.
//!
//! One folder for each deployment in the state directory (`VERIFY_STATE_DIR`, else
//! `$XDG_STATE_HOME/verify`, else `~/.local/state/verify`): `ledger.ndjson`, one entry a line;
//! `lock`, held by whoever verifies or rolls back; `baseline-SHA256.conf`, the configuration that
//! was replaced.

use std::{
    env,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The run that acts.
    pub run: String,
    /// What it is about to do.
    #[serde(flatten)]
    pub act: Act,
}

/// What is about to be done, with what is needed to undo it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// A file beside the configuration is made, on the gateway.
    File { path: PathBuf },
    /// A key in Redis may change.
    Key {
        key: String,
        /// As `DUMP` gives it, in base64; `None` where it did not exist.
        before: Option<String>,
        /// Its TTL then, in milliseconds; 0 where it does not end.
        ttl_ms: i64,
    },
    /// A session is kept in Redis under this key.
    Session { key: String },
    /// A token is asked for.
    TokenAsked {
        /// By this name.
        name: String,
        /// By this user.
        email: String,
    },
    /// A token was made.
    Token { id: String },
    /// Containers with the run's label are made.
    Containers,
    /// Everything before this line is undone, a deployment apart.
    Undone,
    /// The candidate takes the baseline's place.
    Deploy(Deployment),
    /// A step of a rollback is about to be taken.
    RollbackStep {
        /// Its number, from 1.
        step: u8,
    },
    /// The baseline was put back and proven.
    RolledBack,
}

/// A deployment of a candidate: what a rollback needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Where the configuration is deployed, on the gateway.
    pub config: PathBuf,
    /// The backup, on the gateway.
    pub backup: PathBuf,
    /// The copy of the baseline on this machine.
    pub kept: PathBuf,
    pub baseline_sha256: String,
    pub candidate_sha256: String,
    /// The file of this machine that is mounted there read-only and was edited in its place.
    pub host_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A line in it is none of ours.
    #[error("{}:{line}: {source}", path.display())]
    Garbage {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    /// Somebody else is at the same deployment.
    #[error("another `verify` works on the deployment {deployment} (process {holder})")]
    Locked { deployment: String, holder: String },
    #[error("there is no home directory for the ledger: set VERIFY_STATE_DIR")]
    NoPlace,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { path, source }
}

/// The folder that holds a folder for each deployment.
///
/// # Errors
/// Where the environment names none.
pub fn state_dir() -> Result<PathBuf, LedgerError> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(own) = set("VERIFY_STATE_DIR") {
        return Ok(PathBuf::from(own));
    }
    if let Some(state) = set("XDG_STATE_HOME") {
        return Ok(Path::new(&state).join("verify"));
    }
    let home = set("HOME").ok_or(LedgerError::NoPlace)?;
    Ok(Path::new(&home).join(".local/state/verify"))
}

/// The deployments that have a ledger.
///
/// # Errors
/// A state directory that cannot be read.
pub fn deployments() -> Result<Vec<String>, LedgerError> {
    let dir = state_dir()?;
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(&dir)(error)),
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("ledger.ndjson").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// The lock of a deployment: held until it is dropped, or its process is gone.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    ///
    /// # Errors
    /// [`LedgerError::Locked`] where somebody else holds it.
    pub fn take(deployment: &str) -> Result<Self, LedgerError> {
        let folder = folder(deployment)?;
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                return Err(LedgerError::Locked {
                    deployment: deployment.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(error) => return Err(io_error(&path)(error.into())),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io_error(&path))?;
        Ok(Self { _file: file })
    }
}

/// The folder of a deployment, made where it is missing, for its owner only: dumps of sessions
/// are in it.
fn folder(deployment: &str) -> Result<PathBuf, LedgerError> {
    let path = state_dir()?.join(deployment);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o700)))
        .map_err(io_error(&path))?;
    Ok(path)
}

#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    path: PathBuf,
    run: String,
    file: Mutex<File>,
}

impl Ledger {
    /// Opens the ledger of a deployment for a run. A last line that was only half written, by a
    /// machine that died, was never acted upon and is cut off.
    ///
    /// # Errors
    /// A ledger that cannot be written.
    pub fn open(deployment: &str, run: &str) -> Result<Self, LedgerError> {
        let folder = folder(deployment)?;
        let path = folder.join("ledger.ndjson");
        let failed = || io_error(&path);
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed())?;
        let text = fs::read(&path).map_err(failed())?;
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed())?;
        }
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed())?;
        Ok(Self {
            folder,
            path,
            run: run.to_owned(),
            file: Mutex::new(file),
        })
    }

    /// Writes an entry; returns when the disk has it.
    ///
    /// # Errors
    /// A ledger that cannot be written: the act must not be done.
    pub fn write(&self, act: Act) -> Result<(), LedgerError> {
        let entry = Entry {
            at_ms: crate::probe::now_ms(),
            run: self.run.clone(),
            act,
        };
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| io_error(&self.path)(io::Error::other(error)))?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
            .and_then(|()| file.sync_data())
            .map_err(io_error(&self.path))
    }

    /// Keeps a copy of the baseline on this machine, and says where.
    ///
    /// # Errors
    /// A copy that cannot be written.
    pub fn keep(&self, sha256: &str, content: &[u8]) -> Result<PathBuf, LedgerError> {
        let path = self.folder.join(format!("baseline-{sha256}.conf"));
        let new = path.with_extension("new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        });
        written.map_err(io_error(&path))?;
        Ok(path)
    }

    /// Every entry, oldest first.
    ///
    /// # Errors
    /// A ledger that cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let text = fs::read_to_string(&self.path).map_err(io_error(&self.path))?;
        text.lines()
            .enumerate()
            .map(|(at, line)| {
                serde_json::from_str(line).map_err(|source| LedgerError::Garbage {
                    path: self.path.clone(),
                    line: at + 1,
                    source,
                })
            })
            .collect()
    }

    /// The entries that are not undone yet.
    ///
    /// # Errors
    /// A ledger that cannot be read.
    pub fn open_entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let entries = self.entries()?;
        let done = entries.iter().rposition(|entry| entry.act == Act::Undone);
        Ok(entries
            .into_iter()
            .skip(done.map_or(0, |at| at + 1))
            .filter(|entry| entry.act.is_residue())
            .collect())
    }

    /// The last deployment that was not rolled back, with the run that made it.
    ///
    /// # Errors
    /// A ledger that cannot be read.
    pub fn deployment(&self) -> Result<Option<(String, Deployment)>, LedgerError> {
        let mut last = None;
        for entry in self.entries()? {
            match entry.act {
                Act::Deploy(deployment) => last = Some((entry.run, deployment)),
                Act::RolledBack => last = None,
                _ => {}
            }
        }
        Ok(last)
    }
}

impl Act {
    /// Whether it leaves something that is undone at the end of a run. A deployment does not:
    /// that is for a rollback.
    fn is_residue(&self) -> bool {
        match self {
            Self::File { .. }
            | Self::Key { .. }
            | Self::Session { .. }
            | Self::TokenAsked { .. }
            | Self::Token { .. }
            | Self::Containers => true,
            Self::Undone | Self::Deploy(_) | Self::RollbackStep { .. } | Self::RolledBack => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Ledger) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.ndjson");
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        let ledger = Ledger {
            folder: dir.path().to_owned(),
            path,
            run: "r1".to_owned(),
            file: Mutex::new(file),
        };
        (dir, ledger)
    }

    fn deployment() -> Deployment {
        Deployment {
            config: "/c".into(),
            backup: "/b".into(),
            kept: "/k".into(),
            baseline_sha256: "1".to_owned(),
            candidate_sha256: "2".to_owned(),
            host_file: None,
        }
    }

    #[test]
    fn what_is_undone_is_not_undone_again_and_a_deployment_stays() {
        let (_dir, ledger) = scratch();
        ledger.write(Act::File { path: "/a".into() }).unwrap();
        ledger.write(Act::Deploy(deployment())).unwrap();
        assert_eq!(ledger.open_entries().unwrap().len(), 1);
        ledger.write(Act::Undone).unwrap();
        assert!(ledger.open_entries().unwrap().is_empty());
        assert_eq!(
            ledger.deployment().unwrap(),
            Some(("r1".to_owned(), deployment()))
        );
        ledger.write(Act::RollbackStep { step: 1 }).unwrap();
        ledger.write(Act::RolledBack).unwrap();
        assert_eq!(ledger.deployment().unwrap(), None);
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let (dir, ledger) = scratch();
        ledger.write(Act::Containers).unwrap();
        let path = dir.path().join("ledger.ndjson");
        let text = fs::read_to_string(&path).unwrap() + "{\"act\":\"what\"}\n";
        fs::write(&path, text).unwrap();
        let error = ledger.entries().unwrap_err().to_string();
        assert!(error.contains("ledger.ndjson:2:"), "{error}");
    }
}
