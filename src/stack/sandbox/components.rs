//! The programs that take part, by what they say of themselves.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use rustix::{process::setpriority_process, thread::gettid};
use tokio::sync::oneshot;

use crate::{
    digest::sha256,
    model::run::Component,
    stack::{Service, StackError, programs::Programs, version_in},
};

use super::layout;

/// Found out on a thread that goes behind everything else: what is verified meanwhile goes first.
pub async fn found(programs: &Programs) -> Result<Vec<Component>, StackError> {
    let (done, found) = oneshot::channel();
    let programs = programs.clone();
    let failed = |source| StackError::Io {
        what: "asking the programs for their versions".to_owned(),
        service: Service::Gateway,
        source,
    };
    let look = move || {
        let _ = setpriority_process(Some(gettid()), 19);
        // Nobody waits where the run has ended.
        drop(done.send(look(&programs)));
    };
    let thread = std::thread::Builder::new().name("components".to_owned());
    thread.spawn(look).map_err(failed)?;
    let ended = |_| failed(io::ErrorKind::Interrupted.into());
    found.await.map_err(ended)?
}

fn look(programs: &Programs) -> Result<Vec<Component>, StackError> {
    let auth_program = layout::shipped("bin/oauth2-proxy");
    let nginx = if programs.openresty {
        "openresty"
    } else {
        "nginx + lua-nginx-module"
    };
    let mut found = vec![
        real(Service::Gateway, nginx, &programs.nginx, "-v")?,
        real(Service::Auth, "oauth2-proxy", &auth_program, "--version")?,
        real(Service::Redis, "redis-server", &programs.redis, "--version")?,
    ];
    match &programs.litellm {
        Some(litellm) => found.extend([
            component(Service::Upstream, "LiteLLM", &litellm.version, true),
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

/// A program that says its version itself.
fn real(service: Service, name: &str, program: &Path, flag: &str) -> Result<Component, StackError> {
    let output = Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| StackError::Io {
            what: format!("running {} {flag}", program.display()),
            service,
            source,
        })?;
    let said = [output.stdout, output.stderr].concat();
    let version = version_in(&String::from_utf8_lossy(&said));
    Ok(Component {
        sha256: fs::read(program).map(|file| sha256(&file)).ok(),
        ..component(service, name, &version, true)
    })
}

fn double(service: Service, name: &str) -> Component {
    component(service, name, env!("CARGO_PKG_VERSION"), false)
}

fn component(service: Service, name: &str, version: &str, real: bool) -> Component {
    Component {
        service: service.name().to_owned(),
        program: name.to_owned(),
        version: version.to_owned(),
        real,
        image: None,
        sha256: None,
    }
}
