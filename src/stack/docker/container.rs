//! One container as a service of the stack: its files, processes, sockets and logs.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RestartContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use tokio::sync::Mutex;

use super::{
    engine::{Engine, EngineError},
    follow::{Follower, STREAMS},
    shell::{Done, Shell, quoted},
};
use crate::{
    probe,
    stack::{
        Instance, LogChunk, LogCursor, Output, Service, ServiceState, Socket, StackError,
        procfs::{self, Stat},
    },
};

/// How long a service has to end by itself before it is killed, in seconds.
const STOP_SECONDS: i32 = 10;

/// How long a line that was written to a log has to be readable.
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

/// How often is looked whether it is.
const POLL: Duration = Duration::from_millis(1);

/// Begins the lines that show how far a log was read. They are `verify`'s own.
const MARK: &str = "verify-log-mark-";

/// The directory that nginx logs to when its configuration names no file, and most name.
const NGINX_LOGS: &str = "/var/log/nginx";

/// A container that plays a service.
#[derive(Debug)]
pub struct Container {
    engine: Engine,
    /// The container's id.
    pub id: String,
    service: Service,
    /// Open shells by their user; `None` is the image's own.
    shells: Mutex<BTreeMap<Option<u32>, Shell>>,
    log: Follower,
}

impl AsRef<Self> for Container {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Container {
    /// A container that is there. Its log is followed from `since` on, in seconds since 1970.
    #[must_use]
    pub fn new(engine: Engine, id: String, service: Service, since: i32) -> Self {
        let log = Follower::start(engine.docker.clone(), id.clone(), since);
        Self {
            engine,
            id,
            service,
            shells: Mutex::new(BTreeMap::new()),
            log,
        }
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
        if let Some(shell) = shells.get_mut(&user) {
            if let Ok(done) = shell.run(script).await {
                return Ok(done);
            }
            shells.remove(&user);
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
        let bytes = self
            .must(&what, &format!("base64 < {}", quoted(&name)))
            .await?;
        let text: Vec<u8> = bytes
            .into_iter()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        STANDARD.decode(text).map_err(|error| StackError::Service {
            service: self.service,
            what: format!("{what}: {error}"),
        })
    }

    /// Replaces a file's content in place: also one that is mounted by itself keeps its inode.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn write_file(&self, path: &Path, content: &[u8]) -> Result<(), StackError> {
        let name = path.display().to_string();
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
        upload(&self.engine, &self.id, archive).await
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
        let names: Vec<String> = directories.iter().map(|name| quoted(name)).collect();
        self.must(
            "removing directories",
            &format!("rm -rf {}", names.join(" ")),
        )
        .await?;
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
            .map_err(|error| self.failed(&EngineError::of("restarting it", &error)))
    }

    /// Ends the container at once.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn kill(&self) -> Result<(), StackError> {
        self.shells.lock().await.clear();
        let options = KillContainerOptionsBuilder::default()
            .signal("SIGKILL")
            .build();
        self.engine
            .docker
            .kill_container(&self.id, Some(options))
            .await
            .map_err(|error| self.failed(&EngineError::of("killing it", &error)))
    }

