//! One container as a service of the stack: commands in it, its files, its start and end. What
//! runs in it is in [`processes`], what it writes in [`logs`].

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder,
    RestartContainerOptionsBuilder, StatsOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures::TryStreamExt as _;
use tokio::sync::Mutex;

mod logs;
mod processes;

use super::{
    archive::{self, Archive},
    engine::{Engine, EngineError},
    follow::Follower,
    shell::{Done, Shell, quoted},
};
use crate::stack::{Output, Service, StackError};

/// How long a service has to end by itself before it is killed, in seconds.
const STOP_SECONDS: i32 = 10;

const MIB: i64 = 1024 * 1024;

/// How long the engine has to notice that a container has ended.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// How long a container that was killed has to end.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// The processes of the harness's own shells in a container, at most: where these are refused, the
/// limit is reached.
const SHELLS: u64 = 8;

/// How often it is asked.
const POLL: Duration = Duration::from_millis(5);

/// A container that plays a service.
#[derive(Debug)]
pub struct Container {
    engine: Engine,
    /// The container's id.
    pub id: String,
    service: Service,
    /// Its volumes, where its root directory cannot be written.
    volumes: Vec<String>,
    /// Open shells by their user; `None` is the image's own.
    shells: Mutex<BTreeMap<Option<u32>, Shell>>,
    log: Follower,
    /// Whether it was last seen to log to files, too; that it may, before it was ever looked at.
    logs_to_files: AtomicBool,
    /// When the container was started, and how often the engine restarted it by itself, after
    /// the last start that this run asked for or found.
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Known {
    started_at: String,
    restarts: i64,
}

/// The exit codes of a process that SIGKILL or SIGTERM ended.
const KILLED: [i64; 2] = [137, 143];

impl AsRef<Self> for Container {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Container {
    /// A container that is there. Its log is followed from `since` on, in seconds since 1970, and
    /// no further than so many bytes of a stream.
    #[must_use]
    pub fn new(
        engine: Engine,
        id: String,
        service: Service,
        since: i32,
        log_limit: Option<usize>,
    ) -> Self {
        let log = Follower::start(engine.docker.clone(), id.clone(), since, log_limit);
        Self {
            engine,
            id,
            service,
            volumes: Vec::new(),
            shells: Mutex::new(BTreeMap::new()),
            log,
            logs_to_files: AtomicBool::new(true),
            known: Mutex::new(None),
        }
    }

    /// The same, whose files are written into these volumes.
    #[must_use]
    pub fn with_volumes(self, volumes: Vec<String>) -> Self {
        Self { volumes, ..self }
    }

    fn failed(&self, error: &EngineError) -> StackError {
        StackError::Service {
            service: self.service,
            what: error.to_string(),
        }
    }

    /// Runs a script in the container. A shell that ended, as it does when the container was
    /// restarted, is opened again once.
    ///
    /// # Errors
    /// A container that does not run, a script that takes too long.
    pub async fn run(&self, script: &str) -> Result<Done, StackError> {
        // The gateway's files and master are root's, whoever the image's own user is.
        let user = (self.service == Service::Gateway).then_some(0);
        self.run_as(user, script).await
    }

    async fn run_as(&self, user: Option<u32>, script: &str) -> Result<Done, StackError> {
        let mut shells = self.shells.lock().await;
        // It is put back when it has answered: one whose answer nobody waited for would give it
        // to the next that asks.
        if let Some(mut shell) = shells.remove(&user)
            && let Ok(done) = shell.run(script).await
        {
            shells.insert(user, shell);
            return Ok(done);
        }
        let opened = Shell::open(&self.engine.docker, &self.id, user).await;
        let mut shell = opened.map_err(|error| self.failed(&error))?;
        let done = shell
            .run(script)
            .await
            .map_err(|error| self.failed(&error))?;
        shells.insert(user, shell);
        Ok(done)
    }

    /// Runs a program with arguments: its own exit code, its output.
    ///
    /// # Errors
    /// As for [`Container::run`].
    pub async fn exec(&self, words: &[&str]) -> Result<Output, StackError> {
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let done = self.run(&line.join(" ")).await?;
        Ok(Output {
            code: Some(done.code),
            text: done.text(),
        })
    }

    /// Runs the gateway's own binary with arguments.
    ///
    /// # Errors
    /// As for [`Container::run`].
    pub async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        let words: Vec<String> = args.iter().map(|word| quoted(word)).collect();
        let done = self
            .run(&format!(
                "$(command -v openresty || command -v nginx || echo openresty) {}",
                words.join(" ")
            ))
            .await?;
        Ok(Output {
            code: Some(done.code),
            text: done.text(),
        })
    }

