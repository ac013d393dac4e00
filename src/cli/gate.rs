//! `verify gate`: the verdict of a saved report alone, as text and exit code.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{error::CliError, out, shipped::profile_file};
use crate::{
    engine::{InputRole, Snapshot},
    gate::{self, BindingError, ExitStatus, Policy},
    plan::Lang,
    report::{self, RunInfo, render::text::line},
};

#[derive(Debug, Args)]
pub struct GateArgs {
    /// A report.json, the folder of a run, or its events.ndjson.
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,
    /// Exit 0, not 3, on a conditional pass.
    #[arg(long)]
    pub allow_conditional: bool,
    /// Exit 0, not 4, on a partial run that passed; the first line lists what was not verified.
    #[arg(long)]
    pub allow_partial: bool,
    /// Refuse a run that ended longer ago: a number and s, m, h or d.
    #[arg(long, value_name = "AGE", value_parser = gate::parse_age)]
    pub max_age: Option<Duration>,
    /// Refuse a report of another run.
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    #[command(flatten)]
    pub files: GateFiles,
}

/// The files that are to be deployed. Each must be the one of the report, byte by byte.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is to be deployed")]
pub struct GateFiles {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub candidate: Option<PathBuf>,
    /// The configuration that it replaces.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// The Lua modules, every file.
    #[arg(long, value_name = "DIR")]
    pub lua: Option<PathBuf>,
    /// The pages, every file.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// Further resty.* modules, every file.
    #[arg(long, value_name = "DIR")]
    pub lualib: Option<PathBuf>,
    /// The configuration of oauth2-proxy.
    #[arg(long, value_name = "FILE")]
    pub auth_proxy: Option<PathBuf>,
    /// The profile: a name in fixtures/profiles, or a file.
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Option<PathBuf>,
    /// The plan bundle, every file.
    #[arg(long, value_name = "DIR")]
    pub plan: Option<PathBuf>,
}

/// The verdict of a saved report as text, its reasons, and its exit code.
pub fn gate(args: &GateArgs) -> Result<ExitStatus, CliError> {
    let report = report::load(&args.report)?;
    let place = args.report.display();
    let policy = Policy {
        allow_conditional: args.allow_conditional,
        refuse_partial: !args.allow_partial,
    };
    let decision = gate::decide(&report, policy)
        .map_err(|error| CliError::usage(format!("{place}: {error}")))?;
    bound(args, &report.run)?;
    let mut text = match gate::not_verified(&report) {
        Some(items) if args.allow_partial => {
            format!("NOT VERIFIED: {items} (--allow-partial)\n")
        }
        _ => String::new(),
    };
    text.push_str(&format!(
        "{}: {}\n",
        line(&report.run.id),
        decision.exit.meaning(Lang::En)
    ));
    for reason in &decision.reasons {
        text.push_str(&format!("  {}\n", line(reason)));
    }
    out::print(&text)?;
    Ok(decision.exit)
}

/// Whether the report answers for the run and the files that were named.
fn bound(args: &GateArgs, run: &RunInfo) -> Result<(), CliError> {
    let place = args.report.display();
    let refuse = |error: BindingError| CliError::usage(format!("{place}: {error}"));
    if let Some(wanted) = &args.run {
        gate::same_run(run, wanted).map_err(refuse)?;
    }
    if let Some(limit) = args.max_age {
        gate::recent(run, limit, jiff::Timestamp::now()).map_err(refuse)?;
    }
    let files = &args.files;
    let profile = files.profile.as_deref().map(profile_file).transpose()?;
    let mut now = Snapshot::default();
    let mut roles = Vec::new();
    for (role, path) in [
        (InputRole::Candidate, &files.candidate),
        (InputRole::Baseline, &files.baseline),
        (InputRole::Lua, &files.lua),
        (InputRole::Html, &files.html),
        (InputRole::Lualib, &files.lualib),
        (InputRole::AuthProxy, &files.auth_proxy),
        (InputRole::Plan, &files.plan),
        (InputRole::Profile, &profile),
    ] {
        let Some(path) = path else { continue };
        match role.is_folder() {
            true => now.read_folder(role, path)?,
            false => now.read_file(role, path)?,
        }
        roles.push(role);
    }
    gate::same_inputs(run, &roles, &now).map_err(refuse)
}
