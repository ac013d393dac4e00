//! `verify render`: a saved report in any format.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    error::CliError,
    formats::{self, Formats, Wanted},
};
use crate::{
    gate::ExitStatus,
    input,
    mutation::{self, Matrix},
    plan::Lang,
    report::{
        self,
        render::{self, Format, Style},
    },
};

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A report.json, the folder of a run, or its events.ndjson.
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,
    /// A form of the report and the file that it goes to, any number of times, as for `run`.
    #[arg(long, value_name = "NAME[=PATH]")]
    pub format: Vec<Wanted>,
    /// The language.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
    /// A mutation.json of `verify mutate`, for the page of `--format html` [default: the one in
    /// the run's folder, where there is one].
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
}

/// A saved report in any format.
pub fn render(args: RenderArgs) -> Result<ExitStatus, CliError> {
    let formats = Formats::settle(args.format)?;
    let report = report::load(&args.report)?;
    let lang = args.lang;
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
    Ok(match written {
        true => ExitStatus::Pass,
        false => ExitStatus::Inconclusive,
    })
}

/// The matrix in a run's folder, where there is one.
fn beside(report: &Path) -> Option<PathBuf> {
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
