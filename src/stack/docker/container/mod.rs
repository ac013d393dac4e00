//! One container as a service of the stack: commands in it, its files, its start and end. What
//! runs in it is in [`processes`], what it writes in [`logs`].

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::{
    models::ContainerInspectResponse,
    query_parameters::{
        DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder, LogsOptionsBuilder,
        RestartContainerOptionsBuilder, StatsOptionsBuilder, UploadToContainerOptionsBuilder,
    },
};
use futures::TryStreamExt as _;
use tokio::sync::Mutex;

mod logs;
mod processes;

use super::{
    archive::{self, Archive},
    engine::{Context as _, Engine, EngineError},
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

/// What a run knows of a container that it started itself.
#[derive(Debug, Default)]
pub struct Layout {
    /// Where files can be written: the root directory cannot.
    pub volumes: Vec<String>,
    /// Its address, by which the others know it.
    pub address: Option<IpAddr>,
    /// The most of a log that is read, in bytes of each stream.
    pub log_limit: Option<usize>,
}

/// The container of a service.
#[derive(Debug)]
pub struct Container {
    engine: Engine,
    pub id: String,
    service: Service,
    layout: Layout,
    /// Open shells by their user; `None` is the image's own.
    shells: Mutex<BTreeMap<Option<u32>, Shell>>,
    log: Follower,
    /// Whether it was last seen to log to files, too; that it may, before it was ever looked at.
    logs_to_files: AtomicBool,
    /// The last start that this run asked for or found.
    known: Mutex<Option<Start>>,
}

/// When a container was started, and how often the engine had restarted it by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Start {
    at: String,
    restarts: i64,
}

impl Start {
    fn of(inspected: &ContainerInspectResponse) -> Option<Self> {
        Some(Self {
            at: inspected.state.as_ref()?.started_at.clone()?,
            restarts: inspected.restart_count.unwrap_or(0),
        })
    }
}

/// The exit codes of a process that SIGKILL or SIGTERM ended.
const KILLED: [i64; 2] = [137, 143];

impl Container {
    /// A container that is there. Its log is followed from `since` on, in seconds since 1970.
    pub fn new(engine: Engine, id: String, service: Service, since: i32, layout: Layout) -> Self {
        let log = Follower::start(engine.docker.clone(), id.clone(), since, layout.log_limit);
        Self {
            engine,
            id,
            service,
            layout,
            shells: Mutex::new(BTreeMap::new()),
            log,
            logs_to_files: AtomicBool::new(true),
            known: Mutex::new(None),
        }
    }

