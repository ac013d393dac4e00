//! The programs that take part, by what they say of themselves.

use std::{fs, path::Path, process::Stdio};

use crate::{
    digest::sha256,
    model::run::Component,
    stack::{Service, StackError, programs::Programs, version_in},
};

use super::layout;

pub async fn found(programs: &Programs) -> Result<Vec<Component>, StackError> {
    let auth_program = layout::shipped("bin/oauth2-proxy");
    let (gateway, redis, auth, hashes) = tokio::join!(
        version(Service::Gateway, &programs.nginx, "-v"),
        version(Service::Redis, &programs.redis, "--version"),
        version(Service::Auth, &auth_program, "--version"),
        hashes([&programs.nginx, &auth_program, &programs.redis]),
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
    for (component, sha256) in found.iter_mut().zip(hashes) {
        component.sha256 = sha256;
    }
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
        sha256: None,
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
        sha256: None,
    }
}

/// The SHA-256 of each program's file, each on a thread of its own; none of one that cannot be read.
async fn hashes<const N: usize>(programs: [&Path; N]) -> Vec<Option<String>> {
    let hashing = programs.map(|program| {
        let program = program.to_owned();
        tokio::task::spawn_blocking(move || fs::read(program).map(|file| sha256(&file)).ok())
    });
    let done = futures::future::join_all(hashing).await;
    done.into_iter().map(|hash| hash.ok().flatten()).collect()
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
