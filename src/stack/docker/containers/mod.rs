//! The containers stack: the services of `docker-compose.test.yml`, each a container of its own
//! on a private network, made for the run and removed with it.

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

mod make;

use self::make::{
    AUTH_PORT, GATEWAY, IDP_PORT, Maker, REDIS_PORT, SERVICES, UPSTREAM_PORT, described, folder,
    is_double, load,
};
use super::{
    archive::Archive,
    container::Container,
    engine::{Engine, EngineError},
    images::{self, Image},
    pair,
    watchdog::Watchdog,
};
use crate::{
    model::input::GatewayFiles,
    model::run::Component,
    probe::{self, redis::Redis},
    profile::Profile,
    stack::{
        Endpoints, LogChunk, LogCursor, Output, Service, ServiceState, SideBySide, Socket, Stack,
        StackError, StackInfo, Version, keys::Keys, redis_acl,
    },
};

/// Where the configuration is deployed.
const CONFIG: &str = "/usr/local/openresty/nginx/conf/nginx.conf";
/// Where the gateway's Lua modules are deployed.
const LUA: &str = "/usr/local/openresty/lualib/custom";
/// Where the pages are deployed.
const HTML: &str = "/usr/local/openresty/nginx/html";
/// The port of the health check.
const INTERNAL: u16 = 8080;

/// The most of a log that is read, in bytes of each stream: ten times what a gateway writes in a
/// whole run. It is held several times over while its lines are looked through.
const LOG_LIMIT: usize = 16 * 1024 * 1024;

/// What a run on containers is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The compose file.
    pub compose_file: PathBuf,
    /// The process that the run is.
    pub owner: String,
}

/// Whether a run on containers is possible here, and with which engine.
///
/// # Errors
/// Why it is not.
pub async fn available(compose_file: &Path) -> Result<Engine, EngineError> {
    let engine = Engine::connect().await?;
    let variables = images::environment(folder(compose_file))?;
    let file = load(compose_file, &variables)?;
    for (service, name) in SERVICES {
        if is_double(service) {
            continue;
        }
        images::in_reach(&engine, &described(&file, name)?.image).await?;
    }
    images::doubles_in_reach(&engine, &variables).await?;
    Ok(engine)
}

/// Whether the engine sees the gateway of a run as the worker says it is.
///
/// # Errors
/// What is otherwise.
pub async fn look(run: &str, runs: bool) -> Result<(), String> {
    let seen = async {
        let engine = Engine::connect().await?;
        engine.inspect(&make::name(run, GATEWAY)).await
    };
    let seen = seen
        .await
        .map_err(|error| format!("the gateway: {error}"))?;
    let running = seen.state.and_then(|state| state.running) == Some(true);
    if running == runs {
        return Ok(());
    }
    let how = |runs| if runs { "runs" } else { "does not run" };
    Err(format!(
        "the worker says that the gateway {}, and the engine that it {}",
        how(runs),
        how(running)
    ))
}

/// The stack of one run.
#[derive(Debug)]
pub struct Containers {
    engine: Engine,
    run: String,
    labels: HashMap<String, String>,
    files: GatewayFiles,
    info: StackInfo,
    redis: Redis,
    internal: SocketAddr,
    members: BTreeMap<Service, Container>,
    images: BTreeMap<Service, Image>,
    /// Where the gateway's files were laid.
    gateway_places: Vec<String>,
    /// Where its files can be written.
    gateway_volumes: Vec<String>,
    watchdog: Mutex<Option<Watchdog>>,
}

impl Containers {
    /// Starts everything with the baseline deployed, and returns when every service but the
    /// gateway answers: whether the gateway does is an item's to say.
    ///
    /// # Errors
    /// What the engine says; a service that does not answer.
    pub async fn up(
        setup: &Setup,
        run: &str,
        files: GatewayFiles,
        profile: &Profile,
    ) -> Result<Self, StackError> {
        let began = probe::now_ms() / 1000;
        // Before anything is made: whatever happens from here on, it is removed.
        let watchdog = Watchdog::start(run).map_err(|source| StackError::Io {
            what: "starting the watchdog".to_owned(),
            service: Service::Gateway,
            source,
        })?;
        let failed = |error: EngineError| {
            let hint = error.hint.map(|hint| format!("; {hint}"));
            StackError::Service {
                service: Service::Gateway,
                what: format!("{error}{}", hint.unwrap_or_default()),
            }
        };
        let keys = Keys::fresh(profile)?;
        let engine = Engine::connect().await.map_err(failed)?;
        let maker = Maker::new(engine, setup, run, &files, profile, &keys)
            .await
            .map_err(failed)?;
        let started = maker.start().await.map_err(failed)?;
        let at = |service: Service, port: u16| {
            let address = started.get(&service).map(|made| made.address);
            SocketAddr::from((address.unwrap_or(Ipv4Addr::UNSPECIFIED), port))
        };
        let since = i32::try_from(began).unwrap_or(i32::MAX);
        let members: BTreeMap<Service, Container> = started
            .iter()
            .map(|(service, started)| {
                let id = started.id.clone();
                let engine = maker.engine.clone();
                let container = Container::new(engine, id, *service, since, Some(LOG_LIMIT));
                (*service, container.with_volumes(started.volumes.clone()))
            })
            .collect();
        let public = |host: &str, port: u16, address| ((host.to_owned(), port), address);
        let endpoints = Endpoints {
            addresses: BTreeMap::from([
                public(
                    &profile.site.host,
                    profile.site.port,
                    at(Service::Gateway, 80),
                ),
                public("auth0", IDP_PORT, at(Service::Idp, IDP_PORT)),
            ]),
            upstream: Some(at(Service::Upstream, UPSTREAM_PORT)),
            idp: Some(at(Service::Idp, IDP_PORT)),
            auth: at(Service::Auth, AUTH_PORT),
        };
        let redis = Redis::at(at(Service::Redis, REDIS_PORT))
            .as_user(redis_acl::VERIFY, keys.redis_verify.clone());
        let gateway_volumes = maker.volumes(Service::Gateway).map_err(failed)?;
        let gateway_places = maker.mounts(Service::Gateway).map_err(failed)?;
        let secrets = keys.into_secrets();
        let stack = Self {
            gateway_places: gateway_places
                .into_iter()
                .map(|mount| mount.target)
                .collect(),
            run: run.to_owned(),
            labels: maker.labels.clone(),
            engine: maker.engine,
            files,
            info: StackInfo {
                kind: "containers",
                endpoints,
                secrets,
                config: CONFIG.into(),
                shared: false,
                runs_candidate: false,
                real_upstream: false,
            },
            redis,
            internal: at(Service::Gateway, INTERNAL),
            gateway_volumes,
            members,
            images: maker.images,
            watchdog: Mutex::new(Some(watchdog)),
        };
        stack.member(Service::Gateway)?.remember().await;
        Ok(stack)
    }