    /// As [`Container::run`], for a script that must succeed.
    async fn must(&self, what: &str, script: &str) -> Result<Vec<u8>, StackError> {
        let done = self.run(script).await?;
        if done.code == 0 {
            return Ok(done.bytes);
        }
        Err(StackError::Service {
            service: self.service,
            what: format!(
                "{what} ended with exit code {}: {}",
                done.code,
                done.text().trim()
            ),
        })
    }

    /// A file's content.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn read_file(&self, path: &Path) -> Result<Vec<u8>, StackError> {
        let name = path.display().to_string();
        let what = format!("reading {name}");
        if !self.running().await?.0 {
            return self.read_stopped(&name).await;
        }
        let read = self.run(&format!("base64 < {}", quoted(&name))).await;
        let done = match read {
            Err(_) if self.has_ended().await? => return self.read_stopped(&name).await,
            read => read?,
        };
        if done.code != 0 {
            return Err(self.failed(&EngineError::new(format!("{what}: {}", done.text().trim()))));
        }
        let bytes = done.bytes;
        let text: Vec<u8> = bytes
            .into_iter()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        STANDARD.decode(text).map_err(|error| StackError::Service {
            service: self.service,
            what: format!("{what}: {error}"),
        })
    }

    /// A file's content in a container that does not run, by the engine.
    async fn read_stopped(&self, name: &str) -> Result<Vec<u8>, StackError> {
        let content = async {
            let packed = download(&self.engine, &self.id, name).await?;
            archive::first_file(&packed)
                .map_err(|error| EngineError::new(format!("reading {name}: {error}")))
        };
        content.await.map_err(|error| self.failed(&error))
    }

    /// Replaces a file's content in place: also one that is mounted by itself keeps its inode.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn write_file(&self, path: &Path, content: &[u8]) -> Result<(), StackError> {
        let name = path.display().to_string();
        if !self.running().await?.0 {
            let mut packed = Archive::default();
            let packed = packed
                .file(&name, 0o644, content)
                .and_then(|()| packed.finish())
                .map_err(|error| {
                    self.failed(&EngineError::new(format!("packing {name}: {error}")))
                })?;
            let uploaded = self.upload(packed).await;
            return uploaded.map_err(|error| self.failed(&error));
        }
        let script = format!(
            "printf %s {} | base64 -d > {}",
            quoted(&STANDARD.encode(content)),
            quoted(&name)
        );
        self.must(&format!("writing {name}"), &script)
            .await
            .map(drop)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub async fn remove_file(&self, path: &Path) -> Result<(), StackError> {
        let name = path.display().to_string();
        let script = format!("rm -f {}", quoted(&name));
        self.must(&format!("removing {name}"), &script)
            .await
            .map(drop)
    }

