//! `verify gate`, `verify render` and `verify trace`: a saved report alone.

use std::{fs, path::Path};

use super::{
    args::{GateArgs, RenderArgs, TraceArgs},
    error::CliError,
    formats::{self, Formats},
    out,
};
use crate::{
    gate::{self, ExitStatus, Policy},
    mutation::{self, Matrix},
    plan::Lang,
    report::{
        self,
        render::{self, Format, Style, text::line},
    },
};

/// The verdict of a saved report as text, its reasons, and its exit code.
pub fn gate(args: &GateArgs) -> Result<ExitStatus, CliError> {
    let report = report::load(&args.report)?;
    let decision = gate::decide(
        &report,
        Policy {
            allow_conditional: args.allow_conditional,
        },
    )
    .map_err(|error| CliError::usage(format!("{}: {error}", args.report.display())))?;
    let mut text = format!(
        "{}: {}\n",
        line(&report.run.id),
        decision.exit.meaning(Lang::En)
    );
    for reason in &decision.reasons {
        text.push_str(&format!("  {}\n", line(reason)));
    }
    out::print(&text)?;
    Ok(decision.exit)
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
    let bytes = fs::read(file).map_err(|error| unread(error.to_string()))?;
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
