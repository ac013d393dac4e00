//! Two gateways beside the one under test, one with each configuration, for the comparison of
//! their response times: containers of the same image, on the same networks, with copies of
//! its files and no mount of their own.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bollard::{
    models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig},
    query_parameters::CreateContainerOptionsBuilder,
};
use futures::TryStreamExt as _;

use super::{
    archive::{self, Archive},
    container::{download, upload},
    engine::{Engine, EngineError},
};
use crate::stack::{Service, SideBySide, StackError, Version, measure::Client};

/// How long a gateway beside has to answer.
const READY_DEADLINE: Duration = Duration::from_secs(15);

/// How often it is asked.
const POLL: Duration = Duration::from_millis(20);

/// The port of the health check.
const INTERNAL: u16 = 8080;

/// What the two are made like.
#[derive(Debug)]
pub struct Like<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The gateway under test.
    pub gateway: &'a str,
    /// Where the configuration is deployed.
    pub config_path: &'a Path,
    /// Files and directories of the gateway under test that the two get copies of.
    pub places: Vec<String>,
    /// Where the copies are volumes, since the root directory cannot be written; else none.
    pub volumes: Vec<String>,
    /// The labels of everything that the run makes.
    pub labels: HashMap<String, String>,
    /// The beginning of their names.
    pub name: String,
}

/// What one of the two has of its own.
#[derive(Debug)]
pub struct Own {
    /// Which.
    pub version: Version,
    /// Its configuration.
    pub config: Vec<u8>,
    /// Files of its own besides, an archive for the root directory; may be empty.
    pub files: Option<Vec<u8>>,
}

/// The two, up and answering.
#[derive(Debug)]
pub struct Pair {
    baseline: Option<Client>,
    candidate: Option<Client>,
}

impl Pair {
    /// Starts both and returns when both answer.
    ///
    /// # Errors
    /// What the engine says; a gateway that does not come up.
    pub async fn start(like: &Like<'_>, pair: [Own; 2]) -> Result<Self, StackError> {
        let [one, other] = &pair;
        let (first, second) = tokio::join!(member(like, one), member(like, other));
        let mut started = Self {
            baseline: None,
            candidate: None,
        };
        for (own, client) in [(one, first), (other, second)] {
            let client = client.map_err(|error| StackError::Service {
                service: Service::Gateway,
                what: format!("starting a gateway beside it: {error}"),
            })?;
            match own.version {
                Version::Baseline => started.baseline = Some(client),
                Version::Candidate => started.candidate = Some(client),
            }
        }
        Ok(started)
    }
}

#[async_trait]
impl SideBySide for Pair {
    async fn measure(
        &mut self,
        version: Version,
        path: &str,
        count: u32,
    ) -> Result<Vec<Duration>, StackError> {
        let lost = |source| StackError::Io {
            what: "measuring the gateway side by side".to_owned(),
            service: Service::Gateway,
            source,
        };
        let slot = match version {
            Version::Baseline => &mut self.baseline,
            Version::Candidate => &mut self.candidate,
        };
        let mut client = slot
            .take()
            .ok_or_else(|| lost(std::io::ErrorKind::NotConnected.into()))?;
        let path = path.to_owned();
        // The client blocks: nothing else runs in its thread while it measures.
        let block = tokio::task::spawn_blocking(move || {
            let times = client.block(&path, count);
            (client, times)
        });
        let (client, times) = block
            .await
            .map_err(|error| lost(std::io::Error::other(error)))?;
        *slot = Some(client);
        let times = times.map_err(lost)?;
        Ok(times.into_iter().map(Duration::from_nanos).collect())
    }
}

