//! A deployment that runs already: found by its compose project and service labels, looked at
//! and never changed by this file alone.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bollard::{
    models::{ContainerInspectResponse, ContainerSummary},
    query_parameters::ListContainersOptionsBuilder,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::super::{
    container::{Container, Layout, address},
    engine::{Context as _, Engine, EngineError},
    host::{AUTH_PORT, Host},
    images::{self, Image, ROLE},
    labels::Belongings,
    shell::quoted,
};
use crate::{
    doubles::control::{TOKEN_HEADER, TOKEN_VARIABLE},
    probe::{
        self,
        http::{Http, Request},
        redis::{Redis, RedisCli},
    },
    profile::Profile,
    stack::{Endpoints, Service, StackError},
};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const FILES: &str = "com.docker.compose.project.config_files";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// How a deployment is named on the command line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Named {
    pub project: Option<String>,
    /// The file that it was started with.
    pub compose_file: Option<PathBuf>,
}

/// A deployment, attached to.
#[derive(Debug)]
pub struct Attached {
    /// The compose project.
    pub project: String,
    pub host: Arc<Host>,
    /// The gateway's environment.
    pub env: BTreeMap<String, String>,
    /// The token for the control path of the doubles, where there are any.
    pub control: Option<SecretString>,
    /// What is mounted into the gateway.
    pub mounts: Vec<Mounted>,
    /// The gateway's name as a service of the project, for commands that a person types.
    pub gateway_service: String,
    /// Where oauth2-proxy has a person come back to, as its environment or its arguments say.
    pub redirect_url: Option<String>,
}

/// Something that is mounted into the gateway.
#[derive(Clone, Debug)]
pub struct Mounted {
    /// In the container.
    pub at: PathBuf,
    /// On the engine's machine; `None` for what is no bind mount.
    pub source: Option<PathBuf>,
    pub writable: bool,
}

impl Attached {
    /// Finds a deployment's containers.
    ///
    /// # Errors
    /// An engine that does not answer; no such project; a service that is missing, not running,
    /// or there more than once.
    pub async fn find(named: &Named, profile: &Profile) -> Result<Self, EngineError> {
        Self::look(named, profile, true).await
    }

    /// As [`Attached::find`], also where the gateway does not run: a rollback must not need what
    /// it is there to put right.
    pub async fn find_stopped(named: &Named, profile: &Profile) -> Result<Self, EngineError> {
        Self::look(named, profile, false).await
    }

    async fn look(named: &Named, profile: &Profile, must_run: bool) -> Result<Self, EngineError> {
        let engine = Engine::connect().await?;
        let (project, containers) = project(&engine, named).await?;
        let since = i32::try_from(probe::now_ms() / 1000).unwrap_or(i32::MAX);
        let mut members = BTreeMap::new();
        let mut inspected = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (service, known) in &profile.deployment.services {
            let needed = matches!(service, Service::Gateway | Service::Auth | Service::Redis);
            let Some((name, id)) = member(&project, &containers, *service, known, needed)? else {
                continue;
            };
            let found = engine.inspect(&id).await?;
            let running = found.state.as_ref().and_then(|state| state.running);
            if running != Some(true) && (must_run || *service != Service::Gateway) {
                return Err(EngineError::new(format!(
                    "the service {name} of the project {project} does not run"
                ))
                .hint("start it with `docker compose up`, or roll back with `verify rollback`"));
            }
            let layout = Layout::default();
            let member = Container::new(engine.clone(), id, *service, since, layout);
            members.insert(*service, Arc::new(member));
            names.insert(*service, name);
            inspected.insert(*service, found);
        }
        let mut found_images = BTreeMap::new();
        for (service, found) in &inspected {
            let image = image(&engine, found).await?;
            found_images.insert(*service, image);
        }
        let gateway = inspected
            .get(&Service::Gateway)
            .ok_or_else(|| EngineError::new("no gateway"))?;
        let redis = members
            .get(&Service::Redis)
            .cloned()
            .ok_or_else(|| EngineError::new("no redis"))?;
        let endpoints = endpoints(profile, &inspected, &found_images).await?;
        let control = [Service::Upstream, Service::Idp]
            .iter()
            .find_map(|service| env(inspected.get(service)?).remove(TOKEN_VARIABLE));
        Ok(Self {
            project,
            env: env(gateway),
            control: control.map(SecretString::from),
            mounts: mounts(gateway),
            redirect_url: inspected.get(&Service::Auth).and_then(redirect_url),
            gateway_service: names.get(&Service::Gateway).cloned().unwrap_or_default(),
            host: Arc::new(Host {
                engine,
                kind: "compose",
                endpoints,
                redis: Redis::by_cli(Arc::new(Cli(redis))),
                config_path: profile.deployment.config.clone(),
                members,
                images: found_images,
            }),
        })
    }

