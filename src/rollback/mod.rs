//! The plan's rollback, carried out: five steps, each verified, and the ledger knows before each
//! which one it is. Doing it again from the start is always right, so a rollback that was killed
//! anywhere is finished by the next.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    digest::sha256,
    ledger::{Act, Deployment, Ledger},
    plan::Text,
    probe::{
        http::Connection,
        log::{Level, parse},
    },
    profile::Profile,
    report::RollbackStep,
    stack::{LogCursor, Service, StackError, docker::compose::Attached},
    verdict::rollback_steps,
};

/// How often a restarted gateway is asked.
const POLL: Duration = Duration::from_millis(10);

/// How often the health check must be answered.
const HEALTH_CHECKS: usize = 3;

/// How many lines of the log are shown.
const SHOWN_LINES: usize = 12;

/// How a rollback ended.
#[derive(Debug)]
pub struct Outcome {
    /// The plan's five steps, as far as they were tried.
    pub steps: Vec<RollbackStep>,
    /// Whether every one was verified.
    pub ok: bool,
}

/// Puts the baseline back.
#[derive(Debug)]
pub struct Rollback<'a> {
    /// Where.
    pub attached: &'a Attached,
    /// The gateway's surface.
    pub profile: &'a Profile,
    /// Where each step is written down first.
    pub ledger: &'a Ledger,
    /// What is put back.
    pub deployment: &'a Deployment,
}

/// What a step saw: that it is as it must be, or that it is not.
type Seen = Result<String, String>;