    /// Its processes: of a gateway nginx's master and workers, else the main process.
    ///
    /// # Errors
    /// An engine that does not answer, a container that is gone.
    pub async fn state(&self) -> Result<ServiceState, StackError> {
        let (running, restarts) = self.running().await?;
        let ended = ServiceState {
            running: false,
            main: Instance { pid: 0, started: 0 },
            workers: Vec::new(),
            restarts,
        };
        if !running {
            return Ok(ended);
        }
        let processes = match self.processes().await {
            Ok(processes) => processes,
            // It may have ended between the two questions.
            Err(error) => {
                return match self.running().await? {
                    (false, _) => Ok(ended),
                    (true, _) => Err(error),
                };
            }
        };
        let Some(main) = main_process(self.service, &processes) else {
            return Ok(ended);
        };
        let instance = |stat: &Stat| Instance {
            pid: stat.pid,
            started: stat.started,
        };
        let mut workers: Vec<Instance> = processes
            .iter()
            .filter(|stat| stat.parent == main.pid && stat.name == main.name)
            .map(instance)
            .collect();
        workers.sort_by_key(|worker| worker.pid);
        Ok(ServiceState {
            running: true,
            main: instance(main),
            workers,
            restarts,
        })
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

    async fn processes(&self) -> Result<Vec<Stat>, StackError> {
        // A process may go while the list is read.
        let script = "for stat in /proc/[0-9]*/stat; do IFS= read -r line < \"$stat\" && printf '%s\\n' \"$line\"; done 2>/dev/null; true";
        let bytes = self.must("listing processes", script).await?;
        Ok(String::from_utf8_lossy(&bytes)
            .lines()
            .filter_map(Stat::parse)
            .filter(Stat::alive)
            .collect())
    }

    /// The TCP sockets of its network namespace, each with the process of the service that
    /// holds it.
    ///
    /// # Errors
    /// A container that does not run or does not allow to look.
    pub async fn sockets(&self) -> Result<Vec<Socket>, StackError> {
        let state = self.state().await?;
        let pids: Vec<u32> = std::iter::once(&state.main)
            .chain(&state.workers)
            .map(|process| process.pid)
            .collect();
        // What a process holds is shown to its own user only, root without capabilities
        // included: nginx's workers are often another's than its master.
        let mut by_user: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let names: Vec<String> = pids.iter().map(|pid| format!("/proc/{pid}")).collect();
        let script = format!("stat -c '%u %n' {} 2>/dev/null; true", names.join(" "));
        let owners = self
            .must("looking up the users of processes", &script)
            .await?;
        for line in String::from_utf8_lossy(&owners).lines() {
            if let Some((user, name)) = line.split_once(' ')
                && let Ok(user) = user.parse()
            {
                by_user.entry(user).or_default().push(name.to_owned());
            }
        }
        let mut text = String::new();
        for (user, names) in by_user {
            let script = format!(
                "for d in {}; do echo \"dir $d/fd\"; ls -l \"$d/fd\"; done 2>/dev/null; true",
                names.join(" ")
            );
            text.push_str(&self.run_as(Some(user), &script).await?.text());
            text.push('\n');
        }
        let script = "for t in /proc/net/tcp /proc/net/tcp6; do echo \"table $t\"; cat \"$t\"; done 2>/dev/null; test -r /proc/net/tcp";
        let tables = self.must("reading the socket table", script).await?;
        text.push_str(&String::from_utf8_lossy(&tables));
        Ok(read_sockets(&text))
    }

    /// The end of every log as it is now.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub async fn log_cursor(&self) -> Result<LogCursor, StackError> {
        let mut ends = self.log.lengths();
        for (path, length) in self.log_files().await? {
            ends.insert(path.display().to_string(), length);
        }
        Ok(LogCursor(ends))
    }

    /// What every log got since `cursor`.
    ///
    /// # Errors
    /// A log that cannot be read, or became shorter.
    pub async fn log_since(&self, cursor: &LogCursor) -> Result<Vec<LogChunk>, StackError> {
        if let Some(why) = self.log.broken()
            && self.running().await?.0
        {
            return Err(StackError::Service {
                service: self.service,
                what: format!("its log cannot be read: {why}"),
            });
        }
        let from = |name: &str| cursor.0.get(name).copied().unwrap_or(0);
        let mut chunks = Vec::new();
        for stream in STREAMS {
            let bytes = without_marks(&self.log.since(stream, from(stream)));
            if !bytes.is_empty() {
                chunks.push(LogChunk {
                    source: stream.to_owned(),
                    in_service_log: true,
                    bytes,
                });
            }
        }
        for (path, length) in self.log_files().await? {
            let name = path.display().to_string();
            let start = from(&name);
            if length < start {
                return Err(StackError::Service {
                    service: self.service,
                    what: format!(
                        "{name} was cut from {start} to {length} bytes while it was read"
                    ),
                });
            }
            if length > start {
                let script = format!("tail -c +{} {}", start + 1, quoted(&name));
                chunks.push(LogChunk {
                    bytes: self.must(&format!("reading {name}"), &script).await?,
                    source: name,
                    in_service_log: false,
                });
            }
        }
        Ok(chunks)
    }

