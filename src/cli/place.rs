//! Where a run takes place: what `--stack` comes to on this machine.

use std::{path::PathBuf, thread};

use super::{
    error::CliError,
    options::{BrowserKind, SandboxKind, StackKind, UpstreamKind},
    out,
    settings::Settings,
    shipped::shipped,
};
use crate::{
    engine::Place,
    stack::{
        docker::{Engine, containers, labels},
        litellm::{self, Litellm},
        programs::{self, Programs},
        redis_acl::Dialect,
        sandbox::protection,
    },
};

/// The test deployment that the containers stack is made from.
pub const COMPOSE_FILE: &str = "docker-compose.test.yml";

/// The place of a run. `auto` takes containers where an engine answers and the images are
/// there or can be pulled, else the sandbox, and says in one line why. Only a sandbox can
/// have the real LiteLLM.
pub async fn find(settings: &Settings) -> Result<Place, CliError> {
    let (upstream, sandbox) = (settings.upstream, settings.sandbox);
    let note = |what: String| {
        if !settings.quiet {
            out::complain(format_args!("stack: {what}"));
        }
    };
    match settings.stack {
        StackKind::Sandbox => {
            let place = Place::Sandbox(programs(upstream, sandbox)?);
            #[cfg(feature = "fault-injection")]
            let place = place.with(settings.injection);
            Ok(place)
        }
        StackKind::Auto if upstream == UpstreamKind::Litellm => {
            note("sandbox (--upstream litellm goes with it)".to_owned());
            Ok(Place::Sandbox(programs(upstream, sandbox)?))
        }
        StackKind::Containers => {
            let engine = containers::available(&shipped(COMPOSE_FILE)?).await?;
            own_containers(&engine, sandbox).await
        }
        StackKind::Auto => match containers::available(&shipped(COMPOSE_FILE)?).await {
            Ok(engine) => {
                note("containers (a Docker engine answers and the images are there)".to_owned());
                own_containers(&engine, sandbox).await
            }
            Err(why) => {
                note(format!("sandbox ({why})"));
                Ok(Place::Sandbox(programs(upstream, sandbox)?))
            }
        },
        // A deployment is prepared for, not found: `super::deployment`.
        StackKind::Compose => Err(CliError::usage("--stack compose needs a deployment")),
    }
}

/// The real browser, where one was asked for: its program.
pub fn browser(kind: BrowserKind) -> Result<Option<PathBuf>, CliError> {
    match kind {
        BrowserKind::BuiltIn => Ok(None),
        BrowserKind::Chromium => match programs::chromium() {
            Some(found) => found
                .map(Some)
                .map_err(|why| CliError::environment(format!("--browser chromium: {why}"))),
            None => Err(CliError::environment(format!(
                "--browser chromium: none of {} is on PATH",
                programs::CHROMIUM.join(", ")
            ))
            .hint(format!("{} installs it", programs::PROVISION_BROWSER))),
        },
    }
}

/// What a sandbox is made of.
fn programs(upstream: UpstreamKind, sandbox: SandboxKind) -> Result<Programs, CliError> {
    let mut found = programs::find()?;
    // Side by side: a run waits for both.
    let (bounded, dialect) = thread::scope(|scope| {
        let redis = scope.spawn(|| Dialect::of_program(&found.redis));
        let bounded = protection::bounded_memory(&found.bwrap);
        (bounded, redis.join())
    });
    found.redis_dialect = dialect.unwrap_or(Dialect::Seven);
    if !bounded {
        let what = "the sandbox lacks a protection: bounded file systems in memory (this bubblewrap knows no --size)";
        if sandbox == SandboxKind::Strict {
            return Err(CliError::environment(what)
                .hint("install bubblewrap 0.7 or newer, or run with --sandbox best-effort"));
        }
        out::complain(what);
        found.bounded_memory = false;
    }
    Ok(match upstream {
        UpstreamKind::Double => found,
        UpstreamKind::Litellm => Programs {
            litellm: Some(Litellm::find(&shipped(litellm::FILES)?)?),
            ..found
        },
    })
}

async fn own_containers(engine: &Engine, sandbox: SandboxKind) -> Result<Place, CliError> {
    let missing = engine.unprotected().await?;
    if !missing.is_empty() {
        let what = format!("the engine's containers lack: {}", missing.join("; "));
        if sandbox == SandboxKind::Strict {
            return Err(CliError::environment(what)
                .hint("have the engine grant it, or run with --sandbox best-effort"));
        }
        out::complain(what);
    }
    Ok(Place::Containers(containers::Setup {
        compose_file: shipped(COMPOSE_FILE)?,
        owner: labels::this_process(),
    }))
}
