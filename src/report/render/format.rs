//! The forms of a report by their names.

use std::{fmt, str::FromStr};

use super::{
    ctrf::ctrf,
    cucumber::cucumber_messages,
    github::{self, github},
    junit::junit,
    sarif::sarif,
    style::Style,
    table::table,
    tap::tap,
    template::{self, TemplateError},
};
use crate::{
    mutation::Matrix,
    plan::Lang,
    report::{
        RunReport, text,
        view::{Decision, View},
        words::{fill, words},
    },
    yaml,
};

/// A form that a report is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For a person at a terminal.
    Table,
    /// `report.json`
    Json,
    /// `report.md`
    Markdown,
    /// `report.html`
    Html,
    /// JUnit XML, for Jenkins, GitLab and others.
    Junit,
    /// Common Test Report Format, JSON.
    Ctrf,
    /// Test Anything Protocol 14.
    Tap,
    /// Cucumber Messages, one JSON object a line.
    CucumberMessages,
    /// Workflow commands of GitHub Actions.
    Github,
    /// What the linter found, as SARIF 2.1.0.
    Sarif,
}

/// A name that no format has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no format `{typed}`{}; known: {}", meant(typed), known())]
pub struct UnknownFormat {
    /// The name.
    pub typed: String,
}

/// A report that could not be put into a form.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A path that is not UTF-8, mostly.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A defect of the templates.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The library could not.
    #[error("the report cannot be written as JUnit XML: {0}")]
    Junit(#[from] quick_junit::SerializeError),
}

impl Format {
    /// Every one, in the order of the help.
    pub const ALL: [Self; 10] = [
        Self::Table,
        Self::Json,
        Self::Markdown,
        Self::Html,
        Self::Junit,
        Self::Ctrf,
        Self::Tap,
        Self::CucumberMessages,
        Self::Github,
        Self::Sarif,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Junit => "junit",
            Self::Ctrf => "ctrf",
            Self::Tap => "tap",
            Self::CucumberMessages => "cucumber-messages",
            Self::Github => "github",
            Self::Sarif => "sarif",
        }
    }

    /// The report in this form.
    ///
    /// # Errors
    ///
    /// What the form cannot hold.
    pub fn render(self, report: &RunReport, style: Style) -> Result<String, RenderError> {
        let view = || View::of(report, style.lang);
        Ok(match self {
            Self::Table => table(&view(), style),
            Self::Json => json(report)?,
            Self::Markdown => template::markdown(&view())?,
            Self::Html => template::html(&view())?,
            Self::Junit => junit(&view())?,
            Self::Ctrf => ctrf(&view())?,
            Self::Tap => tap(&view()),
            Self::CucumberMessages => cucumber_messages(&view()),
            Self::Github => github(&view()),
            Self::Sarif => sarif(&report.lint, style.lang)?,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(typed: &str) -> Result<Self, UnknownFormat> {
        let named = Self::ALL.into_iter().find(|format| format.name() == typed);
        named.ok_or_else(|| UnknownFormat {
            typed: typed.to_owned(),
        })
    }
}

fn meant(typed: &str) -> String {
    yaml::suggest(typed, Format::ALL.map(Format::name))
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

fn known() -> String {
    Format::ALL.map(Format::name).join(", ")
}

/// The report as a page, with the matrix of a catalogue of mutants where there is one.
///
/// # Errors
/// Where a template is wrong.
pub fn html(
    report: &RunReport,
    matrix: Option<&Matrix>,
    lang: Lang,
) -> Result<String, TemplateError> {
    template::html(&View::of(report, lang).with_matrix(matrix))
}

/// The report as `report.md` and `report.html`, in this order.
///
/// # Errors
/// Where a template is wrong.
pub fn documents(report: &RunReport, lang: Lang) -> Result<[String; 2], TemplateError> {
    let view = View::of(report, lang);
    Ok([template::markdown(&view)?, template::html(&view)?])
}

/// The exit code that the run ended with, in a line.
#[must_use]
pub fn exit(report: &RunReport, lang: Lang) -> String {
    let decision = Decision::of(report, lang);
    let (code, meaning) = (decision.exit_code, decision.exit_meaning);
    fill(
        words(lang).exit_line,
        &[("code", &code), ("meaning", &meaning)],
    )
}

/// The summary of a step of GitHub Actions, at most `room` bytes long.
///
/// # Errors
/// Where a template is wrong.
pub fn github_summary(
    report: &RunReport,
    lang: Lang,
    room: usize,
) -> Result<String, TemplateError> {
    github::summary(&View::of(report, lang), room)
}

/// The report as `report.json`: pretty, with a line end.
///
/// # Errors
///
/// When a path in it is not UTF-8, which JSON cannot hold.
pub fn json(report: &RunReport) -> Result<String, serde_json::Error> {
    text::json(report)
}
