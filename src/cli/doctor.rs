//! `verify doctor`: what a run needs, what of it is missing, and how to get it.

use std::{fmt, path::Path, process::Command};

use super::{error::CliError, out, place::COMPOSE_FILE, process::runtime, shipped::shipped};
use crate::{
    gate::ExitStatus,
    stack::{
        docker::{EngineError, containers},
        litellm::{self, Litellm, MissingLitellm},
        programs::{self, Found, PROVISION, PROVISION_BROWSER},
        sandbox::{Group, protection},
    },
};

const LITELLM: &str = "LiteLLM (--upstream litellm)";
const DOCKER: &str = "Docker engine, images";
const CHROMIUM: &str = "Chromium (--browser)";

/// A line a need: whether it is met, what it is, and where it is or how to get it.
#[derive(Default)]
struct Table(String);

impl Table {
    fn row(&mut self, state: &str, what: &str, text: impl fmt::Display) {
        let row = format!("{state:<8} {what:<28} {text}");
        self.0.push_str(&format!("{}\n", row.trim_end()));
    }

    /// A program, with its version where it has a flag for that; whether it can be used, where it
    /// was found.
    fn program(&mut self, name: &str, found: Option<&Found>, flag: Option<&str>) -> Option<bool> {
        match found? {
            Ok(path) => {
                let version = flag
                    .and_then(|flag| version(path, flag))
                    .unwrap_or_default();
                self.row("ok", name, format_args!("{} {version}", path.display()));
                Some(true)
            }
            Err(refused) => {
                self.row("REFUSED", name, refused);
                Some(false)
            }
        }
    }
}

/// Shows everything that a run needs, and which stack `auto` would take.
pub fn doctor() -> Result<ExitStatus, CliError> {
    let mut table = Table::default();
    let mut missing = 0;
    for need in programs::survey() {
        let usable = table.program(need.name, need.found.as_ref(), need.version_flag);
        missing += usize::from(usable != Some(true));
        if usable.is_none() {
            table.row("MISSING", need.name, need.from);
        }
    }
    let unprotected =
        programs::find().map_or_else(|_| Vec::new(), |found| protection::missing(&found));
    if missing == 0 && unprotected.is_empty() {
        table.row("ok", "all protections of the sandbox", "");
    }
    for one in &unprotected {
        table.row(
            "MISSING",
            &format!("protection: {}: {}", one.what, one.why),
            "",
        );
    }
    table.row(
        if Group::make().is_some() {
            "ok"
        } else {
            "not here"
        },
        "control group (cgroup v2)",
        "memory and processes of a whole run, bounded by the kernel",
    );
    let containers = runtime()?.block_on(containers());
    match &containers {
        Ok((version, unprotected)) => {
            table.row("ok", DOCKER, version);
            for what in unprotected {
                table.row("MISSING", &format!("protection of containers: {what}"), "");
            }
        }
        Err(why) => table.row("MISSING", DOCKER, why),
    }
    match shipped(litellm::FILES).map(|files| Litellm::find(&files)) {
        Ok(Ok(found)) => {
            let (home, version) = (found.home.display(), &found.version);
            table.row("ok", LITELLM, format_args!("{home} ({version})"));
        }
        Ok(Err(MissingLitellm::Refused(why))) => table.row("REFUSED", LITELLM, why),
        // No run needs it that does not ask for it.
        _ => table.row("not here", LITELLM, litellm::PROVISION),
    }
    let chromium = programs::chromium();
    if table
        .program(CHROMIUM, chromium.as_ref(), Some("--version"))
        .is_none()
    {
        table.row("not here", CHROMIUM, PROVISION_BROWSER);
    }
    let sandbox = missing == 0 && unprotected.iter().all(|one| one.optional);
    let Table(mut text) = table;
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
    Ok(match sandbox || containers.is_ok() {
        true => ExitStatus::Pass,
        false => ExitStatus::Inconclusive,
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
