//! How the containers of a run are made: each as the compose file describes it, its files copied
//! in, started in the order that they need each other, and waited for by condition.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bollard::{
    errors::Error,
    models::{
        ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig,
        Ipam, IpamConfig, NetworkCreateRequest, NetworkingConfig, ResourcesUlimits,
    },
    query_parameters::CreateContainerOptionsBuilder,
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
    model::input::GatewayFiles,
    profile::Profile,
    stack::{
        Service,
        keys::{Keys, clear},
        redis_acl::{Dialect, acl},
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

/// How often a network is tried: its addresses may be another's in the meantime.
const NETWORK_TRIES: usize = 5;

/// The gateway's name in the compose file.
pub const GATEWAY: &str = "openresty";

/// Every service with its name in the compose file, which is its host name too.
pub const SERVICES: [(Service, &str); 5] = [
    (Service::Gateway, GATEWAY),
    (Service::Auth, "oauth2-proxy"),
    (Service::Redis, "redis"),
    (Service::Upstream, "litellm"),
    (Service::Idp, "auth0"),
];

/// A container of the run. Nothing is published: its address is its own, and stays.
#[derive(Clone)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// Its address on the run's network.
    pub address: Ipv4Addr,
    /// Its volumes.
    pub volumes: Vec<String>,
}

/// The run's network: internal, with an address for each service.
struct Network {
    name: String,
    first: Ipv4Addr,
}

/// What every container of a run is made with.
pub struct Maker {
    /// The engine.
    pub engine: Engine,
    run: String,
    /// The labels of everything that the run makes.
    pub labels: HashMap<String, String>,
    network: Network,
    folder: PathBuf,
    file: ComposeFile,
    /// The services' images.
    pub images: BTreeMap<Service, Image>,
    lualib: Option<PathBuf>,
}

