//! Two gateways beside the one under test, one with each configuration, for the comparison of
//! their response times: containers of the same image, on the same networks, with copies of
//! its files and no mount of their own.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bollard::{
    models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig},
    query_parameters::CreateContainerOptionsBuilder,
};

use super::{
    archive::{self, Archive},
    container::{address, download, last_lines, upload},
    engine::{Context as _, Engine, EngineError},
    host::INTERNAL_PORT,
};
use crate::stack::{Service, SideBySide, StackError, Version, measure::Client};

/// How long a gateway beside has to answer.
const READY_DEADLINE: Duration = Duration::from_secs(15);

/// Between two questions.
const POLL: Duration = Duration::from_millis(20);

/// What both gateways are made from.
#[derive(Debug)]
pub struct Model<'a> {
    pub engine: &'a Engine,
    /// The gateway under test, by its container's id.
    pub gateway: &'a str,
    /// Where the configuration is deployed.
    pub config_path: &'a Path,
    /// Files and directories of the gateway under test that both get copies of.
    pub places: Vec<String>,
    /// Where the copies are volumes, since the root directory cannot be written; else none.
    pub volumes: Vec<String>,
    pub labels: HashMap<String, String>,
    /// The beginning of their names.
    pub name: String,
}

/// What one of the two does not share.
#[derive(Debug)]
pub struct Variant {
    pub version: Version,
    pub config: Vec<u8>,
    /// Further files, an archive for the root directory.
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
    pub async fn start(
        model: &Model<'_>,
        baseline: &Variant,
        candidate: &Variant,
    ) -> Result<Self, StackError> {
        let started = tokio::try_join!(start(model, baseline), start(model, candidate));
        let (baseline, candidate) = started.map_err(|error| StackError::Service {
            service: Service::Gateway,
            what: format!("starting a gateway beside it: {error}"),
        })?;
        Ok(Self {
            baseline: Some(baseline),
            candidate: Some(candidate),
        })
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

async fn start(model: &Model<'_>, variant: &Variant) -> Result<Client, EngineError> {
    let gateway = model.engine.inspect(model.gateway).await?;
    let docker = &model.engine.docker;
    let config = gateway.config.unwrap_or_default();
    let networks: HashMap<String, EndpointSettings> = gateway
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default()
        .into_keys()
        .map(|name| (name, EndpointSettings::default()))
        .collect();
    let kind = match variant.version {
        Version::Baseline => "baseline",
        Version::Candidate => "candidate",
    };
    let options = CreateContainerOptionsBuilder::default()
        .name(&format!("{}-{kind}", model.name))
        .build();
    let fixed = !model.volumes.is_empty();
    let body = ContainerCreateBody {
        image: gateway.image,
        env: config.env,
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        user: config.user,
        working_dir: config.working_dir,
        labels: Some(model.labels.clone()),
        volumes: fixed.then(|| model.volumes.clone()),
        host_config: Some(HostConfig {
            network_mode: networks.keys().next().cloned(),
            ..confined(gateway.host_config.unwrap_or_default(), fixed)
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(networks),
        }),
        ..ContainerCreateBody::default()
    };
    let made = docker.create_container(Some(options), body).await;
    let id = made.context("creating a container")?.id;
    for place in &model.places {
        let bytes = download(model.engine, model.gateway, place).await?;
        let folder = Path::new(place).parent().unwrap_or(Path::new("/"));
        let moved = archive::moved(&bytes, folder).context(format_args!("copying {place}"))?;
        upload(model.engine, &id, &model.volumes, &moved).await?;
    }
    if let Some(files) = &variant.files {
        upload(model.engine, &id, &model.volumes, files).await?;
    }
    let path = model.config_path.display().to_string();
    let deployed = Archive::of(|archive| archive.file(&path, 0o644, &variant.config));
    let deployed = deployed.context("packing a configuration")?;
    upload(model.engine, &id, &model.volumes, &deployed).await?;
    let started = docker.start_container(&id, None).await;
    started.context("starting a container")?;
    ready(model.engine, &id).await
}

/// The confinement of the gateway under test. `fixed`: the root directory cannot be written either.
fn confined(gateway: HostConfig, fixed: bool) -> HostConfig {
    HostConfig {
        dns: gateway.dns,
        log_config: gateway.log_config,
        cap_drop: gateway.cap_drop,
        cap_add: gateway.cap_add,
        security_opt: gateway.security_opt,
        readonly_rootfs: gateway.readonly_rootfs.filter(|_| fixed),
        tmpfs: gateway.tmpfs,
        pids_limit: gateway.pids_limit,
        memory: gateway.memory,
        memory_swap: gateway.memory_swap,
        ulimits: gateway.ulimits,
        ..HostConfig::default()
    }
}

/// Waits until the gateway answers, and returns a connection to it.
async fn ready(engine: &Engine, id: &str) -> Result<Client, EngineError> {
    let started = Instant::now();
    loop {
        let inspected = engine.inspect(id).await?;
        let running = inspected.state.as_ref().and_then(|state| state.running);
        if running != Some(true) {
            let log = last_lines(engine, id).await;
            return Err(EngineError::new(format!("it ended at once; {log}")));
        }
        if let Some(address) = address(&inspected, INTERNAL_PORT) {
            let client = tokio::task::spawn_blocking(move || {
                let mut client = Client::connect(address)?;
                client.block("/health", 1).map(|_| client)
            });
            if let Ok(Ok(client)) = client.await {
                return Ok(client);
            }
        }
        if started.elapsed() > READY_DEADLINE {
            let (limit, log) = (READY_DEADLINE.as_secs(), last_lines(engine, id).await);
            return Err(EngineError::new(format!(
                "no answer within {limit} s; {log}"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}