    /// Returns when everything that the container wrote up to now can be read. A line of
    /// `verify`'s own, written behind it into the same two streams, shows that it is.
    ///
    /// # Errors
    /// Where that line does not come: what is missing then cannot be told.
    pub async fn log_settled(&self) -> Result<(), StackError> {
        if !self.running().await?.0 {
            return Ok(());
        }
        let mark = format!("{MARK}{}", probe::nonce());
        let before = self.log.lengths();
        let started = Instant::now();
        let script = format!("echo {mark} > /proc/1/fd/1; echo {mark} > /proc/1/fd/2");
        if let Err(error) = self.must("marking the log", &script).await {
            return match self.running().await?.0 {
                true => Err(error),
                false => Ok(()),
            };
        }
        let there = |stream: &str| {
            let from = before.get(stream).copied().unwrap_or(0);
            self.log.holds(stream, from, &mark)
        };
        while !STREAMS.iter().all(|stream| there(stream)) {
            if started.elapsed() > SETTLE_DEADLINE {
                return Err(StackError::Service {
                    service: self.service,
                    what: format!(
                        "a line written to its log could not be read within {} s{}",
                        SETTLE_DEADLINE.as_secs(),
                        self.log
                            .broken()
                            .map(|why| format!(": {why}"))
                            .unwrap_or_default()
                    ),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Writes a line to the end of every log.
    ///
    /// # Errors
    /// A log that cannot be written to.
    pub async fn append_log(&self, line: &str) -> Result<Vec<String>, StackError> {
        let files = self.log_files().await?;
        let mut names: Vec<String> = STREAMS.iter().map(|name| (*name).to_owned()).collect();
        let mut targets = vec!["/proc/1/fd/1".to_owned(), "/proc/1/fd/2".to_owned()];
        for (path, _) in files {
            let name = path.display().to_string();
            targets.push(name.clone());
            names.push(name);
        }
        let script: Vec<String> = targets
            .iter()
            .map(|target| format!("printf %s {} >> {}", quoted(line), quoted(target)))
            .collect();
        self.must("writing to the log", &script.join(" && "))
            .await?;
        names.sort();
        Ok(names)
    }

    /// The regular files that a gateway logs to, with their lengths: what the master holds open
    /// for writing, and whatever is in nginx's log directory.
    async fn log_files(&self) -> Result<Vec<(PathBuf, u64)>, StackError> {
        if self.service != Service::Gateway || !self.running().await?.0 {
            return Ok(Vec::new());
        }
        let script = format!(
            "for stat in /proc/[0-9]*/stat; do read -r pid name _ < \"$stat\" || continue; \
             case $name in '(nginx)'|'(openresty)') ;; *) continue ;; esac; \
             for f in /proc/$pid/fd/*; do t=$(readlink \"$f\") || continue; \
             case $t in /dev/*|/proc/*|*' (deleted)') continue ;; /*) ;; *) continue ;; esac; \
             test -f \"$t\" || continue; \
             grep -Eq '^flags:[[:space:]]*[0-7]*[123567]$' \"/proc/$pid/fdinfo/${{f##*/}}\" && printf '%s\\n' \"$t\"; \
             done; break; done 2>/dev/null | sort -u | while IFS= read -r t; do printf '%s %s\\n' \"$(wc -c < \"$t\")\" \"$t\"; done; \
             for t in {NGINX_LOGS}/*; do test -f \"$t\" && test ! -L \"$t\" && printf '%s %s\\n' \"$(wc -c < \"$t\")\" \"$t\"; done; true"
        );
        let bytes = self.must("looking for log files", &script).await?;
        let mut files: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Some((length, path)) = line.trim_start().split_once(' ')
                && let Ok(length) = length.parse()
            {
                files.insert(PathBuf::from(path), length);
            }
        }
        Ok(files.into_iter().collect())
    }
}

/// Unpacks an archive in a container's root directory.
///
/// # Errors
/// What the engine says.
pub async fn upload(engine: &Engine, id: &str, archive: Vec<u8>) -> Result<(), EngineError> {
    let options = UploadToContainerOptionsBuilder::default().path("/").build();
    engine
        .docker
        .upload_to_container(id, Some(options), bollard::body_full(archive.into()))
        .await
        .map_err(|error| EngineError::of("copying files into a container", &error))
}

/// nginx's master, whatever stands before it as the first process; else the first process.
fn main_process(service: Service, processes: &[Stat]) -> Option<&Stat> {
    let is_nginx = |stat: &&Stat| matches!(stat.name.as_str(), "nginx" | "openresty");
    if service == Service::Gateway {
        let of_nginx: Vec<&Stat> = processes.iter().filter(is_nginx).collect();
        let master = of_nginx
            .iter()
            .find(|stat| !of_nginx.iter().any(|other| other.pid == stat.parent));
        if let Some(master) = master {
            return Some(master);
        }
    }
    // Of a gateway: whatever is about to become nginx. It is there, and does not answer yet.
    processes.iter().find(|stat| stat.pid == 1)
}

fn read_sockets(text: &str) -> Vec<Socket> {
    let mut holders: HashMap<u64, u32> = HashMap::new();
    let mut tables: Vec<String> = Vec::new();
    let mut pid = None;
    for line in text.lines() {
        if let Some(directory) = line.strip_prefix("dir /proc/") {
            pid = directory
                .split('/')
                .next()
                .and_then(|pid| pid.parse::<u32>().ok());
        } else if line.starts_with("table ") {
            tables.push(String::new());
        } else if let Some(table) = tables.last_mut() {
            table.push_str(line);
            table.push('\n');
        } else if let (Some(pid), Some((_, target))) = (pid, line.split_once(" -> "))
            && let Some(inode) = procfs::socket_inode(target)
        {
            holders.entry(inode).or_insert(pid);
        }
    }
    tables
        .iter()
        .flat_map(|table| procfs::table(table, &holders))
        .collect()
}

/// A stream without the lines that only show how far it was read.
fn without_marks(bytes: &[u8]) -> Vec<u8> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(MARK.as_bytes()))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart_by_the_process_that_holds_them() {
        let text = "dir /proc/1/fd\ntotal 0\nlrwx------ 1 root root 64 Jan  1 00:00 6 -> socket:[77]\n\
                    dir /proc/7/fd\nlrwx------ 1 root root 64 Jan  1 00:00 9 -> socket:[78]\n\
                    lrwx------ 1 root root 64 Jan  1 00:00 6 -> socket:[77]\n\
                    table /proc/net/tcp\n  sl  local_address rem_address   st\n\
                    0: 00000000:0050 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n\
                    1: 0100007F:9C40 0100007F:1F90 01 0:0 0:0 0 0 0 78 1\n\
                    2: 0100007F:9C41 0100007F:1F90 06 0:0 0:0 0 0 0 0 1\ntable /proc/net/tcp6\n";
        let found: Vec<String> = read_sockets(text).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "process 1: 0.0.0.0:80 -> 0.0.0.0:0 LISTEN",
                "process 7: 127.0.0.1:40000 -> 127.0.0.1:8080 ESTABLISHED",
                "nobody: 127.0.0.1:40001 -> 127.0.0.1:8080 TIME_WAIT",
            ]
        );
    }

    #[test]
    fn own_marks_are_no_part_of_a_log() {
        let log = format!("one\n{MARK}0123\ntwo");
        assert_eq!(without_marks(log.as_bytes()), b"one\ntwo");
    }

    #[test]
    fn the_master_is_found_behind_an_init() {
        let stat = |pid, name: &str, parent| Stat {
            pid,
            name: name.to_owned(),
            state: 'S',
            parent,
            started: 1,
        };
        let processes = [
            stat(1, "tini", 0),
            stat(7, "nginx", 1),
            stat(8, "nginx", 7),
            stat(30, "sh", 0),
        ];
        assert_eq!(main_process(Service::Gateway, &processes).unwrap().pid, 7);
        let starting = [stat(1, "sh", 0)];
        assert_eq!(main_process(Service::Gateway, &starting).unwrap().pid, 1);
        assert_eq!(main_process(Service::Redis, &processes).unwrap().pid, 1);
    }
}
