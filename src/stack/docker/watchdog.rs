//! The process that removes what a run made, however the run ends: its standard input is a pipe
//! from the run, which the kernel closes when the run is gone.

use std::{io, process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use super::labels;

/// How long the removal may take before the run goes on without it.
const DEADLINE: Duration = Duration::from_secs(30);

/// A watchdog that waits.
#[derive(Debug)]
pub struct Watchdog(Child);

impl Watchdog {
    /// Starts one for a run: before the run makes anything.
    pub fn start(run: &str) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["worker", "--watchdog", run])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at a terminal goes to the run's group and not to this one.
            .process_group(0)
            .spawn()?;
        Ok(Self(child))
    }

    /// Tells it that the run ended in order, and waits until everything is removed.
    ///
    /// # Errors
    /// A watchdog that was ended, or is not done in time.
    pub async fn finish(mut self) -> io::Result<()> {
        if let Some(mut pipe) = self.0.stdin.take() {
            // Its exit status shows whether it is gone.
            let _ = pipe.write_all(labels::DONE).await;
        }
        let status = tokio::time::timeout(DEADLINE, self.0.wait())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "the watchdog ended with {status}"
            )))
        }
    }
}