    fn member(&self, service: Service) -> Result<&Container, StackError> {
        self.members.get(&service).ok_or(StackError::Unsupported {
            kind: "containers",
            what: "look into a service that there is not",
        })
    }

    fn assets(&self, version: Version) -> (&Path, &Path) {
        match version {
            Version::Candidate => (&self.files.lua, &self.files.html),
            Version::Baseline => (
                self.files.baseline_lua.as_ref().unwrap_or(&self.files.lua),
                self.files
                    .baseline_html
                    .as_ref()
                    .unwrap_or(&self.files.html),
            ),
        }
    }

    fn packed_assets(&self, version: Version) -> Result<Vec<u8>, StackError> {
        let (lua, html) = self.assets(version);
        let mut archive = Archive::default();
        archive
            .copy(lua, LUA)
            .and_then(|()| archive.copy(html, HTML))
            .and_then(|()| archive.finish())
            .map_err(|source| StackError::Io {
                what: "packing Lua modules and pages".to_owned(),
                service: Service::Gateway,
                source,
            })
    }
}

#[async_trait]
impl Stack for Containers {
    fn info(&self) -> &StackInfo {
        &self.info
    }

    fn internal(&self) -> SocketAddr {
        self.internal
    }

    fn redis(&self) -> Redis {
        self.redis.clone()
    }

    async fn components(&self) -> Result<Vec<Component>, StackError> {
        super::components::found(&self.members, &self.images).await
    }

    async fn deploy_assets(&self, version: Version) -> Result<(), StackError> {
        let same = self.files.baseline_lua.is_none() && self.files.baseline_html.is_none();
        if same {
            return Ok(());
        }
        let archive = self.packed_assets(version)?;
        self.member(Service::Gateway)?
            .replace_directories(&[LUA, HTML], archive)
            .await
    }

    async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        self.member(Service::Gateway)?.gateway_exec(args).await
    }

    async fn read_file(&self, service: Service, path: &Path) -> Result<Vec<u8>, StackError> {
        self.member(service)?.read_file(path).await
    }

    async fn write_file(
        &self,
        service: Service,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError> {
        self.member(service)?.write_file(path, content).await
    }

    async fn restart(&self, service: Service) -> Result<(), StackError> {
        self.member(service)?.restart().await
    }

    async fn kill(&self, service: Service) -> Result<(), StackError> {
        self.member(service)?.kill().await
    }

    async fn state(&self, service: Service) -> Result<ServiceState, StackError> {
        self.member(service)?.state().await
    }

    async fn sockets(&self, service: Service) -> Result<Vec<Socket>, StackError> {
        self.member(service)?.sockets().await
    }

    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        self.member(service)?.log_cursor().await
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        self.member(service)?.log_since(cursor).await
    }

    async fn log_settled(&self, service: Service) -> Result<(), StackError> {
        self.member(service)?.log_settled().await
    }

    async fn append_log(&self, service: Service, line: &str) -> Result<Vec<String>, StackError> {
        self.member(service)?.append_log(line).await
    }

    async fn overrun(&self) -> Option<String> {
        self.member(Service::Gateway).ok()?.overrun().await
    }

    async fn interference(&self, _answered: bool) -> Option<String> {
        match self.member(Service::Gateway) {
            Ok(gateway) => gateway.interference().await,
            Err(error) => Some(error.to_string()),
        }
    }

    async fn side_by_side(&self) -> Result<Box<dyn SideBySide>, StackError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| StackError::Io {
                what: format!("reading {}", path.display()),
                service: Service::Gateway,
                source,
            })
        };
        let own = |version, config| -> Result<pair::Own, StackError> {
            Ok(pair::Own {
                version,
                config: read(config)?,
                files: Some(self.packed_assets(version)?),
            })
        };
        let like = pair::Like {
            engine: &self.engine,
            gateway: &self.member(Service::Gateway)?.id,
            places: self.gateway_places.clone(),
            volumes: self.gateway_volumes.clone(),
            config_path: Path::new(CONFIG),
            labels: self.labels.clone(),
            name: format!("verify-{}-beside", self.run),
        };
        let pair = [
            own(Version::Baseline, &self.files.baseline)?,
            own(Version::Candidate, &self.files.candidate)?,
        ];
        Ok(Box::new(pair::Pair::start(&like, pair).await?))
    }

    async fn down(&self) {
        // What is not removed here is told, and found by `verify cleanup`.
        if let Some(watchdog) = self.watchdog.lock().await.take()
            && let Err(error) = watchdog.finish().await
        {
            tracing::error!(%error, "containers of this run may be left; `verify cleanup` removes them");
        }
    }
}