    /// Runs a script in the container. A shell that ended, as it does when the container was
    /// restarted, is opened again once.
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
        let mut shell = opened.map_err(|error| error.on(self.service))?;
        let done = shell.run(script).await;
        let done = done.map_err(|error| error.on(self.service))?;
        shells.insert(user, shell);
        Ok(done)
    }

    /// Runs a program with arguments: its own exit code, its output.
    pub async fn exec(&self, words: &[&str]) -> Result<Output, StackError> {
        self.output(&line(words)).await
    }

    /// Runs the gateway's own binary with arguments.
    pub async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        let program = "$(command -v openresty || command -v nginx || echo openresty)";
        self.output(&format!("{program} {}", line(args))).await
    }

    async fn output(&self, script: &str) -> Result<Output, StackError> {
        let done = self.run(script).await?;
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
            let error = EngineError::new(format!("{what}: {}", done.text().trim()));
            return Err(error.on(self.service));
        }
        let mut text = done.bytes;
        text.retain(|byte| !byte.is_ascii_whitespace());
        let decoded = STANDARD.decode(text).context(what);
        decoded.map_err(|error| error.on(self.service))
    }

    /// A file's content in a container that does not run, by the engine.
    async fn read_stopped(&self, name: &str) -> Result<Vec<u8>, StackError> {
        let content = async {
            let packed = download(&self.engine, &self.id, name).await?;
            archive::first_file(&packed).context(format_args!("reading {name}"))
        };
        let content: Result<_, EngineError> = content.await;
        content.map_err(|error| error.on(self.service))
    }

    /// Replaces a file's content in place: also one that is mounted by itself keeps its inode.
    pub async fn write_file(&self, path: &Path, content: &[u8]) -> Result<(), StackError> {
        let name = path.display().to_string();
        if !self.running().await?.0 {
            let packed = Archive::of(|archive| archive.file(&name, 0o644, content));
            return self
                .upload(packed.map_err(|source| StackError::Io {
                    what: format!("packing {name}"),
                    service: self.service,
                    source,
                })?)
                .await;
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
    pub async fn remove_file(&self, path: &Path) -> Result<(), StackError> {
        let name = path.display().to_string();
        let script = format!("rm -f {}", quoted(&name));
        self.must(&format!("removing {name}"), &script)
            .await
            .map(drop)
    }

    /// Unpacks an archive in the container's root directory. It need not run.
    async fn upload(&self, archive: Vec<u8>) -> Result<(), StackError> {
        upload(&self.engine, &self.id, &self.layout.volumes, &archive)
            .await
            .map_err(|error| error.on(self.service))
    }

    /// Replaces directories by what an archive holds.
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
        self.upload(archive).await
    }

    /// Stops the container and starts it again.
    pub async fn restart(&self) -> Result<(), StackError> {
        self.shells.lock().await.clear();
        let options = RestartContainerOptionsBuilder::default()
            .t(STOP_SECONDS)
            .build();
        let docker = &self.engine.docker;
        let restarted = docker.restart_container(&self.id, Some(options)).await;
        let restarted = restarted.context("restarting it");
        restarted.map_err(|error| error.on(self.service))?;
        self.remember().await
    }

    /// Remembers this start as the run's own.
    pub async fn remember(&self) -> Result<(), StackError> {
        *self.known.lock().await = Start::of(&self.inspect().await?);
        Ok(())
    }

    pub async fn inspect(&self) -> Result<ContainerInspectResponse, StackError> {
        let inspected = self.engine.inspect(&self.id).await;
        inspected.map_err(|error| error.on(self.service))
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
        let address = address(&inspected, 0).map(|address| address.ip());
        if let (Some(found), Some(expected)) = (address, self.layout.address)
            && found != expected
        {
            return Some(format!(
                "{}: its container has the address {found} in place of {expected}, since another ended",
                self.service
            ));
        }
        let before = self.known.lock().await.clone()?;
        let now = Start::of(&inspected)?;
        (now.at != before.at && now.restarts == before.restarts).then(|| {
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
    pub async fn kill(&self) -> Result<(), StackError> {
        self.shells.lock().await.clear();
        let options = KillContainerOptionsBuilder::default()
            .signal("SIGKILL")
            .build();
        let docker = &self.engine.docker;
        let killed = docker.kill_container(&self.id, Some(options)).await;
        let killed = killed.context("killing it");
        killed.map_err(|error| error.on(self.service))?;
        if self.ends_within(KILL_DEADLINE).await? {
            return Ok(());
        }
        let seconds = KILL_DEADLINE.as_secs();
        let error = EngineError::new(format!("killing it: it still runs after {seconds} s"));
        Err(error.on(self.service))
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

    /// Whether it runs, and how often the engine restarted it.
    async fn running(&self) -> Result<(bool, u32), StackError> {
        let inspected = self.inspect().await?;
        let running = inspected.state.and_then(|state| state.running);
        let restarts = inspected.restart_count.unwrap_or(0);
        Ok((
            running.unwrap_or(false),
            u32::try_from(restarts).unwrap_or(u32::MAX),
        ))
    }
}

fn line(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    quoted.join(" ")
}

/// A port at the container's own address on one of its networks.
pub fn address(inspected: &ContainerInspectResponse, port: u16) -> Option<SocketAddr> {
    let networks = inspected.network_settings.as_ref()?.networks.as_ref()?;
    let mut names: Vec<&String> = networks.keys().collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let ip = networks.get(name)?.ip_address.as_deref()?;
        Some(SocketAddr::new(ip.parse().ok()?, port))
    })
}

/// The last lines that a container wrote.
pub async fn last_lines(engine: &Engine, id: &str) -> String {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .tail("8")
        .build();
    let lines = engine
        .docker
        .logs(id, Some(options))
        .try_fold(String::new(), |mut all, line| async move {
            all.push_str(&String::from_utf8_lossy(&line.into_bytes()));
            Ok(all)
        })
        .await;
    match lines {
        Ok(text) if text.trim().is_empty() => "its log is empty".to_owned(),
        Ok(text) => format!("its log: {}", text.trim()),
        Err(error) => format!("its log cannot be read: {error}"),
    }
}

/// What is at a path of a container, which need not run, as an archive.
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
        .context(format_args!("copying {path}"))
}

/// Unpacks an archive in a container's root directory; what lies in one of the volumes, there: a
/// root directory that cannot be written is refused as a whole.
pub async fn upload(
    engine: &Engine,
    id: &str,
    volumes: &[String],
    archive: &[u8],
) -> Result<(), EngineError> {
    for (place, part) in archive::split(archive, volumes).context("packing files")? {
        let options = UploadToContainerOptionsBuilder::default()
            .path(&place)
            .build();
        engine
            .docker
            .upload_to_container(id, Some(options), bollard::body_full(part.into()))
            .await
            .context("copying files into a container")?;
    }
    Ok(())
}
