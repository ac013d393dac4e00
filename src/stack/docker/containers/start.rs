//! The services of a run, started through testcontainers as the compose file describes them: on one
//! internal network, files copied in, in the order that they need each other.
//!
//! testcontainers copies into the root directory alone, which cannot be written here. So a service
//! with files of its own waits as a shell in its container until they are laid in its volumes.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bollard::models::{
    HostConfig, HostConfigLogConfig, Mount as VolumeMount, NetworkCreateRequest, ResourcesUlimits,
};
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt as _, runners::AsyncRunner as _,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Mutex,
};

use super::super::{
    archive::Archive,
    compose_file::{self, ComposeFile, Mount, Service as Described},
    container::{last_lines, upload},
    engine::{Context as _, Engine, EngineError},
    host::AUTH_PORT,
    labels::RunLabels,
};
use crate::stack::Service;

/// Where the gateway's configuration, Lua modules and pages are deployed.
pub const CONFIG: &str = "/usr/local/openresty/nginx/conf/nginx.conf";
const LUA: &str = "/usr/local/openresty/lualib/custom";
const HTML: &str = "/usr/local/openresty/nginx/html";
/// Where further `resty.*` modules are laid.
const LUALIB: &str = "/usr/local/openresty/lualib/resty";

/// The file that lets a waiting service begin, in the volume of its start script.
const LAID: &str = "/opt/verify/laid";
/// Waits for it, then becomes the program.
const WAIT: &str = "until [ -e /opt/verify/laid ]; do sleep 0.02 || sleep 1; done; exec \"$@\"";

pub const REDIS_PORT: u16 = 6379;
pub const UPSTREAM_PORT: u16 = 4000;
pub const IDP_PORT: u16 = 9000;

/// How long a supporting service has to answer after its start.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// Between two questions.
const POLL: Duration = Duration::from_millis(5);

const PING: (&[u8], &str) = (b"PING\r\n", "+PONG");
const AUTH_PING: (&[u8], &str) = (b"GET /ping HTTP/1.0\r\n\r\n", " 200 ");
const HEALTH: (&[u8], &str) = (
    b"GET /__verify/health HTTP/1.0\r\nHost: verify\r\n\r\n",
    " 200 ",
);

/// A service's name in the compose file, which is its host name too.
pub fn name(service: Service) -> &'static str {
    match service {
        Service::Gateway => "openresty",
        Service::Auth => "oauth2-proxy",
        Service::Redis => "redis",
        Service::Upstream => "litellm",
        Service::Idp => "auth0",
    }
}

/// The name of a service's container.
pub fn container_name(run: &str, service: Service) -> String {
    format!("verify-{run}-{}", name(service))
}

/// The containers of a run, as far as the stack needs to know how they were started.
pub struct OwnContainers {
    pub addresses: BTreeMap<Service, IpAddr>,
    /// Where the gateway's files can be written.
    pub gateway_volumes: Vec<String>,
    /// The gateway's files, by their paths.
    pub gateway_files: Vec<String>,
    /// Where Lua modules and pages are deployed.
    pub assets: [&'static str; 2],
    started: Mutex<Vec<ContainerAsync<GenericImage>>>,
}

impl std::fmt::Debug for OwnContainers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OwnContainers")
            .field(&self.addresses)
            .finish()
    }
}

impl OwnContainers {
    /// Removes them. What cannot be removed here is left to the watchdog.
    pub async fn remove(&self) {
        let started = std::mem::take(&mut *self.started.lock().await);
        let removals = started.into_iter().map(ContainerAsync::rm);
        for removed in futures::future::join_all(removals).await {
            if let Err(error) = removed {
                tracing::warn!(%error, "a container was not removed at once");
            }
        }
    }
}

/// A container that was started.
pub struct Started {
    pub id: String,
    pub address: IpAddr,
    pub volumes: Vec<String>,
}

/// What every container of a run is started with.
pub struct Starter<'a> {
    pub engine: &'a Engine,
    pub labels: &'a RunLabels,
    pub file: &'a ComposeFile,
    /// The folder that the file's paths are relative to.
    pub folder: &'a Path,
    /// Further `resty.*` modules for the gateway.
    pub lualib: Option<&'a PathBuf>,
}

