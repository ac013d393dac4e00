//! What belongs to a run, by its labels: found and removed when the run is over, however it
//! ended.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _},
    time::{Duration, Instant},
};

use bollard::{
    errors::Error,
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};

use super::engine::{Context as _, Engine, EngineError, is_missing};
use crate::stack::procfs::Stat;

/// The label with the run's id.
const RUN: &str = "verify.run";

/// The label with the run's process.
const OWNER: &str = "verify.owner";

/// How long to look for what the engine still makes for a client that is gone.
const LATE: Duration = Duration::from_secs(3);

/// Between two looks.
const AGAIN: Duration = Duration::from_millis(100);

const REMOVAL: Duration = Duration::from_secs(60);

/// A run's id, and the labels of everything that it makes.
#[derive(Debug)]
pub struct RunLabels {
    pub run: String,
    pub all: HashMap<String, String>,
}

impl RunLabels {
    #[must_use]
    pub fn new(run: &str, owner: &str) -> Self {
        let labels = [(RUN, run), (OWNER, owner)];
        Self {
            run: run.to_owned(),
            all: labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }
}

/// This process, distinct from any other, also after a restart of the machine:
/// boot id, process id, start.
#[must_use]
pub fn this_process() -> String {
    process(std::process::id()).unwrap_or_else(|| "unknown".to_owned())
}

fn process(pid: u32) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    stat.alive()
        .then(|| format!("{}:{pid}:{}", boot.trim(), stat.started))
}

/// Whether the process of an owner label lives on this machine.
#[must_use]
pub fn alive(owner: &str) -> bool {
    let pid = owner.split(':').nth(1).and_then(|pid| pid.parse().ok());
    pid.and_then(process).is_some_and(|found| found == owner)
}

/// Containers and networks of runs by id and name, and volumes by name.
#[derive(Debug, Default)]
pub struct Belongings {
    containers: Vec<(String, String)>,
    networks: Vec<(String, String)>,
    volumes: Vec<String>,
}

impl Belongings {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }

    /// Names, one a line, for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let named =
            |kind: &'static str| move |(_, name): &(String, String)| format!("{kind} {name}");
        self.containers
            .iter()
            .map(named("container"))
            .chain(self.networks.iter().map(named("network")))
            .chain(self.volumes.iter().map(|name| format!("volume {name}")))
            .collect()
    }

    /// What carries the label `verify.run`, of those whose owner `wanted` accepts.
    pub async fn find(
        engine: &Engine,
        run: Option<&str>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, EngineError> {
        let what = "looking for what a run left behind";
        let label = run.map_or_else(|| RUN.to_owned(), |run| format!("{RUN}={run}"));
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let docker = &engine.docker;
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let mut found = Self::default();
        let owner = |labels: &Option<HashMap<String, String>>| {
            let labels = labels.as_ref();
            labels
                .and_then(|labels| labels.get(OWNER))
                .cloned()
                .unwrap_or_default()
        };
        let containers = docker.list_containers(Some(options)).await;
        for container in containers.context(what)? {
            if let (true, Some(id)) = (wanted(&owner(&container.labels)), container.id) {
                let name = container.names.and_then(|names| names.into_iter().next());
                let name = name.map(|name| name.trim_start_matches('/').to_owned());
                found.containers.push((id.clone(), name.unwrap_or(id)));
            }
        }
        let options = ListNetworksOptionsBuilder::default()
            .filters(&filters)
            .build();
        for network in docker.list_networks(Some(options)).await.context(what)? {
            if let (true, Some(id)) = (wanted(&owner(&network.labels)), network.id) {
                found
                    .networks
                    .push((id.clone(), network.name.unwrap_or(id)));
            }
        }
        let options = ListVolumesOptionsBuilder::default()
            .filters(&filters)
            .build();
        let volumes = docker.list_volumes(Some(options)).await.context(what)?;
        for volume in volumes.volumes.unwrap_or_default() {
            if wanted(&owner(&Some(volume.labels))) {
                found.volumes.push(volume.name);
            }
        }
        Ok(found)
    }

    /// Removes everything. What is gone already is no error.
    ///
    /// # Errors
    /// The first thing that cannot be removed.
    pub async fn remove(&self, engine: &Engine) -> Result<(), EngineError> {
        let docker = &engine.docker;
        let removals = self.containers.iter().map(|(id, name)| async move {
            let options = RemoveContainerOptionsBuilder::default()
                .force(true)
                .v(true)
                .build();
            gone(docker.remove_container(id, Some(options)).await)
                .context(format_args!("removing the container {name}"))
        });
        futures::future::try_join_all(removals).await?;
        for (id, name) in &self.networks {
            gone(docker.remove_network(id).await)
                .context(format_args!("removing the network {name}"))?;
        }
        for name in &self.volumes {
            let removed = docker.remove_volume(name, None::<RemoveVolumeOptions>);
            gone(removed.await).context(format_args!("removing the volume {name}"))?;
        }
        Ok(())
    }
}

