//! `verify gate` and `verify render`: a saved report alone.

use super::{
    args::{Format, GateArgs, RenderArgs},
    error::CliError,
    out,
};
use crate::{
    gate::{self, ExitStatus, Policy},
    plan::Lang,
    report::{self, RunReport, render},
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
    let mut text = format!("{}: {}\n", report.run.id, decision.exit.meaning(Lang::En));
    for reason in &decision.reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    out::print(&text)?;
    Ok(decision.exit)
}

/// A saved report in any format.
pub fn render(args: &RenderArgs) -> Result<ExitStatus, CliError> {
    let report = report::load(&args.report)?;
    out::print(&text(&report, args.format, args.lang.into())?)?;
    Ok(ExitStatus::Pass)
}

/// A report in a format.
pub fn text(report: &RunReport, format: Format, lang: Lang) -> Result<String, CliError> {
    match format {
        Format::Table => Ok(render::table(report, out::style(lang))),
        Format::Markdown => Ok(render::markdown(report, lang)),
        Format::Json => render::json(report).map_err(|error| {
            CliError::environment(format!("the report cannot be written as JSON: {error}"))
        }),
    }
}