/// What the container of a run's service is called.
pub fn name(run: &str, service: &str) -> String {
    format!("verify-{run}-{service}")
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
        for (service, name) in SERVICES {
            let image = images::need(&engine, &described(&file, name)?.image).await?;
            found.insert(service, image);
        }
        let labels = labels::of_run(run, &setup.owner);
        // The run has one network, which is internal.
        if let [name, ..] = file.outside().as_slice() {
            let what = format!("{}: {name} is in no internal network", compose_file::FILE);
            return Err(EngineError::new(what));
        }
        let network = Network::make(&engine, &format!("verify-{run}"), &labels).await?;
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
    pub async fn start(&self) -> Result<BTreeMap<Service, Made>, EngineError> {
        let make = |service| self.make(service);
        let (redis, upstream, idp, auth, gateway) = tokio::try_join!(
            self.started(Service::Redis),
            self.started(Service::Upstream),
            self.started(Service::Idp),
            make(Service::Auth),
            make(Service::Gateway),
        )?;
        let at = |made: &Made, port: u16| SocketAddr::from((made.address, port));
        self.answers(Service::Idp, &idp.id, at(&idp, IDP_PORT), HEALTH)
            .await?;
        self.run(Service::Auth, &auth).await?;
        self.run(Service::Gateway, &gateway).await?;
        tokio::try_join!(
            self.answers(Service::Redis, &redis.id, at(&redis, REDIS_PORT), PING),
            self.answers(
                Service::Upstream,
                &upstream.id,
                at(&upstream, UPSTREAM_PORT),
                HEALTH
            ),
            self.answers(Service::Auth, &auth.id, at(&auth, AUTH_PORT), AUTH_PING),
        )?;
        Ok(BTreeMap::from([
            (Service::Redis, redis),
            (Service::Upstream, upstream),
            (Service::Idp, idp),
            (Service::Auth, auth),
            (Service::Gateway, gateway),
        ]))
    }

    async fn started(&self, service: Service) -> Result<Made, EngineError> {
        let made = self.make(service).await?;
        self.run(service, &made).await?;
        Ok(made)
    }

    fn named(&self, service: Service) -> Result<(&'static str, Ipv4Addr, &Described), EngineError> {
        let (at, (_, name)) = (0_u32..)
            .zip(SERVICES)
            .find(|(_, (known, _))| *known == service)
            .ok_or_else(|| EngineError::new(format!("no service {service}")))?;
        let address = Ipv4Addr::from_bits(self.network.first.to_bits() + at);
        Ok((name, address, described(&self.file, name)?))
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

    /// Where a service's files are: its root directory cannot be written.
    pub fn volumes(&self, service: Service) -> Result<Vec<String>, EngineError> {
        let (_, _, described) = self.named(service)?;
        let mut volumes = described.empty_volumes();
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

    /// Creates a container with its files in place.
    async fn make(&self, service: Service) -> Result<Made, EngineError> {
        let (name, address, described) = self.named(service)?;
        let what = format!("creating the container of {name}");
        let endpoint = EndpointSettings {
            aliases: Some(vec![name.to_owned()]),
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(address.to_string()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let environment = described
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let given = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
        let volumes = self.volumes(service)?;
        let body = ContainerCreateBody {
            image: Some(described.image.clone()),
            hostname: Some(name.to_owned()),
            entrypoint: given(&described.entrypoint),
            cmd: given(&described.command),
            env: Some(environment.collect()),
            labels: Some(self.labels.clone()),
            stop_signal: described.stop_signal.clone(),
            volumes: Some(volumes.clone()),
            host_config: Some(HostConfig {
                network_mode: Some(self.network.name.clone()),
                ..confined(described)
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.network.name.clone(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default()
            .name(&self::name(&self.run, name))
            .build();
        let made = self
            .engine
            .docker
            .create_container(Some(options), body)
            .await
            .map_err(|error| EngineError::of(&what, &error))?;
        let mounts = self.mounts(service)?;
        let archive = packed(&mounts)
            .map_err(|error| EngineError::new(format!("{what}: packing its files: {error}")))?;
        upload(&self.engine, &made.id, &volumes, &archive).await?;
        Ok(Made {
            id: made.id,
            address,
            volumes,
        })
    }

    async fn run(&self, service: Service, made: &Made) -> Result<(), EngineError> {
        let started = self.engine.docker.start_container(&made.id, None).await;
        started.map_err(|error| EngineError::of(&format!("starting {service}"), &error))
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

impl Network {
    /// Makes one with addresses of its own choice: those that the engine chooses, asked for by
    /// name, since only then a container can have a fixed one.
    async fn make(
        engine: &Engine,
        name: &str,
        labels: &HashMap<String, String>,
    ) -> Result<Self, EngineError> {
        let failed = |error: &Error| EngineError::of("creating a network", error);
        let request = |ipam: Option<Ipam>| NetworkCreateRequest {
            name: name.to_owned(),
            // No way out. This machine reaches it, since it is its bridge.
            internal: Some(true),
            labels: Some(labels.clone()),
            ipam,
            ..NetworkCreateRequest::default()
        };
        let docker = &engine.docker;
        let mut tries = 0;
        loop {
            let made = docker.create_network(request(None)).await;
            made.map_err(|error| failed(&error))?;
            let found = docker.inspect_network(name, None).await;
            let ipam = found.map_err(|error| failed(&error))?.ipam;
            let removed = docker.remove_network(name).await;
            removed.map_err(|error| failed(&error))?;
            let subnet = ipam
                .and_then(|ipam| ipam.config)
                .into_iter()
                .flatten()
                .find_map(|config| Subnet::parse(&config.subnet?))
                .ok_or_else(|| EngineError::new("creating a network: it has no IPv4 addresses"))?;
            match docker.create_network(request(Some(subnet.ipam()))).await {
                Ok(_) => {
                    return Ok(Self {
                        name: name.to_owned(),
                        first: subnet.host(2),
                    });
                }
                Err(error) if tries == NETWORK_TRIES => return Err(failed(&error)),
                Err(_) => tries += 1,
            }
        }
    }
}

/// `172.18.0.0/16`
#[derive(Clone, Copy, Debug)]
struct Subnet {
    base: u32,
    prefix: u32,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = text.split_once('/')?;
        let base: Ipv4Addr = base.parse().ok()?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 27)?;
        Some(Self {
            base: base.to_bits(),
            prefix,
        })
    }

    fn host(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + number)
    }

    /// With addresses for the services in its lower half; the engine gives those of the upper.
    fn ipam(self) -> Ipam {
        let half = 1_u32 << (31 - self.prefix);
        let config = IpamConfig {
            subnet: Some(format!("{}/{}", self.host(0), self.prefix)),
            ip_range: Some(format!("{}/{}", self.host(half), self.prefix + 1)),
            gateway: Some(self.host(1).to_string()),
            ..IpamConfig::default()
        };
        Ipam {
            config: Some(vec![config]),
            ..Ipam::default()
        }
    }
}

/// What confines a service.
fn confined(described: &Described) -> HostConfig {
    let limit = |name: &str, value: i64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(value),
        hard: Some(value),
    };
    let ulimits = &described.ulimits;
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
        pids_limit: Some(described.pids_limit),
        memory: Some(described.mem_limit),
        memory_swap: Some(described.memswap_limit),
        ulimits: Some(vec![
            limit("fsize", ulimits.fsize),
            limit("core", ulimits.core),
        ]),
        init: described.init,
        ..HostConfig::default()
    }
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
    let lua = files.baseline_lua.as_ref().unwrap_or(&files.lua);
    let html = files.baseline_html.as_ref().unwrap_or(&files.html);
    [
        ("VERIFY_JWT_SECRET", clear(&keys.jwt)),
        ("VERIFY_LITELLM_MASTER_KEY", clear(&keys.master)),
        ("VERIFY_LITELLM_SHARED_KEY", clear(&keys.shared)),
        ("VERIFY_CLIENT_SECRET", clear(&keys.client)),
        ("VERIFY_COOKIE_SECRET", clear(&keys.cookie)),
        ("VERIFY_CONTROL_TOKEN", clear(&keys.control)),
        ("VERIFY_REDIS_AUTH_PASSWORD", clear(&keys.redis_auth)),
        (
            "VERIFY_REDIS_USERS",
            acl(
                &profile.login.cookie,
                profile.redis.sessions,
                keys,
                // The start script turns them into Redis 6's where that is what the image has.
                Dialect::Seven,
            )
            .join("; "),
        ),
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
