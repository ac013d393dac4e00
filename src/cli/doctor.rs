//! `verify doctor`: what a run needs, what of it is missing, and how to get it.

use std::{path::Path, process::Command};

use super::{error::CliError, out, place::COMPOSE_FILE, process::runtime, shipped::shipped};
use crate::{
    gate::ExitStatus,
    stack::{
        docker::{EngineError, containers},
        litellm::{self, Litellm, MissingLitellm},
        programs::{self, PROVISION, PROVISION_BROWSER},
        sandbox::{Group, protection},
    },
};

/// Shows everything that a run needs, and which stack `auto` would take.
pub fn doctor() -> Result<ExitStatus, CliError> {
    let needs = programs::survey();
    let mut text = String::new();
    let mut missing = 0;
    for need in &needs {
        match &need.found {
            Some(Ok(path)) => {
                let version = need.version_flag.and_then(|flag| version(path, flag));
                text.push_str(&format!(
                    "ok       {:<28} {} {}\n",
                    need.name,
                    path.display(),
                    version.unwrap_or_default()
                ));
            }
            Some(Err(refused)) => {
                missing += 1;
                text.push_str(&format!("REFUSED  {:<28} {refused}\n", need.name));
            }
            None => {
                missing += 1;
                text.push_str(&format!("MISSING  {:<28} {}\n", need.name, need.from));
            }
        }
    }
    let unprotected =
        programs::find().map_or_else(|_| Vec::new(), |found| protection::missing(&found));
    if missing == 0 && unprotected.is_empty() {
        text.push_str("ok       all protections of the sandbox\n");
    }
    for one in &unprotected {
        text.push_str(&format!("MISSING  protection: {}: {}\n", one.what, one.why));
    }
    text.push_str(&format!(
        "{:<8} {:<28} {}\n",
        match Group::make() {
            Some(_) => "ok",
            None => "not here",
        },
        "control group (cgroup v2)",
        "memory and processes of a whole run, bounded by the kernel"
    ));
    let sandbox = missing == 0 && unprotected.iter().all(|one| one.optional);
    let containers = runtime()?.block_on(containers());
    match &containers {
        Ok((version, unprotected)) => {
            text.push_str(&format!(
                "ok       {:<28} {version}\n",
                "Docker engine, images"
            ));
            for what in unprotected {
                text.push_str(&format!("MISSING  protection of containers: {what}\n"));
            }
        }
        Err(why) => text.push_str(&format!("MISSING  {:<28} {why}\n", "Docker engine, images")),
    }
    match shipped(litellm::FILES).map(|files| Litellm::find(&files)) {
        Ok(Ok(found)) => text.push_str(&format!(
            "ok       {:<28} {} ({})\n",
            "LiteLLM (--upstream litellm)",
            found.home.display(),
            found.version
        )),
        Ok(Err(MissingLitellm::Refused(why))) => text.push_str(&format!(
            "REFUSED  {:<28} {why}\n",
            "LiteLLM (--upstream litellm)"
        )),
        // No run needs it that does not ask for it.
        _ => text.push_str(&format!(
            "not here {:<28} {}\n",
            "LiteLLM (--upstream litellm)",
            litellm::PROVISION
        )),
    }
    text.push_str(&match programs::chromium() {
        Some(Err(refused)) => format!("REFUSED  {:<28} {refused}\n", "Chromium (--browser)"),
        Some(Ok(path)) => format!(
            "ok       {:<28} {} {}\n",
            "Chromium (--browser)",
            path.display(),
            version(&path, "--version").unwrap_or_default()
        ),
        None => format!(
            "not here {:<28} {PROVISION_BROWSER}\n",
            "Chromium (--browser)"
        ),
    });
    let able = sandbox || containers.is_ok();
    text.push_str(match (&containers, sandbox) {
        (Ok(_), _) => "\n`--stack auto` takes containers. ",
        (Err(_), true) => "\n`--stack auto` takes the sandbox. ",
        (Err(_), false) => "\nNo run can start. ",
    });
    text.push_str(match (sandbox, unprotected.is_empty()) {
        (true, true) => "The sandbox has all that it needs.\n",
        (true, false) => "The sandbox runs with --sandbox best-effort only.\n",
        (false, _) => "The sandbox lacks something.\n",
    });
    if missing > 0 {
        text.push_str(&format!("{PROVISION} installs what is missing.\n"));
    }
    out::print(&text)?;
    Ok(if able {
        ExitStatus::Pass
    } else {
        ExitStatus::Inconclusive
    })
}

/// The engine's version and the protections that it does not give, where containers can be started
/// with the images of the test deployment.
async fn containers() -> Result<(String, Vec<&'static str>), EngineError> {
    let file = shipped(COMPOSE_FILE).map_err(|error| EngineError::new(error.to_string()))?;
    let engine = containers::available(&file).await?;
    let unprotected = engine.unprotected().await?;
    Ok((engine.version, unprotected))
}

/// The first line with a digit that a program says of its version.
fn version(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    said.lines()
        .find(|line| line.contains(|letter: char| letter.is_ascii_digit()))
        .map(|line| format!("({})", line.trim()))
}
