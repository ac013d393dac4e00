//! `verify gate`, `verify render` and `verify trace`: a saved report alone.

use std::path::Path;

use super::{
    args::{GateArgs, RenderArgs, TraceArgs},
    error::CliError,
    formats::{self, Formats},
    out,
    settings::profile_file,
};
use crate::{
    engine::{InputRole, Snapshot},
    gate::{self, BindingError, ExitStatus, Policy},
    input,
    mutation::{self, Matrix},
    plan::Lang,
    report::{
        self, RunInfo,
        render::{self, Format, Style, text::line},
    },
};

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

/// A saved report in any format.
pub fn render(args: RenderArgs) -> Result<ExitStatus, CliError> {
    let formats = Formats::settle(args.format)?;
    let report = report::load(&args.report)?;
    let lang = args.lang.into();
    let matrix = match &args.matrix {
        Some(file) => Some(matrix(file)?),
        None => beside(&args.report).map(|file| matrix(&file)).transpose()?,
    };
    let shown = |format: Format, style: Style| match format {
        Format::Html => Ok(render::html(&report, matrix.as_ref(), style.lang)?),
        _ => format.render(&report, style),
    };
    let written = formats.write(lang, shown);
    if formats.summarize() {
        formats::summarize(&report, lang);
    }
    formats.print(lang, shown)?;
    Ok(if written {
        ExitStatus::Pass
    } else {
        ExitStatus::Inconclusive
    })
}

/// The matrix in a run's folder, where there is one.
fn beside(report: &Path) -> Option<std::path::PathBuf> {
    let dir = if report.is_dir() {
        report
    } else {
        report.parent()?
    };
    let file = dir.join(mutation::MATRIX);
    file.is_file().then_some(file)
}

/// What `verify mutate` wrote.
fn matrix(file: &Path) -> Result<Matrix, CliError> {
    let unread = |why: String| {
        let hint = format!("`verify mutate` writes one, as {}", mutation::MATRIX);
        CliError::usage(format!("{} is no matrix of mutants: {why}", file.display())).hint(hint)
    };
    let bytes =
        input::bytes(file, input::REPORT_LIMIT).map_err(|error| unread(error.to_string()))?;
    let found: Matrix =
        serde_json::from_slice(&bytes).map_err(|error| unread(error.to_string()))?;
    match found.schema_version {
        mutation::SCHEMA_VERSION => Ok(found),
        other => Err(unread(format!(
            "it has schema version {other}, this program reads {}",
            mutation::SCHEMA_VERSION
        ))),
    }
}

/// The way of an item's requests.
pub fn trace(args: &TraceArgs) -> Result<ExitStatus, CliError> {
    let report = report::load(&args.report)?;
    let mut all = report.items.iter().chain(&report.extended);
    let Some(item) = all.find(|item| item.id == args.item) else {
        return Err(CliError::usage(format!(
            "{}: the report has no item {}",
            args.report.display(),
            args.item
        )));
    };
    let lang = args.lang.into();
    let Some(text) = render::trace(item, out::style(lang)) else {
        let traced: Vec<String> = (report.items.iter().chain(&report.extended))
            .filter(|item| !report::trace::traces(item).is_empty())
            .map(|item| item.id.to_string())
            .collect();
        let error = CliError::usage(format!(
            "{}: no request of item {} was followed through the gateway",
            args.report.display(),
            args.item
        ));
        return Err(match traced.is_empty() {
            true => error,
            false => error.hint(format!("these have one: {}", traced.join(", "))),
        });
    };
    out::print(&text)?;
    Ok(ExitStatus::Pass)
}