async fn member(like: &Like<'_>, own: &Own) -> Result<Client, EngineError> {
    let model = like.engine.inspect(like.gateway).await?;
    let docker = &like.engine.docker;
    let failed = |what: &'static str| move |error| EngineError::of(what, &error);
    let config = model.config.unwrap_or_default();
    let networks: HashMap<String, EndpointSettings> = model
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default()
        .into_keys()
        .map(|name| (name, EndpointSettings::default()))
        .collect();
    let first = networks.keys().next().cloned();
    let kind = match own.version {
        Version::Baseline => "baseline",
        Version::Candidate => "candidate",
    };
    let options = CreateContainerOptionsBuilder::default()
        .name(&format!("{}-{kind}", like.name))
        .build();
    let body = ContainerCreateBody {
        image: model.image,
        env: config.env,
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        user: config.user,
        working_dir: config.working_dir,
        labels: Some(like.labels.clone()),
        volumes: (!like.volumes.is_empty()).then(|| like.volumes.clone()),
        host_config: Some(HostConfig {
            network_mode: first,
            ..confined_like(
                model.host_config.unwrap_or_default(),
                !like.volumes.is_empty(),
            )
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(networks),
        }),
        ..ContainerCreateBody::default()
    };
    let made = docker
        .create_container(Some(options), body)
        .await
        .map_err(failed("creating a container"))?;
    for place in &like.places {
        copy_place(like, place, &made.id).await?;
    }
    if let Some(files) = &own.files {
        upload(like.engine, &made.id, &like.volumes, files).await?;
    }
    let mut deployed = Archive::default();
    let packed = deployed
        .file(&like.config_path.display().to_string(), 0o644, &own.config)
        .and_then(|()| deployed.finish())
        .map_err(|error| EngineError::new(format!("packing a configuration: {error}")))?;
    upload(like.engine, &made.id, &like.volumes, &packed).await?;
    docker
        .start_container(&made.id, None)
        .await
        .map_err(failed("starting a container"))?;
    ready(like, &made.id).await
}

/// What confines the gateway under test. `fixed`: its root directory, too, cannot be written.
fn confined_like(model: HostConfig, fixed: bool) -> HostConfig {
    HostConfig {
        dns: model.dns,
        log_config: model.log_config,
        cap_drop: model.cap_drop,
        cap_add: model.cap_add,
        security_opt: model.security_opt,
        readonly_rootfs: model.readonly_rootfs.filter(|_| fixed),
        tmpfs: model.tmpfs,
        pids_limit: model.pids_limit,
        memory: model.memory,
        memory_swap: model.memory_swap,
        ulimits: model.ulimits,
        ..HostConfig::default()
    }
}

/// A copy of what is at `place`, in the same place.
async fn copy_place(like: &Like<'_>, place: &str, to: &str) -> Result<(), EngineError> {
    let bytes = download(like.engine, like.gateway, place).await?;
    let folder = Path::new(place).parent().unwrap_or(Path::new("/"));
    let moved = archive::moved(&bytes, folder)
        .map_err(|error| EngineError::new(format!("copying {place}: {error}")))?;
    upload(like.engine, to, &like.volumes, &moved).await
}

/// Waits until the gateway answers, and returns a connection to it.
async fn ready(like: &Like<'_>, id: &str) -> Result<Client, EngineError> {
    let started = Instant::now();
    loop {
        let state = like.engine.inspect(id).await?;
        let running = state.state.as_ref().and_then(|state| state.running);
        if running != Some(true) {
            return Err(EngineError::new(format!(
                "it ended at once: {}",
                last_words(like.engine, id).await
            )));
        }
        if let Some(address) = address(&state, INTERNAL) {
            let client = tokio::task::spawn_blocking(move || {
                let mut client = Client::connect(address)?;
                client.block("/health", 1).map(|_| client)
            });
            if let Ok(Ok(client)) = client.await {
                return Ok(client);
            }
        }
        if started.elapsed() > READY_DEADLINE {
            return Err(EngineError::new(format!(
                "no answer within {} s: {}",
                READY_DEADLINE.as_secs(),
                last_words(like.engine, id).await
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The container's own address on one of its networks.
#[must_use]
pub fn address(
    inspected: &bollard::models::ContainerInspectResponse,
    port: u16,
) -> Option<SocketAddr> {
    let networks = inspected.network_settings.as_ref()?.networks.as_ref()?;
    let mut names: Vec<&String> = networks.keys().collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let ip = networks.get(name)?.ip_address.as_deref()?;
        Some(SocketAddr::new(ip.parse().ok()?, port))
    })
}

/// The last lines that a container wrote.
pub async fn last_words(engine: &Engine, id: &str) -> String {
    let options = bollard::query_parameters::LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .tail("8")
        .build();
    let words = engine
        .docker
        .logs(id, Some(options))
        .try_fold(String::new(), |mut all, line| async move {
            all.push_str(&String::from_utf8_lossy(&line.into_bytes()));
            Ok(all)
        })
        .await;
    match words {
        Ok(text) if text.trim().is_empty() => "it said nothing".to_owned(),
        Ok(text) => format!("it said: {}", text.trim()),
        Err(error) => format!("what it said cannot be read: {error}"),
    }
}