    /// What is mounted over a path of the gateway, and where the path is on the engine's machine.
    #[must_use]
    pub fn mounted(&self, path: &Path) -> Option<(&Mounted, Option<PathBuf>)> {
        let over = self
            .mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.at))
            .max_by_key(|mount| mount.at.components().count())?;
        let source = over.source.as_ref().map(|source| {
            let rest = path.strip_prefix(&over.at).unwrap_or(Path::new(""));
            if rest.as_os_str().is_empty() {
                source.clone()
            } else {
                source.join(rest)
            }
        });
        Some((over, source))
    }

    /// Removes a file beside the configuration, wherever it was written.
    pub async fn remove_file(&self, path: &Path) -> Result<(), StackError> {
        match self.mounted(path) {
            Some((mount, Some(host))) if !mount.writable => match fs::remove_file(&host) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StackError::Io {
                    what: format!("removing {}", host.display()),
                    service: Service::Gateway,
                    source: error,
                }),
                _ => Ok(()),
            },
            _ => self.host.member(Service::Gateway)?.remove_file(path).await,
        }
    }

    /// Removes the containers that a run started beside the gateway.
    pub async fn remove_containers(&self, run: &str) -> Result<bool, EngineError> {
        let found = Belongings::find(&self.host.engine, Some(run), |_| true).await?;
        let any = !found.is_empty();
        found.remove(&self.host.engine).await?;
        Ok(any)
    }

    /// Replaces a file of the gateway: in its container, or on this machine in place, so that a mount
    /// keeps its inode.
    pub async fn write_file(
        &self,
        target: Option<PathBuf>,
        path: &Path,
        content: &[u8],
    ) -> Result<(), StackError> {
        let gateway = self.host.member(Service::Gateway)?;
        let target = match target {
            // Into a gateway that does not run the engine cannot write what is mounted by itself.
            None if !gateway.state().await?.running => self
                .mounted(path)
                .and_then(|(_, source)| source)
                .filter(|source| source.is_file()),
            target => target,
        };
        let Some(target) = target else {
            return gateway.write_file(path, content).await;
        };
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&target)
            .and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()
            });
        written.map_err(|source| StackError::Io {
            what: format!("writing {}", target.display()),
            service: Service::Gateway,
            source,
        })
    }
}

fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}

