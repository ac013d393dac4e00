//! The deployment of the candidate, as the plan does it by hand: back up, replace, restart.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    run::{Deployment, Made, Run},
    world::{Blame, StepError, expect},
};
use crate::{
    probe::{
        http::{Connection, Response},
        log::{Level, Window},
    },
    stack::{Act, Service, ServiceState, Version},
};

/// How often a restarted gateway is asked whether it answers.
const POLL: Duration = Duration::from_millis(1);

/// How many of the last log lines tell why a gateway did not come up.
const LAST_LINES: usize = 8;

fn extension(path: &std::path::Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().into_owned()
}

impl Run {
    /// The configuration of a version, as given.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    pub fn config(&self, version: Version) -> Result<Vec<u8>, StepError> {
        let path = match version {
            Version::Baseline => &self.plan.files.baseline,
            Version::Candidate => &self.plan.files.candidate,
        };
        std::fs::read(path)
            .map_err(|error| StepError::harness("read a configuration", path.display(), error))
    }

    /// Where the plan keeps the replaced configuration: beside it, with the day.
    #[must_use]
    pub fn backup_path(&self) -> PathBuf {
        let day = jiff::ZonedDateTime::now().strftime("%Y%m%d").to_string();
        let config = self.stack.config_path();
        config.with_file_name(format!("nginx.conf.backup_v10_{day}"))
    }

    /// The same, with the time of day where a backup of that day is there already and is of
    /// another configuration: what was backed up once is never written over.
    async fn free_backup_path(&self, deployed: &[u8]) -> PathBuf {
        let path = self.backup_path();
        match self.stack.read_file(Service::Gateway, &path).await {
            Ok(there) if there != deployed => {
                let time = jiff::ZonedDateTime::now().strftime("%H%M%S").to_string();
                path.with_extension(format!("{}_{time}", extension(&path)))
            }
            _ => path,
        }
    }

    /// Copies the deployed configuration to its backup, on the gateway.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub async fn back_up(&self) -> Result<PathBuf, StepError> {
        let deployed = self
            .stack
            .read_file(Service::Gateway, self.stack.config_path())
            .await?;
        // Control: what runs has a configuration. An empty backup would go unnoticed until it
        // is needed.
        expect(
            Blame::Control,
            !deployed.is_empty(),
            "read the deployed configuration",
            "the configuration that runs",
            "an empty file",
        )?;
        let backup = self.free_backup_path(&deployed).await;
        self.stack.may(Act::Deploy(&backup)).await?;
        self.stack
            .write_file(Service::Gateway, &backup, &deployed)
            .await?;
        Ok(backup)
    }

    /// Puts the candidate in place and restarts. Returns the log since just before.
    ///
    /// # Errors
    /// A file that cannot be written, a program that cannot be started.
    pub async fn replace_and_restart(&self) -> Result<Window, StepError> {
        let candidate = self.config(Version::Candidate)?;
        self.stack
            .write_file(Service::Gateway, self.stack.config_path(), &candidate)
            .await?;
        self.stack.deploy_assets(Version::Candidate).await?;
        let since = Window::open(&*self.stack, Service::Gateway).await?;
        self.stack.restart(Service::Gateway).await?;
        Ok(since)
    }

    /// Waits until the gateway answers HTTP *and* its master lives: with a port bound twice,
    /// connections are accepted for a while before the master gives up.
    ///
    /// # Errors
    /// The inner error says what was seen instead, with the last lines of the log.
    pub async fn answers(&self, since: &Window) -> Result<Result<ServiceState, String>, StepError> {
        let deadline = Duration::from_millis(self.profile.thresholds.restart_deadline_ms);
        let started = Instant::now();
        let mut last;
        loop {
            let state = self.stack.state(Service::Gateway).await?;
            if !state.running {
                last = "its master process ended".to_owned();
                break;
            }
            match tokio::time::timeout(deadline, self.health()).await {
                // The master that was alive before the answer is alive after it, too.
                Ok(Ok(_)) => {
                    let after = self.stack.state(Service::Gateway).await?;
                    if after.running && after.main == state.main && !after.workers.is_empty() {
                        return Ok(Ok(after));
                    }
                    last = "it answered, but its master did not stay".to_owned();
                }
                Ok(Err(error)) => last = format!("no answer on its internal port: {error}"),
                Err(_) => last = "it accepts connections and does not answer".to_owned(),
            }
            if started.elapsed() > deadline {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        let lines = self.telling_lines(since).await?;
        Ok(Err(format!(
            "{last} ({} ms after the start): {lines}",
            started.elapsed().as_millis()
        )))
    }

    /// One health check on the internal port.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn health(&self) -> std::io::Result<Response> {
        let address = self.stack.internal();
        Connection::open(address)
            .await?
            .get("localhost", &self.profile.health.path)
            .await
    }

    /// The lines of the log that tell why: those at error and above, or else the last ones.
    /// The baseline's own last words stand before them and tell nothing.
    async fn telling_lines(&self, since: &Window) -> Result<String, StepError> {
        let records = since.records(&*self.stack).await?;
        let raw = |least: Level| -> Vec<&str> {
            let telling = records
                .iter()
                .filter(|record| record.level.is_none_or(|level| level >= least));
            telling.map(|record| record.raw.as_str()).collect()
        };
        let mut lines = raw(Level::Error);
        if lines.is_empty() {
            lines = raw(Level::Notice);
        }
        let skipped = lines.len().saturating_sub(LAST_LINES);
        lines.drain(..skipped);
        Ok(if lines.is_empty() {
            "(empty)".to_owned()
        } else {
            lines.join("\n")
        })
    }

    /// Makes sure that the baseline is what runs and that it answers.
    ///
    /// # Errors
    /// A baseline that does not come up is the environment's fault: nothing can be compared
    /// with it. A candidate that is deployed already is one, too.
    pub async fn need_baseline(&self) -> Result<ServiceState, StepError> {
        let did = "wait for the baseline";
        if self.stack.runs_candidate() {
            let since = Window::open(&*self.stack, Service::Gateway).await?;
            return self
                .answers(&since)
                .await?
                .map_err(|seen| StepError::candidate("ask what runs", "an answer", seen));
        }
        if !matches!(self.made.lock().await.deployment, Deployment::Baseline) {
            return Err(StepError::harness(
                did,
                "the baseline deployed",
                "the candidate was deployed before",
            ));
        }
        self.answers(&Window::start(Service::Gateway))
            .await?
            .map_err(|seen| {
                let hint = "(where the baseline needs other Lua modules or pages than the candidate, name them with --baseline-lua and --baseline-html)";
                StepError::harness(did, "the baseline comes up and answers", format!("{seen}\n{hint}"))
            })
    }

    /// Makes sure that the candidate is deployed and answers: the prerequisite of every item
    /// behind 1.2.
    ///
    /// # Errors
    /// Skips what needs a candidate that does not come up.
    pub async fn need_candidate(&self) -> Result<(Window, ServiceState), StepError> {
        let mut made = self.made.lock().await;
        // A gateway whose master somebody killed still answers by its workers for a while: what
        // it does then says nothing.
        let answered = matches!(made.deployment, Deployment::Candidate { .. });
        if answered && let Some(what) = self.stack.interference(answered).await {
            return Err(StepError::harness(
                "look at what the candidate runs with",
                "nothing that somebody else did to it",
                what,
            ));
        }
        if matches!(made.deployment, Deployment::Baseline) && self.stack.runs_candidate() {
            let since = Window::open(&*self.stack, Service::Gateway).await?;
            let answered = self.answers(&since).await?;
            self.deployed(&mut made, since, answered);
        } else if matches!(made.deployment, Deployment::Baseline) {
            self.refuse_bad_syntax()?;
            self.back_up().await?;
            let since = self.replace_and_restart().await?;
            let answered = self.answers(&since).await?;
            self.deployed(&mut made, since, answered);
        }
        match &made.deployment {
            Deployment::Candidate { since, state } => Ok((since.clone(), state.clone())),
            Deployment::Broken(why) => Err(StepError::Skip(format!(
                "the candidate does not come up: {}",
                why.lines().next().unwrap_or_default()
            ))),
            Deployment::Baseline => {
                Err(StepError::Skip("the candidate is not deployed".to_owned()))
            }
        }
    }

    /// A candidate whose syntax was refused is not deployed.
    ///
    /// # Errors
    /// Skips.
    pub fn refuse_bad_syntax(&self) -> Result<(), StepError> {
        match &self.notes().syntax {
            Some(said) => Err(StepError::Skip(format!(
                "the candidate does not pass the syntax check: {}",
                said.lines().next().unwrap_or_default()
            ))),
            None => Ok(()),
        }
    }

    /// Remembers how the deployment ended.
    pub fn deployed(&self, made: &mut Made, since: Window, answered: Result<ServiceState, String>) {
        made.deployment = match answered {
            Ok(state) => Deployment::Candidate { since, state },
            Err(why) => Deployment::Broken(why),
        };
    }
}
