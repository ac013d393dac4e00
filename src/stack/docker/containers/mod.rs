//! The containers stack: the services of `docker-compose.test.yml`, each in a container of the run's
//! own, removed with it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

pub mod start;

use self::start::{CONFIG, IDP_PORT, REDIS_PORT, Starter, UPSTREAM_PORT, container_name, name};
use super::{
    compose_file::{ComposeFile, Variables},
    container::{Container, Layout},
    engine::{Engine, EngineError},
    host::{AUTH_PORT, Host},
    images,
    labels::RunLabels,
    stack::{DockerStack, Owner},
    watchdog::Watchdog,
};
use crate::{
    model::input::GatewayFiles,
    probe::{self, redis::Redis},
    profile::Profile,
    stack::{
        Endpoints, Service, StackError,
        keys::{Keys, clear},
        redis_acl::{self, Dialect, acl},
    },
};

/// The most of a log that is read, in bytes of each stream: ten times what a gateway writes in a
/// whole run. It is held several times over while its lines are looked through.
const LOG_LIMIT: usize = 16 * 1024 * 1024;

/// What a run on containers starts from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub compose_file: PathBuf,
    /// The run's process, for the labels.
    pub owner: String,
}

/// The engine, where a run on containers is possible.
///
/// # Errors
/// Why it is not.
pub async fn available(compose_file: &Path) -> Result<Engine, EngineError> {
    let engine = Engine::connect().await?;
    let variables = images::environment(folder(compose_file))?;
    let file = ComposeFile::load(compose_file, &variables)?;
    for service in [Service::Gateway, Service::Auth, Service::Redis] {
        images::in_reach(&engine, &file.service(name(service))?.image).await?;
    }
    images::doubles_in_reach(&engine, &variables).await?;
    Ok(engine)
}

/// Whether the engine sees the gateway of a run as the worker says it is.
///
/// # Errors
/// How the two differ.
pub async fn look(run: &str, runs: bool) -> Result<(), String> {
    let inspected = async {
        let engine = Engine::connect().await?;
        engine.inspect(&container_name(run, Service::Gateway)).await
    };
    let inspected = inspected
        .await
        .map_err(|error| format!("the gateway: {error}"))?;
    let running = inspected.state.and_then(|state| state.running) == Some(true);
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

/// Starts everything with the baseline deployed, and returns when every service but the gateway
/// answers: whether the gateway does is an item's to judge.
///
/// # Errors
/// What the engine does not do; a service that does not answer.
pub async fn up(
    setup: &Setup,
    run: &str,
    files: GatewayFiles,
    profile: &Profile,
) -> Result<DockerStack, StackError> {
    let since = i32::try_from(probe::now_ms() / 1000).unwrap_or(i32::MAX);
    // Before anything is made: whatever happens from here on, it is removed.
    let watchdog = Watchdog::start(run).map_err(|source| StackError::Io {
        what: "starting the watchdog".to_owned(),
        service: Service::Gateway,
        source,
    })?;
    let keys = Keys::fresh(profile)?;
    let labels = RunLabels::new(run, &setup.owner);
    let failed = |error: EngineError| error.on(Service::Gateway);
    let engine = Engine::connect().await.map_err(failed)?;
    let (file, images) = described(&engine, &setup.compose_file, &files, profile, &keys)
        .await
        .map_err(failed)?;
    let starter = Starter {
        engine: &engine,
        labels: &labels,
        file: &file,
        folder: folder(&setup.compose_file),
        lualib: files.lualib.as_ref(),
    };
    let (started, own) = starter.start().await.map_err(failed)?;
    let at = |service: Service, port: u16| {
        let address = own.addresses.get(&service).copied();
        address.map(|address| SocketAddr::from((address, port)))
    };
    let needed = |service, port| {
        at(service, port).ok_or_else(|| EngineError::new("it has no address").on(service))
    };
    let host = Host {
        kind: "containers",
        endpoints: Endpoints {
            addresses: BTreeMap::from([
                (
                    (profile.site.host.clone(), profile.site.port),
                    needed(Service::Gateway, 80)?,
                ),
                (
                    (name(Service::Idp).to_owned(), IDP_PORT),
                    needed(Service::Idp, IDP_PORT)?,
                ),
            ]),
            upstream: at(Service::Upstream, UPSTREAM_PORT),
            idp: at(Service::Idp, IDP_PORT),
            auth: needed(Service::Auth, AUTH_PORT)?,
        },
        redis: Redis::at(needed(Service::Redis, REDIS_PORT)?)
            .as_user(redis_acl::VERIFY, keys.redis_verify.clone()),
        config_path: PathBuf::from(CONFIG),
        members: started
            .into_iter()
            .map(|(service, started)| {
                let layout = Layout {
                    volumes: started.volumes,
                    address: Some(started.address),
                    log_limit: Some(LOG_LIMIT),
                };
                let member = Container::new(engine.clone(), started.id, service, since, layout);
                (service, Arc::new(member))
            })
            .collect(),
        images,
        engine: engine.clone(),
    };
    let owner = Owner::Run(own);
    DockerStack::new(
        Arc::new(host),
        owner,
        files,
        keys.into_secrets(),
        labels,
        Some(watchdog),
    )
    .await
}

/// The compose file with the run's values, and the images that it names.
async fn described(
    engine: &Engine,
    path: &Path,
    files: &GatewayFiles,
    profile: &Profile,
    keys: &Keys,
) -> Result<(ComposeFile, BTreeMap<Service, images::Image>), EngineError> {
    let mut variables = images::environment(folder(path))?;
    let doubles = images::doubles(engine, &variables).await?;
    variables.extend(values(files, profile, keys));
    variables.insert(images::DOUBLES.to_owned(), doubles.name);
    let file = ComposeFile::load(path, &variables)?;
    let mut found = BTreeMap::new();
    for service in Service::ALL {
        let image = images::need(engine, &file.service(name(service))?.image).await?;
        found.insert(service, image);
    }
    Ok((file, found))
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The compose file's variables in a run.
fn values(files: &GatewayFiles, profile: &Profile, keys: &Keys) -> Variables {
    let path = |path: &Path| path.display().to_string();
    let users: Vec<String> = keys
        .passwords
        .iter()
        .map(|(email, password)| format!("{email}:{}", password.expose_secret()))
        .collect();
    let lua = files.baseline_lua.as_ref().unwrap_or(&files.lua);
    let html = files.baseline_html.as_ref().unwrap_or(&files.html);
    // The start script turns them into Redis 6's where the image has that.
    let redis_users = acl(
        &profile.login.cookie,
        profile.redis.sessions,
        keys,
        Dialect::Seven,
    );
    [
        ("VERIFY_JWT_SECRET", clear(&keys.jwt)),
        ("VERIFY_LITELLM_MASTER_KEY", clear(&keys.master)),
        ("VERIFY_LITELLM_SHARED_KEY", clear(&keys.shared)),
        ("VERIFY_CLIENT_SECRET", clear(&keys.client)),
        ("VERIFY_COOKIE_SECRET", clear(&keys.cookie)),
        ("VERIFY_CONTROL_TOKEN", clear(&keys.control)),
        ("VERIFY_REDIS_AUTH_PASSWORD", clear(&keys.redis_auth)),
        ("VERIFY_REDIS_USERS", redis_users.join("; ")),
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
