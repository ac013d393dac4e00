//! How the containers of a run are made: each as the compose file describes it, its files copied
//! in, started in the order that they need each other, and waited for by condition.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bollard::{
    models::{
        ContainerCreateBody, EndpointSettings, HostConfig, NetworkCreateRequest, NetworkingConfig,
        PortBinding,
    },
    query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder},
};
use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    super::{
        archive::Archive,
        compose_file::{self, ComposeFile, Mount, Service as Described},
        container::upload,
        engine::{Engine, EngineError},
        images::{self, Image},
        labels, pair,
    },
    Setup,
};
use crate::{
    engine::GatewayFiles,
    profile::Profile,
    stack::{
        Service,
        keys::{Keys, clear},
        redis_acl,
    },
};

/// Where further `resty.*` modules are laid.
const LUALIB: &str = "/usr/local/openresty/lualib/resty";

pub const AUTH_PORT: u16 = 4180;
pub const REDIS_PORT: u16 = 6379;
pub const UPSTREAM_PORT: u16 = 4000;
pub const IDP_PORT: u16 = 9000;

/// How long a supporting service has to answer after its start.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// How often it is asked.
const POLL: Duration = Duration::from_millis(5);

/// How often other ports are taken when another program was faster.
const PORT_TRIES: usize = 3;

/// Every service with its name in the compose file, which is its host name too, and the ports
/// that are published for the run.
pub const SERVICES: [(Service, &str, &[u16]); 5] = [
    (Service::Gateway, "openresty", &[80]),
    (Service::Auth, "oauth2-proxy", &[AUTH_PORT]),
    (Service::Redis, "redis", &[REDIS_PORT]),
    (Service::Upstream, "litellm", &[UPSTREAM_PORT]),
    (Service::Idp, "auth0", &[IDP_PORT]),
];

/// A container that was started, with the ports that it is published on.
pub struct Started {
    /// Its id.
    pub id: String,
    /// By the port inside, the port on this machine.
    pub ports: BTreeMap<u16, u16>,
}

/// What every container of a run is made with.
pub struct Maker {
    /// The engine.
    pub engine: Engine,
    run: String,
    /// The labels of everything that the run makes.
    pub labels: HashMap<String, String>,
    network: String,
    folder: PathBuf,
    file: ComposeFile,
    /// The services' images.
    pub images: BTreeMap<Service, Image>,
    lualib: Option<PathBuf>,
}

pub fn is_double(service: Service) -> bool {
    matches!(service, Service::Upstream | Service::Idp)
}

pub fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub fn load(file: &Path, values: &BTreeMap<String, String>) -> Result<ComposeFile, EngineError> {
    ComposeFile::load(file, values).map_err(|error| EngineError::new(error.to_string()))
}

pub fn described<'a>(file: &'a ComposeFile, name: &str) -> Result<&'a Described, EngineError> {
    file.services
        .get(name)
        .ok_or_else(|| EngineError::new(format!("{}: no service {name}", compose_file::FILE)))
}

