//! One program of the sandbox: started confined, stopped, started again, its output kept in files.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::OwnedFd,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    net::unix::pipe,
    process::{Child, Command},
};

use super::{
    confine::{self, Confined, Spec, Tools},
    layout, procfs,
};
use crate::stack::{Output, StackError};

/// How long a program has to end when it is asked to, as `docker stop` gives it.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// How long a program has that is run to its end: above all, to read a configuration.
const RUN_DEADLINE: Duration = Duration::from_secs(20);

/// The most that is kept of what such a program writes, in bytes.
const OUTPUT_LIMIT: u64 = 256 * 1024;

impl Spec {
    fn error(&self, what: &str) -> impl FnOnce(io::Error) -> StackError {
        let what = format!("{what} {}", self.program.display());
        let service = self.service;
        move |source| StackError::Io {
            what,
            service,
            source,
        }
    }

    /// Runs it to its end, with all that it writes as its output. `beside`: in the namespaces of
    /// that process.
    ///
    /// # Errors
    /// Where it cannot be confined or started.
    pub async fn output(&self, tools: &Tools, beside: Option<u32>) -> Result<Output, StackError> {
        let confined = match beside {
            None => confine::command(tools, self),
            Some(pid) => confine::command_beside(tools, self, pid),
        };
        let run = async {
            let Confined { command, status } = confined?;
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            let mut command = Command::from(command);
            command
                .stdin(Stdio::null())
                .stdout(write.try_clone()?)
                .stderr(write)
                .kill_on_drop(true);
            let mut child = command.spawn()?;
            drop(command);
            let mut status = Status::of(status)?;
            let pid = status.child().await?;
            let mut text = Vec::new();
            let mut output = pipe::Receiver::from_owned_fd(read)?.take(OUTPUT_LIMIT);
            let ended = async {
                output.read_to_end(&mut text).await?;
                drop(output);
                child.wait().await
            };
            let ended = tokio::time::timeout(RUN_DEADLINE, ended).await;
            let mut text = String::from_utf8_lossy(&text).into_owned();
            let Ok(ended) = ended else {
                signal(pid, Signal::KILL);
                text.push_str(&format!("\n(did not end within {RUN_DEADLINE:?})"));
                return Ok(Output { code: None, text });
            };
            let code = ended?.code();
            if !status.was_started().await {
                return Err(io::Error::other(format!("it is not confined: {text}")));
            }
            // bubblewrap tells of a signal as shells do.
            let code = code.filter(|code| *code < 128);
            Ok(Output { code, text })
        };
        run.await.map_err(self.error("running"))
    }
}

/// What bubblewrap tells of a program that it confines.
#[derive(Debug)]
struct Status(Lines<BufReader<pipe::Receiver>>);

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Told {
    child_pid: Option<u32>,
    exit_code: Option<i32>,
}

impl Status {
    fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(
            BufReader::new(pipe::Receiver::from_owned_fd(fd)?).lines(),
        ))
    }

    async fn told(&mut self) -> io::Result<Option<Told>> {
        let line = self.0.next_line().await?;
        line.map(|line| serde_json::from_str(&line).map_err(io::Error::other))
            .transpose()
    }

    /// The process that becomes the program.
    async fn child(&mut self) -> io::Result<u32> {
        let told = self.told().await?;
        told.and_then(|told| told.child_pid)
            .ok_or_else(|| io::Error::other("bubblewrap ended before it made a process"))
    }

    /// Whether the program was started, to be asked after its end.
    async fn was_started(&mut self) -> bool {
        let told = self.told().await.ok().flatten();
        told.is_some_and(|told| told.exit_code.is_some())
    }
}

/// A program and its main process.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    tools: Tools,
    child: Child,
    status: Status,
    pid: u32,
    /// Whether the program itself was started: known after its end.
    was_started: Option<bool>,
}

impl Process {
    pub async fn start(tools: &Tools, spec: Spec) -> Result<Self, StackError> {
        let (child, status, pid) = spawn(tools, &spec).await?;
        Ok(Self {
            spec,
            tools: tools.clone(),
            child,
            status,
            pid,
            was_started: None,
        })
    }

    /// The id of its main process, living or not.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How its main process ended, where it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How it ended, where its main process did or is about to. bubblewrap tells that a moment later.
    pub async fn ended_by_now(&mut self) -> Option<ExitStatus> {
        if procfs::is_ending(self.pid) {
            let _ = tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await;
        }
        self.ended()
    }

    /// Whether it ended before the program itself was started: whatever it was that ended, it was
    /// not the program.
    pub async fn was_never_started(&mut self) -> bool {
        if self.ended().is_none() {
            return false;
        }
        if self.was_started.is_none() {
            self.was_started = Some(self.status.was_started().await);
        }
        self.was_started == Some(false)
    }

    /// Asks it to end, and ends it when it does not.
    pub async fn stop(&mut self) -> Result<(), StackError> {
        if self.running() {
            signal(self.pid, Signal::TERM);
            if tokio::time::timeout(STOP_DEADLINE, self.child.wait())
                .await
                .is_err()
            {
                self.kill().await?;
            }
        }
        Ok(())
    }

    /// Ends it at once, and everything that it started.
    pub async fn kill(&mut self) -> Result<(), StackError> {
        if self.running() {
            signal(self.pid, Signal::KILL);
        }
        (self.child.wait().await)
            .map(drop)
            .map_err(self.spec.error("ending"))
    }

    /// Stops it and starts it again.
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.stop().await?;
        *self = Self::start(&self.tools, self.spec.clone()).await?;
        Ok(())
    }
}

/// Its output goes to the service's log files. They are opened for appending: nginx opens
/// /dev/stderr anew, and both must write at the end.
async fn spawn(tools: &Tools, spec: &Spec) -> Result<(Child, Status, u32), StackError> {
    let log = |stream| -> io::Result<File> {
        let path = layout::log_file(spec.service.name(), stream);
        OpenOptions::new().create(true).append(true).open(path)
    };
    let start = async {
        let Confined { command, status } = confine::command(tools, spec)?;
        let mut command = Command::from(command);
        command
            .stdin(Stdio::null())
            .stdout(log("stdout")?)
            .stderr(log("stderr")?);
        let child = command.spawn()?;
        drop(command);
        let mut status = Status::of(status)?;
        let pid = status.child().await?;
        Ok((child, status, pid))
    };
    start.await.map_err(spec.error("starting"))
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // A process that is gone by now needs no signal.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
