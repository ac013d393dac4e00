//! The embedded stack: the real programs as processes in private namespaces.
//!
//! [`launch`] is the parent's half; [`Sandbox`] is what the worker inside makes of it.

use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::Path};

use async_trait::async_trait;
use tokio::sync::Mutex;

mod answers;
mod cgroup;
mod components;
mod confine;
mod filesystem;
mod guard;
mod interference;
mod launch;
mod layout;
mod limits;
mod logs;
mod names;
mod nginx;
mod process;
mod procfs;
pub mod protection;
mod services;
mod settle;
mod side_by_side;
mod sockets;
mod upstream;

pub use cgroup::{Group, enter};
pub use guard::guard;
pub use launch::{Launch, become_user, close_inherited, inputs, launch};
pub use settle::settle_in;
pub use side_by_side::member;

use self::{confine::Tools, process::Process, services::Doubles};
use super::{
    Endpoints, LogChunk, LogCursor, Output, Service, ServiceState, SideBySide, Socket, Stack,
    StackError, StackInfo, Version, keys::Keys, programs::Programs, redis_acl,
};
use crate::{
    model::input::GatewayFiles, model::run::Component, probe::redis::Redis, profile::Profile,
};

#[derive(Debug)]
pub struct Sandbox {
    programs: Programs,
    files: GatewayFiles,
    info: StackInfo,
    redis: Redis,
    processes: BTreeMap<Service, Mutex<Process>>,
    doubles: Mutex<Doubles>,
    gateway_env: Vec<(String, String)>,
    limits: limits::Watch,
}

impl Sandbox {
    /// Lays the tree, starts everything side by side with the baseline deployed, and returns
    /// when every service but the gateway answers: whether the gateway does is an item's to say.
    ///
    /// # Errors
    /// A file that cannot be laid, a program that cannot be started or does not answer.
    pub async fn up(
        programs: Programs,
        files: GatewayFiles,
        profile: &Profile,
    ) -> Result<Self, StackError> {
        let laid = layout::lay(&files, programs.openresty)
            .and_then(|()| layout::deploy_assets(&files, Version::Baseline))
            .and_then(|()| fs::read_to_string(&files.baseline))
            .and_then(|config| fs::write(layout::CONFIG, &config).map(|()| config));
        let config = laid.map_err(|source| StackError::Io {
            what: "laying the gateway's files".to_owned(),
            service: Service::Gateway,
            source,
        })?;
        let keys = Keys::fresh(profile)?;
        // First, since it takes longest to be up.
        let tools = Tools::of(&programs);
        let real_upstream = match &programs.litellm {
            Some(litellm) => {
                let spec = upstream::spec(litellm, profile, &keys)?;
                Some(Process::start(&tools, spec).await?)
            }
            None => None,
        };
        let mut doubles = Doubles::start(profile, &keys, real_upstream.is_some()).await?;
        let gateway_env = services::gateway_env(&keys, profile);
        let gateway = services::gateway(&programs, &files, &config, &gateway_env);
        let auth = services::auth(&files, profile, &keys)?;
        // oauth2-proxy asks for neither Redis nor the gateway before it answers.
        let (auth, gateway, redis) = tokio::try_join!(
            Process::start(&tools, auth),
            Process::start(&tools, gateway),
            Process::start(&tools, services::redis(&programs, profile, &keys)),
        )?;
        tokio::try_join!(answers::redis_answers(), answers::auth_answers())?;
        if real_upstream.is_some() {
            upstream::answers(profile, &keys).await?;
        }
        doubles.check()?;
        let limits = limits::Watch::begin(gateway.pid());
        let processes = [
            (Service::Redis, redis),
            (Service::Gateway, gateway),
            (Service::Auth, auth),
        ]
        .into_iter()
        .chain(real_upstream.map(|process| (Service::Upstream, process)))
        .map(|(service, process)| (service, Mutex::new(process)));
        Ok(Self {
            files,
            redis: Redis::at_socket(&layout::redis_socket())
                .as_user(redis_acl::VERIFY, keys.redis_verify.clone()),
            info: StackInfo {
                kind: "sandbox",
                endpoints: endpoints(profile),
                config: layout::CONFIG.into(),
                shared: false,
                runs_candidate: false,
                real_upstream: programs.litellm.is_some(),
                secrets: keys.into_secrets(),
            },
            programs,
            processes: processes.collect(),
            doubles: Mutex::new(doubles),
            gateway_env,
            limits,
        })
    }

    fn process(&self, service: Service) -> Result<&Mutex<Process>, StackError> {
        self.processes.get(&service).ok_or(StackError::Unsupported {
            kind: "sandbox",
            what: "look into a double as a process",
        })
    }

    fn io(service: Service, what: impl Into<String>) -> impl FnOnce(io::Error) -> StackError {
        let what = what.into();
        move |source| StackError::Io {
            what,
            service,
            source,
        }
    }
}

fn endpoints(profile: &Profile) -> Endpoints {
    Endpoints {
        addresses: BTreeMap::from([
            (
                (profile.site.host.clone(), profile.site.port),
                layout::local(80),
            ),
            (
                ("auth0".to_owned(), layout::IDP_PORT),
                layout::local(layout::IDP_PORT),
            ),
        ]),
        upstream: Some(layout::local(layout::UPSTREAM_PORT)),
        idp: Some(layout::local(layout::IDP_PORT)),
        auth: layout::local(layout::AUTH_PORT),
    }
}

#[async_trait]
impl Stack for Sandbox {
    fn info(&self) -> &StackInfo {
        &self.info
    }