    /// Unpacks an archive in the container's root directory. It need not run.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn upload(&self, archive: Vec<u8>) -> Result<(), EngineError> {
        upload(&self.engine, &self.id, &self.volumes, &archive).await
    }

    /// Replaces directories by what an archive holds.
    ///
    /// # Errors
    /// What the container or the engine says.
    pub async fn replace_directories(
        &self,
        directories: &[&str],
        archive: Vec<u8>,
    ) -> Result<(), StackError> {
        // Emptied, not removed: they may be mounted.
        let contents = directories.iter().map(|name| {
            let name = quoted(name);
            format!("rm -rf {name}/* {name}/.[!.]* {name}/..?*")
        });
        let script = contents.collect::<Vec<_>>().join(" && ");
        self.must("emptying directories", &script).await?;
        self.upload(archive)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// Stops the container and starts it again.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn restart(&self) -> Result<(), StackError> {
        self.shells.lock().await.clear();
        let options = RestartContainerOptionsBuilder::default()
            .t(STOP_SECONDS)
            .build();
        self.engine
            .docker
            .restart_container(&self.id, Some(options))
            .await
            .map_err(|error| self.failed(&EngineError::of("restarting it", &error)))?;
        self.remember().await;
        Ok(())
    }

    /// Remembers this start as the run's own.
    pub async fn remember(&self) {
        if let Ok(inspected) = self.engine.inspect(&self.id).await {
            *self.known.lock().await = known(&inspected);
        }
    }

    /// What somebody else did to the container since the start that the run knows: removed,
    /// paused, killed or restarted it. A main process that ended by itself is not that, nor is one
    /// that the kernel ended for want of memory.
    pub async fn interference(&self) -> Option<String> {
        let inspected = match self.engine.inspect(&self.id).await {
            Ok(inspected) => inspected,
            Err(error) => return Some(format!("{}: {error}", self.service)),
        };
        let state = inspected.state.clone().unwrap_or_default();
        if state.paused == Some(true) {
            return Some(format!("{}: its container is paused", self.service));
        }
        let code = state.exit_code.unwrap_or(0);
        if state.running != Some(true) && KILLED.contains(&code) && state.oom_killed != Some(true) {
            return Some(format!(
                "{}: its container was ended from outside (exit code {code})",
                self.service
            ));
        }
        let before = self.known.lock().await.clone()?;
        let now = known(&inspected)?;
        (now.started_at != before.started_at && now.restarts == before.restarts).then(|| {
            format!(
                "{}: its container was restarted by somebody else",
                self.service
            )
        })
    }

    /// The limit that the container hit, where it hit one.
    pub async fn overrun(&self) -> Option<String> {
        if let Some(full) = self.log.full() {
            return Some(full);
        }
        let inspected = self.engine.inspect(&self.id).await.ok()?;
        let limits = inspected.host_config.unwrap_or_default();
        if inspected.state.and_then(|state| state.oom_killed) == Some(true) {
            let limit = limits.memory.unwrap_or_default() / MIB;
            return Some(format!(
                "its processes needed more than the {limit} MiB of memory that they may use"
            ));
        }
        let limit = u64::try_from(limits.pids_limit?).ok()?;
        let options = StatsOptionsBuilder::default()
            .stream(false)
            .one_shot(true)
            .build();
        let mut stats = self.engine.docker.stats(&self.id, Some(options));
        let running = stats.try_next().await.ok()??.pids_stats?.current?;
        (running + SHELLS >= limit).then(|| {
            format!("it ran {running} processes and threads of the {limit} that it may run")
        })
    }

    /// Ends the container at once. It has ended when this returns.
    ///
    /// # Errors
    /// What the engine says; a container that runs on.
    pub async fn kill(&self) -> Result<(), StackError> {
        self.shells.lock().await.clear();
        let options = KillContainerOptionsBuilder::default()
            .signal("SIGKILL")
            .build();
        self.engine
            .docker
            .kill_container(&self.id, Some(options))
            .await
            .map_err(|error| self.failed(&EngineError::of("killing it", &error)))?;
        if self.ends_within(KILL_DEADLINE).await? {
            return Ok(());
        }
        let seconds = KILL_DEADLINE.as_secs();
        let error = EngineError::new(format!("killing it: it still runs after {seconds} s"));
        Err(self.failed(&error))
    }

    /// Whether the container has ended, asked when a shell in it broke off: its processes are gone
    /// a moment before the engine says so.
    async fn has_ended(&self) -> Result<bool, StackError> {
        self.ends_within(END_DEADLINE).await
    }

    async fn ends_within(&self, deadline: Duration) -> Result<bool, StackError> {
        let started = Instant::now();
        while self.running().await?.0 {
            if started.elapsed() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(true)
    }

    async fn running(&self) -> Result<(bool, u32), StackError> {
        let inspected = self.engine.inspect(&self.id).await;
        let inspected = inspected.map_err(|error| self.failed(&error))?;
        let running = inspected.state.and_then(|state| state.running);
        let restarts = inspected.restart_count.unwrap_or(0);
        Ok((
            running.unwrap_or(false),
            u32::try_from(restarts).unwrap_or(u32::MAX),
        ))
    }
}

fn known(inspected: &bollard::models::ContainerInspectResponse) -> Option<Known> {
    Some(Known {
        started_at: inspected.state.as_ref()?.started_at.clone()?,
        restarts: inspected.restart_count.unwrap_or(0),
    })
}

/// What is at a path of a container, which need not run, as an archive.
///
/// # Errors
/// What the engine says.
pub async fn download(engine: &Engine, id: &str, path: &str) -> Result<Vec<u8>, EngineError> {
    let options = DownloadFromContainerOptionsBuilder::default()
        .path(path)
        .build();
    engine
        .docker
        .download_from_container(id, Some(options))
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
        .map_err(|error| EngineError::of(&format!("copying {path}"), &error))
}

/// Unpacks an archive in a container's root directory; what lies in one of the volumes, there: a
/// root directory that cannot be written is refused as a whole.
///
/// # Errors
/// What the engine says.
pub async fn upload(
    engine: &Engine,
    id: &str,
    volumes: &[String],
    archive: &[u8],
) -> Result<(), EngineError> {
    let parts = archive::split(archive, volumes)
        .map_err(|error| EngineError::new(format!("packing files: {error}")))?;
    for (place, part) in parts {
        let options = UploadToContainerOptionsBuilder::default()
            .path(&place)
            .build();
        engine
            .docker
            .upload_to_container(id, Some(options), bollard::body_full(part.into()))
            .await
            .map_err(|error| EngineError::of("copying files into a container", &error))?;
    }
    Ok(())
}