/// This machine's loopback.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Maker {
    /// With every image at hand and the network made.
    pub async fn new(
        engine: Engine,
        setup: &Setup,
        run: &str,
        files: &GatewayFiles,
        profile: &Profile,
        keys: &Keys,
    ) -> Result<Self, EngineError> {
        let folder = folder(&setup.compose_file).to_owned();
        let mut variables = images::environment(&folder)?;
        let doubles = images::doubles(&engine, &variables).await?;
        variables.extend(values(files, profile, keys));
        variables.insert(images::DOUBLES.to_owned(), doubles.name);
        let file = load(&setup.compose_file, &variables)?;
        let mut found = BTreeMap::new();
        for (service, name, _) in SERVICES {
            let image = images::need(&engine, &described(&file, name)?.image).await?;
            found.insert(service, image);
        }
        let labels = labels::of_run(run, &setup.owner);
        let network = format!("verify-{run}");
        engine
            .docker
            .create_network(NetworkCreateRequest {
                name: network.clone(),
                labels: Some(labels.clone()),
                ..NetworkCreateRequest::default()
            })
            .await
            .map_err(|error| EngineError::of("creating a network", &error))?;
        Ok(Self {
            engine,
            run: run.to_owned(),
            labels,
            network,
            folder,
            file,
            images: found,
            lualib: files.lualib.clone(),
        })
    }

    /// Everything side by side, as far as it can be: oauth2-proxy asks the identity provider
    /// when it starts, and nginx looks its upstreams' names up when it starts.
    pub async fn start(&self) -> Result<BTreeMap<Service, Started>, EngineError> {
        let make = |service| self.make(service);
        let (redis, upstream, idp, auth, gateway) = tokio::try_join!(
            self.started(Service::Redis),
            self.started(Service::Upstream),
            self.started(Service::Idp),
            make(Service::Auth),
            make(Service::Gateway),
        )?;
        let port = |started: &Started, port: u16| {
            local(started.ports.get(&port).copied().unwrap_or_default())
        };
        let idp_at = port(&idp, IDP_PORT);
        self.answers(Service::Idp, &idp.id, idp_at, HEALTH).await?;
        let auth = self.run(Service::Auth, auth).await?;
        let gateway = self.run(Service::Gateway, gateway).await?;
        tokio::try_join!(
            self.answers(Service::Redis, &redis.id, port(&redis, REDIS_PORT), PING),
            self.answers(
                Service::Upstream,
                &upstream.id,
                port(&upstream, UPSTREAM_PORT),
                HEALTH
            ),
            self.answers(Service::Auth, &auth.id, port(&auth, AUTH_PORT), AUTH_PING),
        )?;
        Ok(BTreeMap::from([
            (Service::Redis, redis),
            (Service::Upstream, upstream),
            (Service::Idp, idp),
            (Service::Auth, auth),
            (Service::Gateway, gateway),
        ]))
    }

    async fn started(&self, service: Service) -> Result<Started, EngineError> {
        let made = self.make(service).await?;
        self.run(service, made).await
    }

    fn named(
        &self,
        service: Service,
    ) -> Result<(&'static str, &'static [u16], &Described), EngineError> {
        let (_, name, ports) = SERVICES
            .into_iter()
            .find(|(known, ..)| *known == service)
            .ok_or_else(|| EngineError::new(format!("no service {service}")))?;
        Ok((name, ports, described(&self.file, name)?))
    }

    /// What the compose file mounts into a service, which is copied here, and `--lualib`.
    pub fn mounts(&self, service: Service) -> Result<Vec<Mount>, EngineError> {
        let (_, _, described) = self.named(service)?;
        let mut mounts = described.mounts(&self.folder);
        if let (Service::Gateway, Some(lualib)) = (service, &self.lualib) {
            mounts.push(Mount {
                source: lualib.clone(),
                target: LUALIB.to_owned(),
            });
        }
        Ok(mounts)
    }

    /// Creates a container with its files in place.
    async fn make(&self, service: Service) -> Result<Started, EngineError> {
        let (name, ports, described) = self.named(service)?;
        let what = format!("creating the container of {name}");
        let ports: BTreeMap<u16, u16> = free_ports(ports)
            .map_err(|error| EngineError::new(format!("{what}: no free port: {error}")))?;
        let bindings = ports.iter().map(|(inner, outer)| {
            let binding = PortBinding {
                host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
                host_port: Some(outer.to_string()),
            };
            (format!("{inner}/tcp"), Some(vec![binding]))
        });
        let endpoint = EndpointSettings {
            aliases: Some(vec![name.to_owned()]),
            ..EndpointSettings::default()
        };
        let environment = described
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let given = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
        let body = ContainerCreateBody {
            image: Some(described.image.clone()),
            hostname: Some(name.to_owned()),
            entrypoint: given(&described.entrypoint),
            cmd: given(&described.command),
            env: Some(environment.collect()),
            labels: Some(self.labels.clone()),
            stop_signal: described.stop_signal.clone(),
            exposed_ports: Some(ports.keys().map(|port| format!("{port}/tcp")).collect()),
            host_config: Some(HostConfig {
                network_mode: Some(self.network.clone()),
                port_bindings: Some(bindings.collect()),
                tmpfs: (!described.tmpfs.is_empty()).then(|| {
                    let empty = |path: &String| (path.clone(), String::new());
                    described.tmpfs.iter().map(empty).collect()
                }),
                init: described.init,
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.network.clone(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default()
            .name(&format!("verify-{}-{name}", self.run))
            .build();
        let made = self
            .engine
            .docker
            .create_container(Some(options), body)
            .await
            .map_err(|error| EngineError::of(&what, &error))?;
        let mounts = self.mounts(service)?;
        if !mounts.is_empty() {
            let archive = packed(&mounts)
                .map_err(|error| EngineError::new(format!("{what}: packing its files: {error}")))?;
            upload(&self.engine, &made.id, archive).await?;
        }
        Ok(Started { id: made.id, ports })
    }

    /// Starts a container. Where another program took one of its ports in between, it is made
    /// again with others.
    async fn run(&self, service: Service, made: Started) -> Result<Started, EngineError> {
        let mut made = made;
        let mut tries = 1;
        loop {
            let Err(error) = self.engine.docker.start_container(&made.id, None).await else {
                return Ok(made);
            };
            let said = error.to_string();
            let taken = said.contains("port is already allocated")
                || said.contains("address already in use");
            if !taken || tries == PORT_TRIES {
                return Err(EngineError::of(&format!("starting {service}"), &error));
            }
            tries += 1;
            let options = RemoveContainerOptionsBuilder::default().force(true).build();
            self.engine
                .docker
                .remove_container(&made.id, Some(options))
                .await
                .map_err(|error| EngineError::of("removing a container", &error))?;
            made = self.make(service).await?;
        }
    }

    /// Waits until a service answers what it must.
    async fn answers(
        &self,
        service: Service,
        id: &str,
        address: SocketAddr,
        (ask, expected): (&[u8], &str),
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        loop {
            let seen = exchange(address, ask).await;
            if matches!(&seen, Ok(answer) if answer.contains(expected)) {
                return Ok(());
            }
            let running = self.engine.inspect(id).await?.state;
            let ended = running.and_then(|state| state.running) != Some(true);
            if ended || started.elapsed() > READY_DEADLINE {
                let how = if ended {
                    "it ended".to_owned()
                } else {
                    format!("no answer within {} s", READY_DEADLINE.as_secs())
                };
                return Err(EngineError::new(format!(
                    "{service}: {how} (last: {seen:?}); {}",
                    pair::last_words(&self.engine, id).await
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

const PING: (&[u8], &str) = (b"PING\r\n", "+PONG");
const AUTH_PING: (&[u8], &str) = (b"GET /ping HTTP/1.0\r\n\r\n", " 200 ");
const HEALTH: (&[u8], &str) = (
    b"GET /__verify/health HTTP/1.0\r\nHost: verify\r\n\r\n",
    " 200 ",
);

async fn exchange(address: SocketAddr, ask: &[u8]) -> io::Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(ask).await?;
        let mut buffer = [0_u8; 256];
        let read = stream.read(&mut buffer).await?;
        Ok(String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(1), asked)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A free port of this machine for each of these.
fn free_ports(inner: &[u16]) -> io::Result<BTreeMap<u16, u16>> {
    // All held at once, so that they differ.
    let held: Vec<TcpListener> = inner
        .iter()
        .map(|_| TcpListener::bind(local(0)))
        .collect::<io::Result<_>>()?;
    inner
        .iter()
        .zip(&held)
        .map(|(inner, listener)| Ok((*inner, listener.local_addr()?.port())))
        .collect()
}

fn packed(mounts: &[Mount]) -> io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for mount in mounts {
        archive
            .copy(&mount.source, &mount.target)
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", mount.source.display()))
            })?;
    }
    archive.finish()
}

/// What the compose file's variables are in a run.
fn values(files: &GatewayFiles, profile: &Profile, keys: &Keys) -> BTreeMap<String, String> {
    let path = |path: &Path| path.display().to_string();
    let users: Vec<String> = keys
        .passwords
        .iter()
        .map(|(email, password)| format!("{email}:{}", password.expose_secret()))
        .collect();
    let redis_users = redis_acl::arguments(&redis_acl::acl(
        &profile.login.cookie,
        profile.redis.sessions,
        keys,
        redis_acl::Dialect::Seven,
    ));
    let redis_url = format!(
        "redis://{}:{}@redis:{REDIS_PORT}",
        redis_acl::AUTH,
        clear(&keys.redis_auth)
    );
    let lua = files.baseline_lua.as_ref().unwrap_or(&files.lua);
    let html = files.baseline_html.as_ref().unwrap_or(&files.html);
    [
        ("VERIFY_JWT_SECRET", clear(&keys.jwt)),
        ("VERIFY_LITELLM_MASTER_KEY", clear(&keys.master)),
        ("VERIFY_LITELLM_SHARED_KEY", clear(&keys.shared)),
        ("VERIFY_REDIS_USERS", redis_users.join(" ")),
        ("VERIFY_REDIS_URL", redis_url),
        ("VERIFY_CLIENT_SECRET", clear(&keys.client)),
        ("VERIFY_COOKIE_SECRET", clear(&keys.cookie)),
        ("VERIFY_CONTROL_TOKEN", clear(&keys.control)),
        ("VERIFY_USERS", users.join(" ")),
        ("VERIFY_ADMIN", profile.users.admin.clone()),
        ("VERIFY_MODELS", profile.llm.models.join(" ")),
        (
            "VERIFY_SITE",
            format!("http://{}", profile.site.authority()),
        ),
        (
            "VERIFY_LOGIN_URL",
            format!("http://auth0:{IDP_PORT}/authorize"),
        ),
        ("VERIFY_NGINX_CONF", path(&files.baseline)),
        ("VERIFY_LUA", path(lua)),
        ("VERIFY_HTML", path(html)),
        ("VERIFY_AUTH_PROXY", path(&files.auth_proxy)),
        ("TZ", std::env::var("TZ").unwrap_or_default()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
