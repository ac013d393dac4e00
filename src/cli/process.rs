//! The process of a command: its runtime, its signals, and files read under a deadline.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::error::CliError;
use crate::engine;

/// A runtime of one thread: the parent only listens.
pub fn runtime() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::environment(format!("cannot start: {error}")))
}

/// Reads and looks at files, on a thread of its own that begins at once: the deadline, in seconds
/// since `started`, ends the wait, whatever the thread still waits for. It ends with the process.
///
/// # Errors
/// A thread that cannot be started; then the work's own, or that the deadline passed.
pub fn reading<T: Send + 'static>(
    started: Instant,
    deadline: u32,
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<impl Future<Output = Result<T, CliError>>, CliError> {
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("files".to_owned());
    thread
        // Nobody waits any more: nothing is to be done.
        .spawn(move || drop(done.send(work())))
        .map_err(|error| CliError::environment(format!("cannot start a thread: {error}")))?;
    let limit = Duration::from_secs(deadline.into()).saturating_sub(started.elapsed());
    Ok(async move {
        match tokio::time::timeout(limit, result).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(CliError::environment("the files could not be read")),
            Err(_) => Err(CliError::environment(format!(
                "the files were not read within the deadline of {deadline} s"
            ))),
        }
    })
}

/// This process: what it waits with, and the signals that it listens to from its start on.
pub struct Process {
    /// The runtime.
    pub runtime: Runtime,
    /// Those that end what it does.
    pub signals: engine::Signals,
}

impl Process {
    /// Listens from here on: to be made before anything is written or started.
    ///
    /// # Errors
    /// What the system says.
    pub fn start() -> Result<Self, CliError> {
        let runtime = runtime()?;
        let listening = {
            let _guard = runtime.enter();
            engine::Signals::new()
        };
        let signals = listening.map_err(|error| {
            CliError::environment(format!("cannot listen for signals: {error}"))
        })?;
        Ok(Self { runtime, signals })
    }

    /// Waits for [`reading`]: a signal ends the wait, too.
    ///
    /// # Errors
    /// The work's own, that a signal came, or that the deadline passed.
    pub fn read<T: Send + 'static>(
        &mut self,
        started: Instant,
        deadline: u32,
        work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
    ) -> Result<T, CliError> {
        self.run(async { reading(started, deadline, work)?.await })
    }

    /// Waits for something that a signal may end.
    ///
    /// # Errors
    /// The thing's own, or that a signal came.
    pub fn run<T>(
        &mut self,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let signals = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                name = signals.next() => Err(CliError::interrupted(name)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;
    use crate::gate::ExitStatus;

    /// What a file that never answers looks like: nobody ends this thread.
    fn never() -> Result<(), CliError> {
        loop {
            std::thread::park();
        }
    }

    /// One test, as a signal is heard by every listener of the process.
    #[test]
    fn the_deadline_and_a_signal_end_the_reading_of_files() {
        let mut process = Process::start().unwrap();
        assert_eq!(process.read(Instant::now(), 60, || Ok(7)), Ok(7));

        let error = process.read(Instant::now(), 1, never).unwrap_err();
        assert_eq!(error.status, ExitStatus::Inconclusive);
        assert!(error.to_string().contains("the deadline of 1 s"), "{error}");

        kill_process(getpid(), Signal::TERM).unwrap();
        let error = process.read(Instant::now(), 60, never).unwrap_err();
        assert_eq!(error, CliError::interrupted("SIGTERM"));
    }
}
