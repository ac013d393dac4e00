//! The containers stack: the services of `docker-compose.test.yml`, each a container of its own
//! on a private network, made for the run and removed with it.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::RwLock,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

mod make;

use self::make::{
    AUTH_PORT, IDP_PORT, Maker, REDIS_PORT, SERVICES, UPSTREAM_PORT, described, folder, is_double,
    load, local,
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
    engine::GatewayFiles,
    probe::{self, redis::Redis},
    profile::Profile,
    report::Component,
    stack::{
        Endpoints, LogChunk, LogCursor, Output, Secrets, Service, ServiceState, SideBySide, Socket,
        Stack, StackError, Version, keys::Keys, redis_acl,
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
/// What a run on containers is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The compose file.
    pub compose_file: PathBuf,
    /// The process that the run is.
    pub owner: String,
}

/// Whether a run on containers is possible here.
///
/// # Errors
/// Why it is not.
pub async fn available(compose_file: &Path) -> Result<(), EngineError> {
    let engine = Engine::connect().await?;
    let variables = images::environment(folder(compose_file))?;
    let file = load(compose_file, &variables)?;
    for (service, name, _) in SERVICES {
        if is_double(service) {
            continue;
        }
        images::in_reach(&engine, &described(&file, name)?.image).await?;
    }
    images::doubles_in_reach(&engine, &variables).await
}

/// The stack of one run.
#[derive(Debug)]
pub struct Containers {
    engine: Engine,
    run: String,
    labels: HashMap<String, String>,
    files: GatewayFiles,
    endpoints: Endpoints,
    redis: Redis,
    internal: RwLock<SocketAddr>,
    secrets: Secrets,
    members: BTreeMap<Service, Container>,
    images: BTreeMap<Service, Image>,
    /// Where the gateway's files were laid.
    gateway_places: Vec<String>,
    /// The address of each service that was killed: the others know it by that.
    killed: Mutex<BTreeMap<Service, SocketAddr>>,
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
        let published = |service: Service, port: u16| {
            let host = started
                .get(&service)
                .and_then(|started| started.ports.get(&port));
            local(host.copied().unwrap_or_default())
        };
        let since = i32::try_from(began).unwrap_or(i32::MAX);
        let members: BTreeMap<Service, Container> = started
            .iter()
            .map(|(service, started)| {
                let id = started.id.clone();
                (
                    *service,
                    Container::new(maker.engine.clone(), id, *service, since),
                )
            })
            .collect();
        let public = |host: &str, port: u16, address| ((host.to_owned(), port), address);
        let endpoints = Endpoints {
            addresses: BTreeMap::from([
                public(
                    &profile.site.host,
                    profile.site.port,
                    published(Service::Gateway, 80),
                ),
                public("auth0", IDP_PORT, published(Service::Idp, IDP_PORT)),
            ]),
            upstream: Some(published(Service::Upstream, UPSTREAM_PORT)),
            idp: Some(published(Service::Idp, IDP_PORT)),
            auth: published(Service::Auth, AUTH_PORT),
        };
        let redis = published(Service::Redis, REDIS_PORT);
        let gateway_places = maker.mounts(Service::Gateway).map_err(failed)?;
        let stack = Self {
            gateway_places: gateway_places
                .into_iter()
                .map(|mount| mount.target)
                .collect(),
            run: run.to_owned(),
            labels: maker.labels.clone(),
            engine: maker.engine,
            files,
            endpoints,
            redis: Redis::at(redis).as_user(redis_acl::VERIFY, keys.redis_verify.clone()),
            internal: RwLock::new(local(INTERNAL)),
            secrets: keys.into_secrets(),
            members,
            images: maker.images,
            killed: Mutex::default(),
            watchdog: Mutex::new(Some(watchdog)),
        };
        stack.find_internal().await?;
        stack.member(Service::Gateway)?.remember().await;
        Ok(stack)
    }

    fn member(&self, service: Service) -> Result<&Container, StackError> {
        self.members.get(&service).ok_or(StackError::Unsupported {
            kind: "containers",
            what: "look into a service that there is not",
        })
    }

    /// The gateway's own address: a restart may give it another. Through a published port the
    /// engine's proxy would stand between, and whose connection it is could not be seen.
    async fn find_internal(&self) -> Result<(), StackError> {
        // One that ended at once has none: that is an item's to say.
        if let Some(address) = self.address(Service::Gateway).await? {
            *self
                .internal
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = address;
        }
        Ok(())
    }

    /// A container's own address, with the gateway's internal port; `None` while it does not run.
    async fn address(&self, service: Service) -> Result<Option<SocketAddr>, StackError> {
        let inspected = self.engine.inspect(&self.member(service)?.id).await;
        let inspected = inspected.map_err(|error| StackError::Service {
            service,
            what: error.to_string(),
        })?;
        Ok(pair::address(&inspected, INTERNAL))
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
    fn kind(&self) -> &'static str {
        "containers"
    }

    fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    fn internal(&self) -> SocketAddr {
        *self
            .internal
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn redis(&self) -> Redis {
        self.redis.clone()
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    async fn components(&self) -> Result<Vec<Component>, StackError> {
        super::components::found(&self.members, &self.images).await
    }

    fn config_path(&self) -> &Path {
        Path::new(CONFIG)
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
        self.member(service)?.restart().await?;
        let before = self.killed.lock().await.remove(&service);
        if before.is_some() && before != self.address(service).await? {
            return Err(StackError::Service {
                service,
                what: "its container came back under another address".to_owned(),
            });
        }
        if service == Service::Gateway {
            self.find_internal().await?;
        }
        Ok(())
    }

    async fn kill(&self, service: Service) -> Result<(), StackError> {
        if let Some(address) = self.address(service).await? {
            self.killed.lock().await.insert(service, address);
        }
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