    fn internal(&self) -> SocketAddr {
        layout::local(8080)
    }

    fn redis(&self) -> Redis {
        self.redis.clone()
    }

    async fn components(&self) -> Result<Vec<Component>, StackError> {
        components::found(&self.programs).await
    }

    async fn deploy_assets(&self, version: Version) -> Result<(), StackError> {
        layout::deploy_assets(&self.files, version).map_err(Self::io(
            Service::Gateway,
            "deploying Lua modules and pages",
        ))
    }

    async fn gateway_exec(&self, args: &[&str]) -> Result<Output, StackError> {
        // `-g` must fit the configuration that `-c` names, or else the deployed one.
        let config = args
            .iter()
            .position(|arg| *arg == "-c")
            .and_then(|at| args.get(at + 1))
            .map_or(Path::new(layout::CONFIG), Path::new);
        let text = fs::read(config).map_err(Self::io(
            Service::Gateway,
            format!("reading {}", config.display()),
        ))?;
        let mut all = nginx::args(&self.programs, &String::from_utf8_lossy(&text), config);
        all.extend(
            args.iter()
                .filter(|arg| **arg != "-c" && Path::new(arg) != config)
                .map(ToString::to_string),
        );
        let spec = services::gateway_program(&self.programs, &self.files, all, &self.gateway_env);
        // A signal reaches the master only from its own PID namespace.
        let beside = match args.contains(&"-s") {
            true => Some(self.process(Service::Gateway)?.lock().await.pid()),
            false => None,
        };
        spec.output(&Tools::of(&self.programs), beside).await
    }

    async fn read_file(&self, service: Service, path: &Path) -> Result<Vec<u8>, StackError> {
        fs::read(path).map_err(Self::io(service, format!("reading {}", path.display())))
    }

    async fn write_file(
        &self,
        service: Service,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError> {
        fs::write(path, content).map_err(Self::io(service, format!("writing {}", path.display())))
    }

    async fn restart(&self, service: Service) -> Result<(), StackError> {
        if matches!(service, Service::Upstream | Service::Idp) {
            return self.doubles.lock().await.restart(service).await;
        }
        let mut process = self.process(service)?.lock().await;
        if service == Service::Gateway {
            let config =
                fs::read(layout::CONFIG).map_err(Self::io(service, "reading the configuration"))?;
            process.stop().await?;
            interference::ports_free()?;
            let spec = services::gateway(
                &self.programs,
                &self.files,
                &String::from_utf8_lossy(&config),
                &self.gateway_env,
            );
            *process = Process::start(&Tools::of(&self.programs), spec).await?;
            self.limits.follow(process.pid());
            return Ok(());
        }
        process.restart().await
    }

    async fn kill(&self, service: Service) -> Result<(), StackError> {
        match service {
            Service::Upstream | Service::Idp => {
                self.doubles.lock().await.stop(service).await;
                Ok(())
            }
            _ => self.process(service)?.lock().await.kill().await,
        }
    }

    async fn state(&self, service: Service) -> Result<ServiceState, StackError> {
        let mut process = self.process(service)?.lock().await;
        let pid = process.pid();
        let alive = procfs::instance(pid);
        Ok(ServiceState {
            running: process.running(),
            main: alive.unwrap_or(super::Instance { pid, started: 0 }),
            workers: procfs::children(pid).map_err(Self::io(service, "reading /proc"))?,
            // Nothing restarts a program here: one that died stays dead, and is not running.
            restarts: 0,
        })
    }

    async fn sockets(&self, service: Service) -> Result<Vec<Socket>, StackError> {
        let state = self.state(service).await?;
        let processes: Vec<u32> = std::iter::once(&state.main)
            .chain(&state.workers)
            .map(|process| process.pid)
            .collect();
        procfs::sockets(&processes).map_err(Self::io(service, "reading the socket table"))
    }

    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        logs::cursor(service, self.process(service)?.lock().await.pid())
            .map_err(Self::io(service, "reading the log"))
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        logs::since(service, self.process(service)?.lock().await.pid(), cursor)
            .map_err(Self::io(service, "reading the log"))
    }

    async fn append_log(&self, service: Service, line: &str) -> Result<Vec<String>, StackError> {
        logs::append(service, self.process(service)?.lock().await.pid(), line)
            .map_err(Self::io(service, "writing to the log"))
    }

    fn posed(&self) -> Option<String> {
        self.limits.posed()
    }

    async fn overrun(&self) -> Option<String> {
        self.limits.hit()
    }

    async fn interference(&self, answered: bool) -> Option<String> {
        if let Some(full) = interference::full_disk() {
            return Some(full);
        }
        for (service, process) in &self.processes {
            // Only of the gateway's own ending can it be told whose doing it is.
            let answered = answered || *service != Service::Gateway;
            let mut process = process.lock().await;
            let found = interference::with_program(*service, &mut process, answered).await;
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn service_log(&self, service: Service) -> Option<std::path::PathBuf> {
        Some(layout::log_file(service.name(), "stderr"))
    }

    async fn side_by_side(&self) -> Result<Box<dyn SideBySide>, StackError> {
        Ok(Box::new(
            side_by_side::Pair::start(&self.programs, &self.files, &self.gateway_env).await?,
        ))
    }

    async fn down(&self) {
        for process in self.processes.values() {
            // What does not end by itself is ended with the namespace.
            let _ = process.lock().await.kill().await;
        }
        let mut doubles = self.doubles.lock().await;
        doubles.stop(Service::Upstream).await;
        doubles.stop(Service::Idp).await;
    }
}
