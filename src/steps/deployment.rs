//! The deployment of the candidate, as the plan does it by hand: back up, replace, restart.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    check::check,
    error::{StepError, StepResult, lacks, skip},
    run::Run,
    state::{Deployment, Made},
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

/// What a gateway's start came to: its processes, or what was seen instead with the last lines of
/// its log.
pub type Started = Result<ServiceState, String>;

impl Run {
    /// The configuration of a version, as given.
    pub fn config(&self, version: Version) -> StepResult<Vec<u8>> {
        let path = match version {
            Version::Baseline => &self.plan.files.baseline,
            Version::Candidate => &self.plan.files.candidate,
        };
        std::fs::read(path)
            .map_err(|error| StepError::harness("read a configuration", path.display(), error))
    }

    /// Where the plan keeps the replaced configuration: beside it, with the day. The time of day
    /// is added where a backup of that day is there already and is of another configuration: what
    /// was backed up once is never written over.
    async fn backup_path(&self, deployed: &[u8]) -> PathBuf {
        let now = jiff::ZonedDateTime::now();
        let name = format!("nginx.conf.backup_v10_{}", now.strftime("%Y%m%d"));
        let path = self.stack.config_path().with_file_name(&name);
        match self.stack.read_file(Service::Gateway, &path).await {
            Ok(there) if there != deployed => {
                path.with_file_name(format!("{name}_{}", now.strftime("%H%M%S")))
            }
            _ => path,
        }
    }

    /// Copies the deployed configuration to its backup, on the gateway.
    pub async fn back_up(&self) -> StepResult<PathBuf> {
        let config = self.stack.config_path();
        let deployed = self.stack.read_file(Service::Gateway, config).await?;
        // What runs has a configuration. An empty backup would go unnoticed until it is needed.
        check("read the deployed configuration", "an empty file")
            .control("the configuration that runs", !deployed.is_empty())?;
        let backup = self.backup_path(&deployed).await;
        self.stack.may(Act::Deploy(&backup)).await?;
        self.stack
            .write_file(Service::Gateway, &backup, &deployed)
            .await?;
        Ok(backup)
    }

    /// Puts the candidate in place and restarts. Returns the log since just before.
    pub async fn replace_and_restart(&self) -> StepResult<Window> {
        let candidate = self.config(Version::Candidate)?;
        let config = self.stack.config_path();
        self.stack
            .write_file(Service::Gateway, config, &candidate)
            .await?;
        self.stack.deploy_assets(Version::Candidate).await?;
        let since = self.log_from_here().await?;
        self.stack.restart(Service::Gateway).await?;
        Ok(since)
    }

    /// Waits until the gateway answers HTTP *and* its master lives: with a port bound twice,
    /// connections are accepted for a while before the master gives up.
    pub async fn answers(&self, since: &Window) -> StepResult<Started> {
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
                    last = "it answered, then the nginx master exited".to_owned();
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
        let took = started.elapsed().as_millis();
        Ok(Err(format!("{last} ({took} ms after the start): {lines}")))
    }

    /// One health check on the internal port.
    pub async fn health(&self) -> std::io::Result<Response> {
        let connection = Connection::open(self.stack.internal()).await?;
        connection.get("localhost", &self.profile.health.path).await
    }

    /// The lines of the log that tell why: those at error and above, or else the last ones.
    /// The baseline's own last words stand before them and tell nothing.
    async fn telling_lines(&self, since: &Window) -> StepResult<String> {
        let records = self.records(since).await?;
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
        Ok(match lines.is_empty() {
            true => "(empty)".to_owned(),
            false => lines.join("\n"),
        })
    }

    /// Makes sure that the baseline is what runs and that it answers. A baseline that does not
    /// come up is the environment's fault: nothing can be compared with it. A candidate that is
    /// deployed already is one, too.
    pub async fn need_baseline(&self) -> StepResult<ServiceState> {
        let did = "wait for the baseline";
        if self.stack.runs_candidate() {
            let since = self.log_from_here().await?;
            let started = self.answers(&since).await?;
            return started
                .map_err(|seen| StepError::candidate("ask what runs", "an answer", seen));
        }
        let baseline = matches!(self.made.lock().await.deployment, Deployment::Baseline);
        check(did, "the candidate was deployed before")
            .control("the baseline deployed", baseline)?;
        let started = self.answers(&Window::start(Service::Gateway)).await?;
        started.map_err(|seen| {
            let hint = "(where the baseline needs other Lua modules or pages than the candidate, name them with --baseline-lua and --baseline-html)";
            let expected = "the baseline comes up and answers";
            StepError::harness(did, expected, format!("{seen}\n{hint}"))
        })
    }

    /// Makes sure that the candidate is deployed and answers: the prerequisite of every item
    /// behind 1.2. Skips what needs a candidate that does not come up.
    pub async fn need_candidate(&self) -> StepResult<(Window, ServiceState)> {
        let mut made = self.made.lock().await;
        // A gateway whose master somebody killed still answers by its workers for a while: what
        // it does then says nothing.
        let answered = matches!(made.deployment, Deployment::Candidate { .. });
        if answered && let Some(what) = self.stack.interference(answered).await {
            check("look at what the candidate runs with", what)
                .control("nothing that somebody else did to it", false)?;
        }
        if matches!(made.deployment, Deployment::Baseline) {
            let since = match self.stack.runs_candidate() {
                true => self.log_from_here().await?,
                false => {
                    self.refuse_bad_syntax()?;
                    self.back_up().await?;
                    self.replace_and_restart().await?
                }
            };
            let started = self.answers(&since).await?;
            self.deployed(&mut made, since, started);
        }
        match &made.deployment {
            Deployment::Candidate { since, state } => Ok((since.clone(), state.clone())),
            Deployment::Broken(why) => lacks(format!(
                "the candidate does not come up: {}",
                why.lines().next().unwrap_or_default()
            )),
            Deployment::Baseline => skip("the candidate is not deployed"),
        }
    }

    /// A candidate whose syntax was refused is not deployed.
    pub fn refuse_bad_syntax(&self) -> StepResult {
        match &self.notes().syntax {
            Some(refused) => lacks(format!(
                "the candidate does not pass the syntax check: {}",
                refused.lines().next().unwrap_or_default()
            )),
            None => Ok(()),
        }
    }

    /// Remembers how the deployment ended.
    pub fn deployed(&self, made: &mut Made, since: Window, started: Started) {
        made.deployment = match started {
            Ok(state) => Deployment::Candidate { since, state },
            Err(why) => Deployment::Broken(why),
        };
    }
}
