//! What is shown when a run is over: its report, its exit code and what to do next.

use std::path::{Path, PathBuf};

use super::{deployment::Held, error::CliError, formats, out, settings::Settings};
use crate::{
    ledger::Ledger,
    report::{
        LATEST, REPORT_MD, RunReport,
        render::{self, Format, Undo, Ways},
    },
};

/// Shows a report in the formats that were asked for, below the table what to do next, where
/// `undo` is what there is to roll back; whether every file of theirs could be written. One that
/// could not does not keep the others, nor the verdict, from being seen.
///
/// # Errors
/// Where standard output takes nothing.
pub fn show(
    settings: &Settings,
    report: &RunReport,
    dir: &Path,
    undo: Undo<'_>,
) -> Result<bool, CliError> {
    let (formats, lang) = (&settings.formats, settings.lang);
    let written = formats.write(lang, |format, style| format.render(report, style));
    if formats.summarize() {
        formats::summarize(report, lang);
    }
    formats.print(lang, |format, style| match format {
        Format::Table if settings.quiet => Ok(String::new()),
        _ => format.render(report, style),
    })?;
    if formats.stdout != Format::Table {
        return Ok(written);
    }
    let style = out::style(lang);
    let exit = style.paragraph(2, &render::exit(report, lang));
    if settings.quiet {
        let report = to_open(dir);
        out::print(&format!("{exit}\nReport: {}\n", report.display()))?;
        return Ok(written);
    }
    let ways = Ways {
        report: &to_open(dir),
        run: &settings.report_dir.join(LATEST),
        undo,
    };
    let next = render::next(report, ways, style);
    out::print(&format!("{exit}\n\n{next}"))?;
    Ok(written)
}

/// The file of a run's folder that a person opens: the best that is there.
fn to_open(dir: &Path) -> PathBuf {
    let page = dir.join("report.html");
    if page.is_file() {
        page
    } else {
        dir.join(REPORT_MD)
    }
}

/// What is to be rolled back: the last deployment of this project that was not.
#[must_use]
pub fn undo(held: Option<&Held>, run: &str) -> Option<String> {
    let project = &held?.project;
    // A ledger that cannot be read was told of already.
    let deployed = Ledger::open(project, run).ok()?.deployment().ok()?;
    deployed.map(|_| project.clone())
}