/// 404: somebody else was faster. 409: the engine is removing it already.
fn gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if is_missing(&error) => Ok(()),
        Err(Error::DockerResponseServerError {
            status_code: 409,
            message,
        }) if message.contains("already in progress") => Ok(()),
        other => other,
    }
}

/// Removes everything that carries a run's label, until nothing is left.
///
/// # Errors
/// What is still there at the deadline.
async fn remove_run(engine: &Engine, run: &str, late: bool) -> Result<(), EngineError> {
    let started = Instant::now();
    let mut empty_since = None;
    loop {
        let found = Belongings::find(engine, Some(run), |_| true).await?;
        if found.is_empty() {
            let since = *empty_since.get_or_insert_with(Instant::now);
            if !late || since.elapsed() > LATE {
                return Ok(());
            }
        } else {
            empty_since = None;
            let removed = found.remove(engine).await;
            if started.elapsed() > REMOVAL {
                return Err(removed.err().unwrap_or_else(|| {
                    EngineError::new(format!("still there: {}", found.lines().join(", ")))
                }));
            }
            if !late {
                continue;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits until nothing carries a run's label any more: its watchdog removes it.
///
/// # Errors
/// What is still there at the deadline.
pub async fn until_gone(run: &str) -> Result<(), EngineError> {
    let engine = Engine::connect().await?;
    let started = Instant::now();
    loop {
        let found = Belongings::find(&engine, Some(run), |_| true).await?;
        if found.is_empty() {
            return Ok(());
        }
        if started.elapsed() > REMOVAL {
            return Err(EngineError::new(format!(
                "of this run is left: {}",
                found.lines().join(", ")
            ))
            .hint("`verify cleanup` removes it"));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What a run writes to its watchdog when it ended in order: the engine makes nothing more for it.
pub const DONE: &[u8] = b"done";

/// The watchdog: waits until standard input is closed, which happens however the run ends, and
/// then removes everything that carries the run's label.
///
/// # Errors
/// What could not be removed, and by which command a person removes it.
pub async fn watch(run: &str) -> Result<(), EngineError> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut word = Vec::new();
        // An error is an end, too.
        let _: io::Result<usize> = io::stdin().lock().read_to_end(&mut word);
        word
    });
    let word = reading.await.unwrap_or_default();
    let started = Instant::now();
    loop {
        let removed = async { remove_run(&Engine::connect().await?, run, word != DONE).await };
        match removed.await {
            Ok(()) => return Ok(()),
            // An engine that is being restarted comes back.
            Err(error) if started.elapsed() > REMOVAL => return Err(error),
            Err(_) => tokio::time::sleep(AGAIN * 5).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_number() {
        let own = this_process();
        assert!(alive(&own));
        let (rest, started) = own.rsplit_once(':').unwrap();
        let later = format!("{rest}:{}", started.parse::<u64>().unwrap() + 1);
        assert!(!alive(&later));
        assert!(!alive("unknown"));
        assert!(!alive(""));
    }
}
