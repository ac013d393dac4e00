//! What the engine is asked to do, from settings and files.

use std::{fs, sync::Arc, time::Instant};

use super::{
    error::CliError,
    inputs::{Inputs, PlanInput},
    place::browser,
    settings::Settings,
};
use crate::{
    engine::{InputRole, Place, RunPlan},
    lint::Finding,
    plan::ItemId,
    report::{self, FileRef, InputFile, Program, RunInfo},
};

/// What a run works with, settled.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    pub settings: &'a Settings,
    pub plan: &'a PlanInput,
    pub inputs: &'a Inputs,
    pub lint: &'a [Finding],
}

/// The id of a run that begins now.
pub fn run_id() -> String {
    let random = crate::probe::nonce();
    format!(
        "{}-{}",
        jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S"),
        random.get(..4).unwrap_or_default()
    )
}

/// RFC 3339 with the local offset.
pub fn stamp(at: &jiff::ZonedDateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Every file that is judged or judged by. A deployment has Lua, pages and oauth2-proxy of its own.
fn verified(work: &Work<'_>, place: &Place) -> Vec<InputFile> {
    let Work {
        settings,
        plan,
        inputs,
        ..
    } = *work;
    let named = |role, file: &FileRef| InputFile {
        role,
        path: file.path.file_name().unwrap_or_default().into(),
        sha256: file.sha256.clone(),
    };
    let config = settings.config.iter();
    let read = inputs.snapshot.inputs().filter(|input| match input.role {
        InputRole::Candidate | InputRole::Baseline => false,
        InputRole::Profile => true,
        _ => !matches!(place, Place::Compose(_)),
    });
    [
        named(InputRole::Candidate, &inputs.candidate),
        named(InputRole::Baseline, &inputs.baseline),
    ]
    .into_iter()
    .chain(read)
    .chain(plan.snapshot.inputs())
    .chain(config.map(|file| named(InputRole::Config, file)))
    .collect()
}

/// What judges, as it was named.
fn sources(settings: &Settings, verified: &[InputFile]) -> Vec<InputFile> {
    [
        (InputRole::Plan, Some(&settings.plan)),
        (InputRole::Profile, Some(&settings.profile)),
        (
            InputRole::Config,
            settings.config.as_ref().map(|file| &file.path),
        ),
    ]
    .into_iter()
    .filter_map(|(role, path)| {
        Some(InputFile {
            role,
            path: path?.clone(),
            sha256: report::sha256_of(verified, role)?,
        })
    })
    .collect()
}

/// The plan of the run `id` that began at `started`.
pub fn run_plan(
    work: &Work<'_>,
    place: &Place,
    selected: &[ItemId],
    id: &str,
    started: Instant,
) -> Result<RunPlan, CliError> {
    let Work {
        settings,
        plan,
        inputs,
        lint,
    } = *work;
    let bundle = &plan.bundle;
    let bundle_dir = std::path::absolute(&bundle.dir)
        .map_err(|error| CliError::usage(format!("--plan {}: {error}", bundle.dir.display())))?;
    let verified = verified(work, place);
    let now = jiff::ZonedDateTime::now();
    let began = now.checked_sub(started.elapsed()).unwrap_or(now);
    Ok(RunPlan {
        run: RunInfo {
            id: id.to_owned(),
            started_at: stamp(&began),
            duration_ms: 0.0,
            partial: bundle
                .items()
                .any(|item| item.phase().is_some() && !selected.contains(&item)),
            stack: place.name().to_owned(),
            components: Vec::new(),
            candidate: inputs.candidate.clone(),
            baseline: inputs.baseline.clone(),
            profile: inputs.profile.name.clone(),
            command: command_line(),
            allow_conditional: settings.allow_conditional,
            end: None,
            plan: bundle.title.clone(),
            stack_up: None,
            sources: sources(settings, &verified),
            inputs: verified,
            verify: Some(Program {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: option_env!("VERIFY_COMMIT")
                    .filter(|commit| !commit.is_empty())
                    .map(str::to_owned),
            }),
            host: hostname(),
        },
        phases: bundle.phases.clone(),
        selected: selected.to_vec(),
        rules: bundle.rules.clone(),
        bundle: bundle_dir,
        profile: inputs.profile.clone(),
        files: inputs.files.clone(),
        snapshot: Arc::new(inputs.snapshot.with(&plan.snapshot)),
        lint: lint.to_vec(),
        quick: settings.quick,
        browser: browser(settings.browser)?,
        deadline_ms: u64::from(settings.deadline) * 1000,
    })
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
}

/// The command line as typed, the program by its name: where it lies is this machine's.
fn command_line() -> Vec<String> {
    std::iter::once("verify".to_owned())
        .chain(
            std::env::args_os()
                .skip(1)
                .map(|arg| arg.to_string_lossy().into_owned()),
        )
        .collect()
}
