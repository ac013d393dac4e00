//! What each service of the sandbox is started with, and when it answers.

use std::{fs, path::Path};

use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

use super::{
    answers::failed,
    confine::{Limits, Sees, Spec},
    layout::{self, AUTH_PORT, IDP_PORT, REDIS_PORT, UPSTREAM_PORT, local},
    names, nginx, upstream,
};
use crate::{
    doubles::{
        self, Running,
        auth0::{self, Auth0},
        litellm::{self, LiteLlm},
    },
    model::input::GatewayFiles,
    profile::Profile,
    stack::{
        Service, StackError,
        keys::{Keys, clear},
        programs::Programs,
        redis_acl,
    },
};

const CLIENT_ID: &str = "verify-gateway";
/// Another than the admin of the plan, so that who takes the one for the other is noticed.
const SUPER_ADMIN: &str = "super.admin@example.com";
const ISSUER: &str = "http://auth0:9000/";

/// The gateway's environment, by the gateway's contract.
pub fn gateway_env(keys: &Keys, profile: &Profile) -> Vec<(String, String)> {
    let tz = std::env::var("TZ").unwrap_or_default();
    let mut env: Vec<(String, String)> = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", "6379"),
        ("ADMIN_EMAILS", &profile.users.admins().join(",")),
        ("ADMIN_DOMAINS", ""),
        ("SUPER_ADMIN_EMAIL", SUPER_ADMIN),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for (name, secret) in [
        ("JWT_SECRET", &keys.jwt),
        ("LITELLM_MASTER_KEY", &keys.master),
        ("LITELLM_SHARED_KEY", &keys.shared),
    ] {
        env.push((name.to_owned(), clear(secret)));
    }
    if !tz.is_empty() {
        env.push(("TZ".to_owned(), tz));
    }
    env
}

/// The doubles and the name server, tasks of the worker itself.
#[derive(Debug)]
pub struct Doubles {
    idp: Option<Running>,
    upstream: Option<Running>,
    /// What each serves: its journal outlives its listener.
    routers: (axum::Router, axum::Router),
    names: JoinHandle<()>,
}

