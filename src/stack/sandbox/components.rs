//! The programs that take part, by what they say of themselves.

use std::{path::Path, process::Stdio};

use crate::{
    report::Component,
    stack::{Service, StackError, programs::Programs, version_in},
};

use super::layout;

/// Every program with its version.
pub async fn found(programs: &Programs) -> Result<Vec<Component>, StackError> {
    let auth_program = layout::shipped("bin/oauth2-proxy");
    let (gateway, redis, auth) = tokio::join!(
        version(Service::Gateway, &programs.nginx, "-v"),
        version(Service::Redis, &programs.redis, "--version"),
        version(Service::Auth, &auth_program, "--version"),
    );
    let nginx = if programs.openresty {
        "openresty"
    } else {
        "nginx + lua-nginx-module"
    };
    let mut found = vec![
        real(Service::Gateway, nginx, &gateway?),
        real(Service::Auth, "oauth2-proxy", &auth?),
        real(Service::Redis, "redis-server", &redis?),
    ];
    match &programs.litellm {
        Some(litellm) => found.extend([
            real(Service::Upstream, "LiteLLM", &litellm.version),
            double(
                Service::Upstream,
                "its recording pass-through and its model",
            ),
        ]),
        None => found.push(double(Service::Upstream, "mock LiteLLM")),
    }
    found.push(double(Service::Idp, "mock Auth0"));
    Ok(found)
}

fn real(service: Service, program: &str, version: &str) -> Component {
    Component {
        service: service.name().to_owned(),
        program: program.to_owned(),
        version: version.to_owned(),
        real: true,
        image: None,
    }
}

fn double(service: Service, program: &str) -> Component {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Component {
        service: service.name().to_owned(),
        program: program.to_owned(),
        version,
        real: false,
        image: None,
    }
}

/// The version that a program tells.
async fn version(service: Service, program: &Path, flag: &str) -> Result<String, StackError> {
    let output = tokio::process::Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| StackError::Io {
            what: format!("running {} {flag}", program.display()),
            service,
            source,
        })?;
    let said = [output.stdout, output.stderr].concat();
    Ok(version_in(&String::from_utf8_lossy(&said)))
}