impl Rollback<'_> {
    /// Takes the five steps, one after another, as far as they succeed.
    pub async fn carry_out(&self) -> Outcome {
        let mut steps = self.steps();
        let mut since = LogCursor::default();
        let mut ok = true;
        for (step, number) in steps.iter_mut().zip(1_u8..) {
            if !ok {
                break;
            }
            let seen = match self.ledger.write(Act::RollbackStep { step: number }) {
                Ok(()) => self.step(number, &mut since).await,
                Err(error) => Err(error.to_string()),
            };
            ok = seen.is_ok();
            step.ok = Some(ok);
            step.seen = seen.unwrap_or_else(|why| why);
        }
        Outcome { steps, ok }
    }

    /// The plan's steps, with the commands that do the same here by hand.
    #[must_use]
    pub fn steps(&self) -> Vec<RollbackStep> {
        let mut steps = rollback_steps();
        let commands = commands(
            &self.attached.project,
            &self.attached.gateway_service,
            self.deployment,
        );
        for (step, command) in steps.iter_mut().zip(commands) {
            step.command = command;
        }
        steps
    }

    /// What is found on the gateway now, for a person who goes on by hand.
    pub async fn state_as_found(&self) -> String {
        let config = match self.deployed().await {
            Ok(content) => {
                let found = sha256(&content);
                let which = if found == self.deployment.baseline_sha256 {
                    "the baseline"
                } else if found == self.deployment.candidate_sha256 {
                    "the candidate"
                } else {
                    "neither the baseline nor the candidate"
                };
                format!("deployed is {which} (sha256 {found})")
            }
            Err(why) => format!("the deployed configuration cannot be read: {why}"),
        };
        let state = match self.gateway() {
            Ok(gateway) => match gateway.state().await {
                Ok(state) => state.to_string(),
                Err(error) => error.to_string(),
            },
            Err(why) => why,
        };
        format!("{config}; {state}")
    }

    async fn step(&self, number: u8, since: &mut LogCursor) -> Seen {
        match number {
            1 => self.restore().await,
            2 => self.syntax().await,
            3 => self.restart(since).await,
            4 => self.health().await,
            _ => self.logs(since).await,
        }
    }

    fn gateway(&self) -> Result<&crate::stack::docker::compose::Container, String> {
        self.attached.host.member(Service::Gateway).map_err(text)
    }

    async fn deployed(&self) -> Result<Vec<u8>, String> {
        match &self.deployment.host_file {
            Some(host) => fs::read(host).map_err(|error| format!("{}: {error}", host.display())),
            None => self
                .gateway()?
                .read_file(&self.deployment.config)
                .await
                .map_err(text),
        }
    }

    /// The baseline from its backup on the gateway, else from the copy on this machine: whichever
    /// has the right hash.
    async fn baseline(&self) -> Result<(Vec<u8>, String), String> {
        let wanted = &self.deployment.baseline_sha256;
        let mut tried = Vec::new();
        let backup = self.gateway()?.read_file(&self.deployment.backup).await;
        let kept = fs::read(&self.deployment.kept);
        for (place, content) in [
            (self.deployment.backup.as_path(), backup.map_err(text)),
            (
                self.deployment.kept.as_path(),
                kept.map_err(|error| error.to_string()),
            ),
        ] {
            match content {
                Ok(content) if sha256(&content) == *wanted => {
                    return Ok((content, place.display().to_string()));
                }
                Ok(content) => tried.push(format!(
                    "{} is another file (sha256 {})",
                    place.display(),
                    sha256(&content)
                )),
                Err(why) => tried.push(format!("{}: {why}", place.display())),
            }
        }
        Err(format!(
            "the baseline (sha256 {wanted}) is nowhere: {}",
            tried.join("; ")
        ))
    }

    async fn restore(&self) -> Seen {
        let (content, from) = self.baseline().await?;
        let host = self.deployment.host_file.clone();
        self.attached
            .write_file(host, &self.deployment.config, &content)
            .await
            .map_err(text)?;
        let found = sha256(&self.deployed().await?);
        if found != self.deployment.baseline_sha256 {
            return Err(format!("after the restore the file has sha256 {found}"));
        }
        Ok(format!("restored from {from}, sha256 {found}"))
    }

    /// A container that does not run cannot be asked; the restart shows it then.
    async fn syntax(&self) -> Seen {
        let gateway = self.gateway()?;
        if !gateway.state().await.map_err(text)?.running {
            return Ok(
                "the gateway does not run, so its own program cannot be asked; the restart tells"
                    .to_owned(),
            );
        }
        let output = gateway.gateway_exec(&["-t"]).await.map_err(text)?;
        let said = output.text.trim().to_owned();
        // A file that is mounted by itself may be another inode than the one that is tested.
        match output.code {
            Some(0) => Ok(said),
            code => Err(format!("exit {code:?}: {said}")),
        }
    }

    async fn restart(&self, since: &mut LogCursor) -> Seen {
        let gateway = self.gateway()?;
        let before = gateway.state().await.map_err(text)?;
        *since = gateway.log_cursor().await.map_err(text)?;
        gateway.restart().await.map_err(text)?;
        let deadline = self.deadline();
        let started = Instant::now();
        loop {
            let now = gateway.state().await.map_err(text)?;
            if now.running && now.main != before.main && !now.workers.is_empty() {
                return Ok(now.to_string());
            }
            if started.elapsed() > deadline {
                return Err(format!(
                    "no new master within {} s: {now}; {}",
                    deadline.as_secs(),
                    self.last_lines(since).await
                ));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.profile.thresholds.restart_deadline_ms)
    }

    async fn health(&self) -> Seen {
        let started = Instant::now();
        let mut good = 0;
        let mut last;
        loop {
            match self.one_health_check().await {
                Ok(seen) => {
                    good += 1;
                    last = seen;
                    if good == HEALTH_CHECKS {
                        return Ok(format!("{HEALTH_CHECKS} times {last}"));
                    }
                    continue;
                }
                Err(why) => last = why,
            }
            // Once it has answered, it must go on answering.
            if good > 0 || started.elapsed() > self.deadline() {
                return Err(last);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn one_health_check(&self) -> Seen {
        let address = self.attached.host.internal().await.map_err(text)?;
        let address = address.ok_or("the gateway has no address")?;
        let health = &self.profile.health;
        let answer = async {
            Connection::open(address)
                .await?
                .get("localhost", &health.path)
                .await
        };
        let answer = answer.await.map_err(|error| error.to_string())?;
        let value = answer
            .json()
            .and_then(|json| json.pointer(&health.pointer).cloned());
        if answer.status == 200 && value.as_ref() == Some(&health.value) {
            Ok(answer.summary())
        } else {
            Err(answer.summary())
        }
    }

    /// Nothing at crit or above since the restart. Errors are shown: other people's requests
    /// cause them, too.
    async fn logs(&self, since: &LogCursor) -> Seen {
        let gateway = self.gateway()?;
        gateway.log_settled().await.map_err(text)?;
        let chunks = gateway.log_since(since).await.map_err(text)?;
        let records: Vec<_> = chunks.iter().flat_map(parse).collect();
        let at = |least: Level| {
            records
                .iter()
                .filter(move |record| record.level.is_some_and(|level| level >= least))
        };
        let grave: Vec<&str> = at(Level::Crit)
            .map(|record| record.raw.as_str())
            .take(SHOWN_LINES)
            .collect();
        if !grave.is_empty() {
            return Err(grave.join("\n"));
        }
        Ok(format!(
            "{} records since the restart, {} at error, none above",
            records.len(),
            at(Level::Error).count()
        ))
    }

    async fn last_lines(&self, since: &LogCursor) -> String {
        let Ok(gateway) = self.gateway() else {
            return String::new();
        };
        match gateway.log_since(since).await {
            Ok(chunks) => {
                let lines: Vec<String> = chunks
                    .iter()
                    .flat_map(parse)
                    .map(|record| record.raw)
                    .collect();
                let skipped = lines.len().saturating_sub(SHOWN_LINES);
                lines
                    .into_iter()
                    .skip(skipped)
                    .collect::<Vec<_>>()
                    .join("\n")
            }
            Err(error) => error.to_string(),
        }
    }
}

fn text(error: StackError) -> String {
    error.to_string()
}

/// The plan's commands with the names of this deployment.
fn commands(project: &str, service: &str, deployment: &Deployment) -> [String; 5] {
    let compose = format!("docker compose -p {project}");
    let restore = match &deployment.host_file {
        Some(host) => format!("cp {} {}", deployment.kept.display(), host.display()),
        None => format!(
            "{compose} exec {service} cp {} {}",
            deployment.backup.display(),
            deployment.config.display()
        ),
    };
    [
        restore,
        format!("{compose} exec {service} openresty -t"),
        format!("{compose} restart {service}"),
        format!("{compose} exec {service} curl -s http://localhost:8080/health"),
        format!("{compose} logs --tail=50 {service}"),
    ]
}

/// The proof that follows the five steps: the baseline is what runs, and items of the plan pass
/// on it again.
#[must_use]
pub fn proof_step(report: &Path, ok: bool, seen: String) -> RollbackStep {
    RollbackStep {
        title: Text {
            en: "Proof: the baseline runs and passes the plan's items again".to_owned(),
            ja: "確認：旧設定が稼働し、計画の項目に再び合格する".to_owned(),
        },
        command: format!("verify render {}", report.display()),
        ok: Some(ok),
        seen,
    }
}