impl Starter<'_> {
    /// Starts all and returns when every service but the gateway answers.
    ///
    /// # Errors
    /// What the engine does not do; a service that does not answer.
    pub async fn start(&self) -> Result<(BTreeMap<Service, Started>, OwnContainers), EngineError> {
        self.make_network().await?;
        let (redis, upstream, idp, auth) = tokio::try_join!(
            self.start_one(Service::Redis),
            self.start_one(Service::Upstream),
            self.start_one(Service::Idp),
            self.start_one(Service::Auth),
        )?;
        // The engine gives the lowest free address. The gateway comes last: where it has ended by its
        // own doing, a service that is restarted is not given its address in place of its own.
        let gateway = async {
            let gateway = self.start_one(Service::Gateway).await?;
            self.lay(Service::Gateway, &gateway.0).await?;
            self.begin(&gateway.0).await?;
            Ok(gateway)
        };
        let ((), (), (), gateway) = tokio::try_join!(
            async {
                self.lay(Service::Redis, &redis.0).await?;
                self.begin(&redis.0).await?;
                self.answers(Service::Redis, &redis.0, REDIS_PORT, PING)
                    .await
            },
            self.answers(Service::Upstream, &upstream.0, UPSTREAM_PORT, HEALTH),
            async {
                // oauth2-proxy asks the identity provider when it begins.
                tokio::try_join!(
                    self.lay(Service::Auth, &auth.0),
                    self.answers(Service::Idp, &idp.0, IDP_PORT, HEALTH),
                )?;
                self.begin(&auth.0).await?;
                self.answers(Service::Auth, &auth.0, AUTH_PORT, AUTH_PING)
                    .await
            },
            gateway,
        )?;
        let mut services = BTreeMap::new();
        let mut started = Vec::new();
        for (service, (one, container)) in [
            (Service::Gateway, gateway),
            (Service::Auth, auth),
            (Service::Redis, redis),
            (Service::Upstream, upstream),
            (Service::Idp, idp),
        ] {
            services.insert(service, one);
            started.push(container);
        }
        let files = self.mounts(Service::Gateway)?.into_iter();
        let own = OwnContainers {
            addresses: services
                .iter()
                .map(|(service, one)| (*service, one.address))
                .collect(),
            gateway_volumes: self.volumes(Service::Gateway)?,
            gateway_files: files
                .map(|mount| mount.target)
                .chain([LAID.to_owned()])
                .collect(),
            assets: [LUA, HTML],
            started: Mutex::new(started),
        };
        Ok((services, own))
    }

    fn network(&self) -> String {
        format!("verify-{}", self.labels.run)
    }

    /// The run's one network. It has no way out: testcontainers would make one that has. This machine
    /// reaches the services at their addresses, since it is the network's bridge.
    async fn make_network(&self) -> Result<(), EngineError> {
        if let [name, ..] = self.file.outside().as_slice() {
            let what = format!("{}: {name} is in no internal network", compose_file::FILE);
            return Err(EngineError::new(what));
        }
        let request = NetworkCreateRequest {
            name: self.network(),
            internal: Some(true),
            labels: Some(self.labels.all.clone()),
            ..NetworkCreateRequest::default()
        };
        let made = self.engine.docker.create_network(request).await;
        made.map(drop).context("creating a network")
    }

    async fn start_one(
        &self,
        service: Service,
    ) -> Result<(Started, ContainerAsync<GenericImage>), EngineError> {
        let volumes = self.volumes(service)?;
        let container = self.request(service, &volumes)?.start().await;
        let container = container.context(format_args!("starting {service}"))?;
        let address = container.get_bridge_ip_address().await;
        let started = Started {
            id: container.id().to_owned(),
            address: address.context(format_args!("the address of {service}"))?,
            volumes,
        };
        Ok((started, container))
    }

    fn request(
        &self,
        service: Service,
        volumes: &[String],
    ) -> Result<ContainerRequest<GenericImage>, EngineError> {
        let name = name(service);
        let described = self.file.service(name)?;
        let waiting = ["sh", "-c", WAIT, "sh"].map(str::to_owned);
        let waits = !self.mounts(service)?.is_empty();
        let waiting = waiting.into_iter().filter(|_| waits);
        let mut words = waiting.chain(described.entrypoint.clone());
        let (image, tag) = image_and_tag(&described.image);
        let mut image = GenericImage::new(image, tag);
        if let Some(program) = words.next() {
            image = image.with_entrypoint(&program);
        }
        let confined = confined(described, volumes);
        let mut request = image
            .with_cmd(words)
            .with_container_name(container_name(&self.labels.run, service))
            .with_hostname(name)
            .with_network(self.network())
            .with_labels(&self.labels.all)
            // testcontainers publishes every port that an image exposes, on all addresses.
            .with_host_config_modifier(move |config| {
                *config = HostConfig {
                    network_mode: config.network_mode.take(),
                    ..confined.clone()
                };
            });
        for (name, value) in &described.environment {
            request = request.with_env_var(name, value);
        }
        Ok(request)
    }

    /// What the compose file mounts into a service, which is copied here, and `--lualib`.
    fn mounts(&self, service: Service) -> Result<Vec<Mount>, EngineError> {
        let mut mounts = self.file.service(name(service))?.mounts(self.folder);
        if let (Service::Gateway, Some(lualib)) = (service, self.lualib) {
            mounts.push(Mount {
                source: lualib.clone(),
                target: LUALIB.to_owned(),
            });
        }
        Ok(mounts)
    }

    /// Where a service's files are: its root directory cannot be written.
    fn volumes(&self, service: Service) -> Result<Vec<String>, EngineError> {
        let mut volumes = self.file.service(name(service))?.empty_volumes();
        for mount in self.mounts(service)? {
            let target = Path::new(&mount.target);
            let place = match mount.source.is_dir() {
                true => target,
                false => target.parent().unwrap_or(target),
            };
            volumes.push(place.display().to_string());
        }
        volumes.sort();
        volumes.dedup();
        Ok(volumes)
    }

    /// Copies a service's files into its volumes.
    async fn lay(&self, service: Service, started: &Started) -> Result<(), EngineError> {
        let mounts = self.mounts(service)?;
        let packed = Archive::of(|archive| {
            for Mount { source, target } in &mounts {
                archive.copy(source, target).map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", source.display()))
                })?;
            }
            Ok(())
        });
        let packed = packed.context(format_args!("packing the files of {service}"))?;
        upload(self.engine, &started.id, &started.volumes, &packed).await
    }

    /// Lets a service that waits for its files begin.
    async fn begin(&self, started: &Started) -> Result<(), EngineError> {
        let mark = Archive::of(|archive| archive.file(LAID, 0o644, b""));
        let mark = mark.context("packing a mark")?;
        upload(self.engine, &started.id, &started.volumes, &mark).await
    }

    /// Waits until a service answers what it must, at its own address: an internal network publishes
    /// no port, which testcontainers' own wait for HTTP needs.
    async fn answers(
        &self,
        service: Service,
        started: &Started,
        port: u16,
        (request, expected): (&[u8], &str),
    ) -> Result<(), EngineError> {
        let began = Instant::now();
        loop {
            let seen = exchange((started.address, port).into(), request).await;
            if matches!(&seen, Ok(answer) if answer.contains(expected)) {
                return Ok(());
            }
            let running = self.engine.inspect(&started.id).await?.state;
            let ended = running.and_then(|state| state.running) != Some(true);
            if ended || began.elapsed() > READY_DEADLINE {
                let how = if ended {
                    "it ended".to_owned()
                } else {
                    format!("no answer within {} s", READY_DEADLINE.as_secs())
                };
                let log = last_lines(self.engine, &started.id).await;
                return Err(EngineError::new(format!(
                    "{service}: {how} (last: {seen:?}); {log}"
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut buffer = [0_u8; 256];
        let read = stream.read(&mut buffer).await?;
        Ok(String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(1), answer)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// testcontainers joins the two with a colon again, also where they are a digest's.
fn image_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        // The colon of a registry's port.
        Some((_, tag)) if tag.contains('/') => (image, "latest"),
        Some(parts) => parts,
        None => (image, "latest"),
    }
}

/// The confinement of a service, and its volumes: empty ones of its own, removed with it.
fn confined(described: &Described, volumes: &[String]) -> HostConfig {
    let limit = |name: &str, value: i64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(value),
        hard: Some(value),
    };
    let volume = |target: &String| VolumeMount {
        typ: Some(bollard::models::MountType::VOLUME),
        target: Some(target.clone()),
        ..VolumeMount::default()
    };
    let tmpfs = described.tmpfs.iter().map(|place| {
        let (path, options) = place.split_once(':').unwrap_or((place, ""));
        (path.to_owned(), options.to_owned())
    });
    HostConfig {
        dns: Some(described.dns.clone()),
        log_config: Some(HostConfigLogConfig {
            typ: Some(described.logging.driver.clone()),
            config: Some(described.logging.options.clone()),
        }),
        cap_drop: Some(described.cap_drop.clone()),
        cap_add: Some(described.cap_add.clone()),
        security_opt: Some(described.security_opt.clone()),
        readonly_rootfs: Some(described.read_only),
        tmpfs: Some(tmpfs.collect()),
        mounts: Some(volumes.iter().map(volume).collect()),
        pids_limit: Some(described.pids_limit),
        memory: Some(described.mem_limit),
        memory_swap: Some(described.memswap_limit),
        ulimits: Some(vec![
            limit("fsize", described.ulimits.fsize),
            limit("core", described.ulimits.core),
        ]),
        ..HostConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_keeps_its_registry_tag_and_digest() {
        for (image, name, tag) in [
            ("redis", "redis", "latest"),
            ("redis:7.4.2", "redis", "7.4.2"),
            ("localhost:5000/redis", "localhost:5000/redis", "latest"),
            ("localhost:5000/redis:7", "localhost:5000/redis", "7"),
            ("redis@sha256:00ff", "redis@sha256", "00ff"),
        ] {
            assert_eq!(image_and_tag(image), (name, tag));
        }
    }
}
