//! One program of the sandbox: started, stopped, started again, its output kept in files.

use std::{
    fs::{File, OpenOptions},
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use super::layout;
use crate::stack::{Service, StackError};

/// How long a program has to end when it is asked to, as `docker stop` gives it.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The service that it plays.
    pub service: Service,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
}

impl Spec {
    /// The command, with its output going to the service's log files. The files are opened
    /// for appending: nginx opens /dev/stderr anew, and both must write at the end.
    pub fn command(&self) -> io::Result<Command> {
        let log = |stream| -> io::Result<File> {
            let path = layout::log_file(self.service.name(), stream);
            OpenOptions::new().create(true).append(true).open(path)
        };
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log("stdout")?)
            .stderr(log("stderr")?);
        Ok(command)
    }
}

/// A program and its main process.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    pid: u32,
}

impl Process {
    /// Starts it.
    pub fn start(spec: Spec) -> Result<Self, StackError> {
        let (child, pid) = spawn(&spec)?;
        Ok(Self { spec, child, pid })
    }

    /// The id of its main process, living or not.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether its main process lives.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How its main process ended, where it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, and ends it when it does not.
    pub async fn stop(&mut self) -> Result<(), StackError> {
        if self.running() {
            signal(self.pid, rustix::process::Signal::TERM);
            if tokio::time::timeout(STOP_DEADLINE, self.child.wait())
                .await
                .is_err()
            {
                self.kill().await?;
            }
        }
        Ok(())
    }

    /// Ends it at once.
    pub async fn kill(&mut self) -> Result<(), StackError> {
        self.child
            .kill()
            .await
            .map_err(|source| self.error("kill", source))
    }

    /// Stops it and starts it again.
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.stop().await?;
        (self.child, self.pid) = spawn(&self.spec)?;
        Ok(())
    }

    fn error(&self, what: &str, source: io::Error) -> StackError {
        StackError::Io {
            what: what.to_owned(),
            service: self.spec.service,
            source,
        }
    }
}

fn spawn(spec: &Spec) -> Result<(Child, u32), StackError> {
    let start = || -> io::Result<(Child, u32)> {
        let child = spec.command()?.spawn()?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("ended at once"))?;
        Ok((child, pid))
    };
    start().map_err(|source| StackError::Io {
        what: format!("starting {}", spec.program.display()),
        service: spec.service,
        source,
    })
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // A process that is gone by now needs no signal.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
