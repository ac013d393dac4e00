//! The stack on a Docker engine, whoever started the services: the run itself or an operator. An
//! operator's deployment allows what its [`Permissions`] say; the run's own allows everything.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::{
    archive::Archive,
    compose::permissions::Permissions,
    containers::start::OwnContainers,
    host::{Host, INTERNAL_PORT},
    labels::RunLabels,
    pair::{Model, Pair, Variant},
    watchdog::Watchdog,
};
use crate::{
    model::{input::GatewayFiles, run::Component},
    probe::redis::Redis,
    stack::{
        Act, LogChunk, LogCursor, Output, Secrets, Service, ServiceState, SideBySide, Socket,
        Stack, StackError, StackInfo, Version,
    },
};

/// Who started the services.
#[derive(Debug)]
pub enum Owner {
    Run(OwnContainers),
    Operator(Box<Permissions>),
}

/// The stack of one run.
#[derive(Debug)]
pub struct DockerStack {
    host: Arc<Host>,
    owner: Owner,
    files: GatewayFiles,
    info: StackInfo,
    labels: RunLabels,
    internal: RwLock<SocketAddr>,
    watchdog: Mutex<Option<Watchdog>>,
}

impl DockerStack {
    pub(super) async fn new(
        host: Arc<Host>,
        owner: Owner,
        files: GatewayFiles,
        secrets: Secrets,
        labels: RunLabels,
        watchdog: Option<Watchdog>,
    ) -> Result<Self, StackError> {
        host.member(Service::Gateway)?.remember().await?;
        let internal = host.internal().await?.or_else(|| match &owner {
            // Whether the gateway starts at all is an item's to judge.
            Owner::Run(own) => own
                .addresses
                .get(&Service::Gateway)
                .map(|ip| (*ip, INTERNAL_PORT).into()),
            Owner::Operator(_) => None,
        });
        let internal = internal.ok_or_else(|| StackError::Service {
            service: Service::Gateway,
            what: "the gateway has no address of its own".to_owned(),
        })?;
        let permissions = match &owner {
            Owner::Run(_) => None,
            Owner::Operator(permissions) => Some(permissions),
        };
        Ok(Self {
            info: StackInfo {
                kind: host.kind,
                endpoints: host.endpoints.clone(),
                secrets,
                config: host.config_path.clone(),
                shared: permissions.is_some(),
                runs_candidate: permissions
                    .is_some_and(|permissions| !permissions.allowed().deploy),
                real_upstream: false,
            },
            host,
            owner,
            files,
            labels,
            internal: RwLock::new(internal),
            watchdog: Mutex::new(watchdog),
        })
    }

    fn permissions(&self) -> Option<&Permissions> {
        match &self.owner {
            Owner::Run(_) => None,
            Owner::Operator(permissions) => Some(permissions),
        }
    }

    /// The Lua modules and pages of a version, which a deployment keeps as they are.
    fn assets(&self, own: &OwnContainers, version: Version) -> Result<Vec<u8>, StackError> {
        let GatewayFiles {
            lua,
            html,
            baseline_lua,
            baseline_html,
            ..
        } = &self.files;
        let (lua, html) = match version {
            Version::Candidate => (lua, html),
            Version::Baseline => (
                baseline_lua.as_ref().unwrap_or(lua),
                baseline_html.as_ref().unwrap_or(html),
            ),
        };
        let [lua_path, html_path] = own.assets;
        let packed = Archive::of(|archive| {
            archive.copy(lua, lua_path)?;
            archive.copy(html, html_path)
        });
        packed.map_err(|source| StackError::Io {
            what: "packing Lua modules and pages".to_owned(),
            service: Service::Gateway,
            source,
        })
    }
}

#[async_trait]
impl Stack for DockerStack {
    fn info(&self) -> &StackInfo {
        &self.info
    }

    fn internal(&self) -> SocketAddr {
        *self.internal.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn redis(&self) -> Redis {
        self.host.redis.clone()
    }

    async fn may(&self, act: Act<'_>) -> Result<(), StackError> {
        match self.permissions() {
            Some(permissions) => permissions.authorize(act).await,
            None => Ok(()),
        }
    }

    fn given_session(&self, email: &str) -> Option<SecretString> {
        self.permissions()?.given_session(email)
    }

    async fn components(&self) -> Result<Vec<Component>, StackError> {
        self.host.components().await
    }

    async fn deploy_assets(&self, version: Version) -> Result<(), StackError> {
        let same = self.files.baseline_lua.is_none() && self.files.baseline_html.is_none();
        match &self.owner {
            Owner::Run(own) if !same => {
                let archive = self.assets(own, version)?;
                let gateway = self.host.member(Service::Gateway)?;
                gateway.replace_directories(&own.assets, archive).await
            }
            _ => Ok(()),
        }
    }

    async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        self.host.member(Service::Gateway)?.gateway_exec(args).await
    }