impl Doubles {
    /// Binds their ports, so that they answer from here on.
    pub async fn start(
        profile: &Profile,
        keys: &Keys,
        real_upstream: bool,
    ) -> Result<Self, StackError> {
        let idp = Auth0::new(auth0_config(profile, keys)?)
            .map_err(|error| failed(Service::Idp, error.to_string()))?
            .controlled_by(keys.control.clone());
        let upstream = match real_upstream {
            true => upstream::in_front(keys),
            false => double_of_upstream(profile, keys)?,
        };
        let socket = UdpSocket::bind(names::ADDRESS).await.map_err(|error| {
            failed(
                Service::Gateway,
                format!("the name server cannot listen: {error}"),
            )
        })?;
        let known = [
            "localhost",
            "openresty",
            "oauth2-proxy",
            "redis",
            "litellm",
            "auth0",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([profile.site.host.clone()])
        .collect();
        let routers = (idp.router(), upstream);
        Ok(Self {
            idp: Some(serve(Service::Idp, IDP_PORT, routers.0.clone()).await?),
            upstream: Some(serve(Service::Upstream, UPSTREAM_PORT, routers.1.clone()).await?),
            routers,
            names: tokio::spawn(names::serve(socket, known)),
        })
    }

    /// Whether all of them still run.
    pub fn check(&mut self) -> Result<(), StackError> {
        if self.names.is_finished() {
            return Err(failed(Service::Gateway, "the name server ended".to_owned()));
        }
        Ok(())
    }

    /// Stops one of the doubles and serves it again, with the same journal.
    pub async fn restart(&mut self, service: Service) -> Result<(), StackError> {
        self.stop(service).await;
        match service {
            Service::Idp => {
                self.idp = Some(serve(service, IDP_PORT, self.routers.0.clone()).await?);
            }
            Service::Upstream => {
                self.upstream = Some(serve(service, UPSTREAM_PORT, self.routers.1.clone()).await?);
            }
            _ => {}
        }
        Ok(())
    }

    pub async fn stop(&mut self, service: Service) {
        let double = match service {
            Service::Idp => self.idp.take(),
            Service::Upstream => self.upstream.take(),
            _ => None,
        };
        if let Some(double) = double {
            double.stop().await;
        }
    }
}

fn double_of_upstream(profile: &Profile, keys: &Keys) -> Result<axum::Router, StackError> {
    let double = LiteLlm::new(litellm::Config {
        master_key: keys.master.clone(),
        shared_key: keys.shared.clone(),
        models: profile.llm.models.clone(),
    });
    double
        .map(|double| double.controlled_by(keys.control.clone()).router())
        .map_err(|error| failed(Service::Upstream, error.to_string()))
}

fn auth0_config(profile: &Profile, keys: &Keys) -> Result<auth0::Config, StackError> {
    let site = format!("http://{}", profile.site.authority());
    Ok(auth0::Config {
        issuer: ISSUER
            .parse()
            .map_err(|error| failed(Service::Idp, format!("{ISSUER}: {error}")))?,
        client_id: CLIENT_ID.to_owned(),
        client_secret: keys.client.clone(),
        callback_prefixes: vec![format!("{site}{}", profile.login.callback)],
        logout_urls: vec![site],
        users: keys
            .passwords
            .iter()
            .map(|(email, password)| auth0::User {
                email: email.clone(),
                password: password.clone(),
                name: email.split('@').next().unwrap_or_default().to_owned(),
            })
            .collect(),
    })
}

async fn serve(service: Service, port: u16, router: axum::Router) -> Result<Running, StackError> {
    let listener = TcpListener::bind(local(port))
        .await
        .map_err(|error| failed(service, format!("cannot listen on port {port}: {error}")))?;
    Ok(doubles::serve(listener, router).await)
}

/// Redis, in memory only.
pub fn redis(programs: &Programs, profile: &Profile, keys: &Keys) -> Spec {
    let socket = layout::redis_socket().display().to_string();
    let args = [
        "--unixsocket",
        &socket,
        "--unixsocketperm",
        "700",
        "--port",
        "6379",
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        "/run/verify/redis",
    ];
    Spec {
        service: Service::Redis,
        program: programs.redis.clone(),
        args: [
            args.map(str::to_owned).to_vec(),
            redis_acl::arguments(&redis_acl::acl(
                &profile.login.cookie,
                profile.redis.sessions,
                keys,
                programs.redis_dialect,
            )),
        ]
        .concat(),
        env: Vec::new(),
        sees: vec![Sees::Write(layout::inside("redis"))],
        limits: Limits::OF_HELPERS,
    }
}

/// nginx with the deployed configuration.
pub fn gateway(
    programs: &Programs,
    files: &GatewayFiles,
    config: &str,
    env: &[(String, String)],
) -> Spec {
    let args = nginx::args(programs, config, Path::new(layout::CONFIG));
    gateway_program(programs, files, args, env)
}

/// nginx with these arguments, in the gateway's files.
pub fn gateway_program(
    programs: &Programs,
    files: &GatewayFiles,
    args: Vec<String>,
    env: &[(String, String)],
) -> Spec {
    let mut sees = vec![
        Sees::Write("/var".into()),
        Sees::WriteAt(layout::GATEWAY_RUN.into(), "/run"),
        Sees::Write("/tmp".into()),
        Sees::Write(layout::PREFIX.into()),
        Sees::Read(layout::CONF.into()),
        Sees::Read(layout::LUALIB.into()),
        Sees::Read(files.lua.clone()),
        Sees::Read(files.html.clone()),
    ];
    let further = [&files.lualib, &files.baseline_lua, &files.baseline_html];
    sees.extend(further.into_iter().flatten().cloned().map(Sees::Read));
    if programs.openresty {
        sees.push(Sees::Read(layout::shipped("openresty")));
    }
    Spec {
        service: Service::Gateway,
        program: programs.nginx.clone(),
        args,
        env: env.to_vec(),
        sees,
        limits: Limits::of_gateway(),
    }
}

/// oauth2-proxy with its template filled.
pub fn auth(files: &GatewayFiles, profile: &Profile, keys: &Keys) -> Result<Spec, StackError> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| StackError::Io {
            what,
            service: Service::Auth,
            source,
        }
    };
    let template =
        fs::read_to_string(&files.auth_proxy).map_err(io("reading the configuration template"))?;
    let host = profile.site.authority();
    let values = [
        ("HTTP_ADDRESS", format!("0.0.0.0:{AUTH_PORT}")),
        ("ISSUER_URL", ISSUER.to_owned()),
        ("CLIENT_ID", CLIENT_ID.to_owned()),
        ("CLIENT_SECRET", clear(&keys.client)),
        ("COOKIE_SECRET", clear(&keys.cookie)),
        (
            "REDIRECT_URL",
            format!("http://{host}{}", profile.login.callback),
        ),
        (
            "LOGOUT_URL",
            format!("{ISSUER}oidc/logout?id_token_hint={{id_token}}"),
        ),
        ("IDP_DOMAIN", format!("auth0:{IDP_PORT}")),
        (
            "REDIS_URL",
            format!(
                "redis://{}:{}@redis:{REDIS_PORT}",
                redis_acl::AUTH,
                clear(&keys.redis_auth)
            ),
        ),
        ("UPSTREAM_URL", "http://openresty:8080".to_owned()),
    ];
    let config = values.iter().fold(template, |config, (name, value)| {
        config.replace(&format!("{{{{{name}}}}}"), value)
    });
    let settings = config
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    if let Some((_, rest)) = { settings }.find_map(|line| line.split_once("{{")) {
        let name = rest.split("}}").next().unwrap_or_default();
        return Err(failed(
            Service::Auth,
            format!("the template asks for {{{{{name}}}}}, which is not known"),
        ));
    }
    let path = layout::inside("oauth2-proxy.cfg");
    fs::write(&path, config).map_err(io("writing the configuration"))?;
    Ok(Spec {
        service: Service::Auth,
        program: layout::shipped("bin/oauth2-proxy"),
        args: vec!["--config".to_owned(), path.display().to_string()],
        // A run is short: what it leaves is collected seldom.
        env: vec![("GOGC".to_owned(), "400".to_owned())],
        sees: vec![
            Sees::Read(layout::shipped("bin/oauth2-proxy")),
            Sees::Read(path),
        ],
        limits: Limits::OF_HELPERS,
    })
}