/// The project's name and its containers, those that run and those that do not.
async fn project(
    engine: &Engine,
    named: &Named,
) -> Result<(String, Vec<ContainerSummary>), EngineError> {
    let filters = HashMap::from([("label", vec![PROJECT])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let all = engine.docker.list_containers(Some(options)).await;
    let mut projects: BTreeMap<String, Vec<ContainerSummary>> = BTreeMap::new();
    for container in all.context("looking for the deployment")? {
        // `docker compose run` makes these.
        let one_off =
            label(&container, ONE_OFF).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if let (false, Some(name)) = (one_off, label(&container, PROJECT)) {
            let name = name.to_owned();
            projects.entry(name).or_default().push(container);
        }
    }
    if let Some(file) = &named.compose_file {
        let file =
            fs::canonicalize(file).context(format_args!("--compose-file {}", file.display()))?;
        let of_file = |containers: &Vec<ContainerSummary>| {
            containers.iter().any(|container| {
                label(container, FILES)
                    .is_some_and(|files| files.split(',').any(|one| Path::new(one) == file))
            })
        };
        projects.retain(|_, containers| of_file(containers));
    }
    let known: Vec<String> = projects.keys().cloned().collect();
    let wanted = match (&named.project, known.as_slice()) {
        (Some(project), _) => project.clone(),
        (None, [only]) if named.compose_file.is_some() => only.clone(),
        (None, _) => {
            return Err(EngineError::new(format!(
                "name the deployment with --project; there are: {}",
                list(&known)
            )));
        }
    };
    match projects.remove(&wanted) {
        Some(containers) => Ok((wanted, containers)),
        None => Err(EngineError::new(format!(
            "no compose project {wanted} has a container; there are: {}",
            list(&known)
        ))),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// A service's name in the project and its container.
fn member(
    project: &str,
    containers: &[ContainerSummary],
    service: Service,
    names: &[String],
    needed: bool,
) -> Result<Option<(String, String)>, EngineError> {
    let found: Vec<(&str, &str)> = containers
        .iter()
        .filter_map(|container| {
            let name = label(container, SERVICE)?;
            let known = names.iter().any(|known| known == name);
            known.then_some((name, container.id.as_deref()?))
        })
        .collect();
    match found.as_slice() {
        [(name, id)] => Ok(Some(((*name).to_owned(), (*id).to_owned()))),
        [] if needed => {
            let there: Vec<String> = containers
                .iter()
                .filter_map(|container| label(container, SERVICE))
                .map(str::to_owned)
                .collect();
            Err(EngineError::new(format!(
                "the project {project} has no service {} ({}); it has: {}",
                service,
                names.join(", "),
                list(&there)
            ))
            .hint("name it in the profile, under deployment: services:"))
        }
        [] => Ok(None),
        several => Err(EngineError::new(format!(
            "the project {project} has {} containers for {service}: one is verified at a time",
            several.len()
        ))
        .hint(
            "scale the service down to one, or name it in the profile, under deployment: services:",
        )),
    }
}

async fn image(engine: &Engine, found: &ContainerInspectResponse) -> Result<Image, EngineError> {
    let id = found.image.clone().unwrap_or_default();
    let name = found
        .config
        .as_ref()
        .and_then(|config| config.image.clone());
    // The image may have been removed while its container runs.
    let image = images::find(engine, &id).await?;
    Ok(Image {
        name: name.unwrap_or_else(|| id.clone()),
        labels: image.map(|image| image.labels).unwrap_or_default(),
        id,
    })
}

fn env(found: &ContainerInspectResponse) -> BTreeMap<String, String> {
    let lines = found.config.as_ref().and_then(|config| config.env.clone());
    lines
        .unwrap_or_default()
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn redirect_url(auth: &ContainerInspectResponse) -> Option<String> {
    let of_args = || {
        let mut args = auth.args.iter().flatten();
        args.find_map(|arg| arg.trim_start_matches('-').strip_prefix("redirect-url="))
            .map(str::to_owned)
    };
    let mut env = env(auth);
    env.remove("OAUTH2_PROXY_REDIRECT_URL")
        .or_else(|| env.remove("REDIRECT_URL"))
        .or_else(of_args)
}

fn mounts(found: &ContainerInspectResponse) -> Vec<Mounted> {
    let mounts = found.mounts.clone().unwrap_or_default();
    mounts
        .into_iter()
        .filter_map(|mount| {
            let bind = mount.typ == Some("bind".to_owned());
            Some(Mounted {
                at: PathBuf::from(mount.destination?),
                source: mount.source.filter(|_| bind).map(PathBuf::from),
                writable: mount.rw.unwrap_or(true),
            })
        })
        .collect()
}

/// A container's ports: inside, and on this machine where it is published.
fn ports(found: &ContainerInspectResponse) -> Vec<(u16, Option<SocketAddr>)> {
    let settings = found.network_settings.as_ref();
    let published = settings.and_then(|settings| settings.ports.clone());
    published
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(port, bindings)| {
            let inner = port.strip_suffix("/tcp")?.parse().ok()?;
            let outer = bindings
                .unwrap_or_default()
                .into_iter()
                .find_map(|binding| {
                    let port = binding.host_port?.parse().ok()?;
                    let ip = binding.host_ip.and_then(|ip| ip.parse::<Ipv4Addr>().ok());
                    let ip = ip.filter(|ip| !ip.is_unspecified());
                    Some(SocketAddr::from((ip.unwrap_or(Ipv4Addr::LOCALHOST), port)))
                });
            Some((inner, outer))
        })
        .collect()
}

/// Where a port of a container is reached from here: published, or at its own address.
fn reached(found: &ContainerInspectResponse, port: u16) -> Option<SocketAddr> {
    ports(found)
        .into_iter()
        .find(|(inner, _)| *inner == port)
        .and_then(|(_, outer)| outer)
        .or_else(|| address(found, port))
}

/// The names that a container is known by on its networks.
fn aliases(found: &ContainerInspectResponse) -> Vec<String> {
    let settings = found.network_settings.as_ref();
    let networks = settings.and_then(|settings| settings.networks.clone());
    networks
        .unwrap_or_default()
        .into_values()
        .flat_map(|network| network.aliases.unwrap_or_default())
        .collect()
}

async fn endpoints(
    profile: &Profile,
    inspected: &BTreeMap<Service, ContainerInspectResponse>,
    images: &BTreeMap<Service, Image>,
) -> Result<Endpoints, EngineError> {
    let missing = |what: &str| EngineError::new(format!("{what} has no address"));
    let of = |service: Service| inspected.get(&service);
    let mut addresses = BTreeMap::new();
    for found in inspected.values() {
        for (inner, outer) in ports(found) {
            if let Some(outer) = outer {
                for host in ["127.0.0.1", "localhost"] {
                    addresses.insert((host.to_owned(), outer.port()), outer);
                }
            }
            if let Some(address) = reached(found, inner) {
                for alias in aliases(found) {
                    addresses.insert((alias, inner), address);
                }
            }
        }
    }
    // A gateway that does not run has none.
    if let Some(public) = of(Service::Gateway).and_then(|found| reached(found, 80)) {
        addresses.insert((profile.site.host.clone(), profile.site.port), public);
    }
    let auth = of(Service::Auth)
        .and_then(|found| address(found, AUTH_PORT))
        .ok_or_else(|| missing("oauth2-proxy"))?;
    let mut endpoints = Endpoints {
        addresses,
        upstream: None,
        idp: None,
        auth,
    };
    for service in [Service::Upstream, Service::Idp] {
        let (Some(found), Some(image)) = (of(service), images.get(&service)) else {
            continue;
        };
        if image.labels.get(ROLE).is_none_or(|role| role != "doubles") {
            continue;
        }
        let Some(token) = env(found).remove(TOKEN_VARIABLE) else {
            continue;
        };
        let address = journal(found, &endpoints, &token).await;
        match service {
            Service::Upstream => endpoints.upstream = address,
            _ => endpoints.idp = address,
        }
    }
    Ok(endpoints)
}

/// Where a double answers for its journal: to its token.
async fn journal(
    found: &ContainerInspectResponse,
    endpoints: &Endpoints,
    token: &str,
) -> Option<SocketAddr> {
    let http = Http::new(endpoints.clone()).ok()?;
    for (inner, _) in ports(found) {
        let address = reached(found, inner)?;
        let url = format!("http://{address}/__verify/journal").parse().ok()?;
        let request = Request::get(url).header(TOKEN_HEADER, token);
        let answer = http.send(&request).await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            return Some(address);
        }
    }
    None
}

/// `redis-cli` in the container of Redis.
struct Cli(Arc<Container>);

#[async_trait]
impl RedisCli for Cli {
    async fn run(&self, words: Vec<String>) -> Result<String, String> {
        // On standard input: no value of a key on a command line, where every process sees it.
        let script = format!(
            "printf '%s\\n' {} | redis-cli ${{VERIFY_REDIS_USER:+--user \"$VERIFY_REDIS_USER\"}} --no-raw",
            quoted(&words.join(" "))
        );
        let done = self
            .0
            .run(&script)
            .await
            .map_err(|error| error.to_string())?;
        if done.code == 0 {
            Ok(done.text())
        } else {
            Err(format!("exit code {}: {}", done.code, done.text().trim()))
        }
    }
}