    async fn read_file(&self, service: Service, path: &Path) -> Result<Vec<u8>, StackError> {
        self.host.member(service)?.read_file(path).await
    }

    async fn write_file(
        &self,
        service: Service,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError> {
        self.may(Act::WriteFile(path)).await?;
        match self.permissions() {
            None => self.host.member(service)?.write_file(path, content).await,
            Some(permissions) if service == Service::Gateway => {
                permissions.write_file(path, content).await
            }
            Some(_) => Err(StackError::Unsupported {
                kind: self.host.kind,
                what: "write files of other services than the gateway",
            }),
        }
    }

    async fn restart(&self, service: Service) -> Result<(), StackError> {
        self.may(Act::Restart).await?;
        self.host.member(service)?.restart().await?;
        // The run's own keeps its address; that it does not is interference.
        if service == Service::Gateway
            && self.permissions().is_some()
            && let Some(address) = self.host.internal().await?
        {
            *self
                .internal
                .write()
                .unwrap_or_else(PoisonError::into_inner) = address;
        }
        Ok(())
    }

    async fn kill(&self, service: Service) -> Result<(), StackError> {
        match self.owner {
            Owner::Run(_) => self.host.member(service)?.kill().await,
            Owner::Operator(_) => Err(StackError::Unsupported {
                kind: self.host.kind,
                what: "kill a service of a deployment",
            }),
        }
    }

    async fn state(&self, service: Service) -> Result<ServiceState, StackError> {
        self.host.member(service)?.state().await
    }

    async fn sockets(&self, service: Service) -> Result<Vec<Socket>, StackError> {
        self.host.member(service)?.sockets().await
    }

    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        self.host.member(service)?.log_cursor().await
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        self.host.member(service)?.log_since(cursor).await
    }

    async fn log_settled(&self, service: Service) -> Result<(), StackError> {
        // It writes a line of its own. A run that only reads does not need it: it asserts the absence
        // of nothing.
        if self.permissions().is_some_and(Permissions::only_reads) {
            return Ok(());
        }
        self.host.member(service)?.log_settled().await
    }

    async fn append_log(&self, service: Service, line: &str) -> Result<Vec<String>, StackError> {
        self.may(Act::WriteLog).await?;
        self.host.member(service)?.append_log(line).await
    }

    async fn overrun(&self) -> Option<String> {
        match self.owner {
            Owner::Run(_) => self.host.member(Service::Gateway).ok()?.overrun().await,
            Owner::Operator(_) => None,
        }
    }

    async fn interference(&self, _answered: bool) -> Option<String> {
        match self.host.member(Service::Gateway) {
            Ok(gateway) => gateway.interference().await,
            Err(error) => Some(error.to_string()),
        }
    }

    async fn side_by_side(&self) -> Result<Box<dyn SideBySide>, StackError> {
        self.may(Act::StartBeside).await?;
        let io = |source| StackError::Io {
            what: "reading the configurations to compare".to_owned(),
            service: Service::Gateway,
            source,
        };
        let mut watchdog = self.watchdog.lock().await;
        if watchdog.is_none() {
            *watchdog = Some(Watchdog::start(&self.labels.run).map_err(io)?);
        }
        drop(watchdog);
        let (places, volumes) = match &self.owner {
            Owner::Run(own) => (own.gateway_files.clone(), own.gateway_volumes.clone()),
            Owner::Operator(permissions) => (permissions.mounted_paths(), Vec::new()),
        };
        let model = Model {
            engine: &self.host.engine,
            gateway: &self.host.member(Service::Gateway)?.id,
            places,
            volumes,
            config_path: &self.host.config_path,
            labels: self.labels.all.clone(),
            name: format!("verify-{}-beside", self.labels.run),
        };
        let variant = |version, config: &Path| -> Result<Variant, StackError> {
            Ok(Variant {
                version,
                config: fs::read(config).map_err(io)?,
                files: match &self.owner {
                    Owner::Run(own) => Some(self.assets(own, version)?),
                    Owner::Operator(_) => None,
                },
            })
        };
        let baseline = variant(Version::Baseline, &self.files.baseline)?;
        let candidate = variant(Version::Candidate, &self.files.candidate)?;
        Ok(Box::new(Pair::start(&model, &baseline, &candidate).await?))
    }

    /// Removes what the run started. What it made in a deployment is undone by the parent process,
    /// since this one may be killed before it comes to that.
    async fn down(&self) {
        if let Owner::Run(own) = &self.owner {
            own.remove().await;
        }
        if let Some(watchdog) = self.watchdog.lock().await.take()
            && let Err(error) = watchdog.finish().await
        {
            tracing::error!(%error, "containers of this run may be left; `verify cleanup` removes them");
        }
    }
}
