//! `verify lint`: what the files alone say. Nothing is started.

use std::thread;

use clap::{ArgAction, Args};

use super::{
    error::CliError,
    formats::{Formats, Wanted},
    inputs,
    options::{FileArgs, OutputArgs, RunArgs, StackKind},
    out,
    settings::Settings,
};
use crate::{
    engine::{InputRole, Snapshot},
    gate::ExitStatus,
    lint::{self, Files, Finding, Inputs, Level},
    plan::{Bundle, BundleError, Lang, Problem, Text},
    profile::Profile,
    report::render::{Format, RenderError, Style, findings, github_lint, sarif, text},
    steps::table::StepTable,
};

/// What `--help` says after the options.
pub const AFTER_HELP: &str = "\
Exit codes:
  0    no finding, or only notes
  1    findings at level error or warning
  2    usage or configuration error

A rule that is not sure keeps silent. The same findings stand in the report of a run, where
they have no part in the verdict.";

#[derive(Debug, Args)]
pub struct LintArgs {
    /// A form of the findings and the file that it goes to, any number of times: table, json,
    /// sarif, github. Without =PATH, or with =-, standard output, which else gets the table.
    #[arg(long, value_name = "NAME[=PATH]", help_heading = "Output")]
    pub format: Vec<Wanted>,
    /// The language of the findings [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG", help_heading = "Output")]
    pub lang: Option<Lang>,
    /// The harness's own log on standard error; -vv for more.
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    #[command(flatten)]
    pub files: FileArgs,
}

/// The forms that findings have.
const FORMATS: [Format; 4] = [Format::Table, Format::Json, Format::Sarif, Format::Github];

/// A parser may go as deep as a file nests; a hostile file nests deeply.
const STACK: usize = 64 * 1024 * 1024;

/// Reads the files and says what cannot work or cannot be seen.
pub fn lint(args: LintArgs) -> Result<ExitStatus, CliError> {
    out::log(args.verbose);
    let formats = Formats::settle(args.format)?;
    formats.only("lint", &FORMATS)?;
    let settings = Settings::settle(RunArgs {
        files: args.files,
        output: OutputArgs {
            lang: args.lang,
            ..OutputArgs::default()
        },
        ..RunArgs::default()
    })?;
    // Read for what they are: the linter reads them again, by their paths.
    let mut snapshot = Snapshot::default();
    snapshot.read_file(InputRole::Candidate, &settings.files.candidate)?;
    snapshot.read_folder(InputRole::Lua, &settings.files.lua)?;
    snapshot.read_folder(InputRole::Html, &settings.files.html)?;
    if let Some(lualib) = &settings.files.lualib {
        snapshot.read_folder(InputRole::Lualib, lualib)?;
    }
    let profile = inputs::profile(&mut snapshot, &settings)?;
    let found = look(&settings, &profile, problems(&settings)?);
    let written = formats.write(settings.lang, |format, style| {
        rendered(&found, format, style)
    });
    formats.print(settings.lang, |format, style| {
        rendered(&found, format, style)
    })?;
    let clean = found.iter().all(|finding| finding.level == Level::Note);
    Ok(match (clean, written) {
        (true, true) => ExitStatus::Pass,
        (true, false) => ExitStatus::Usage,
        (false, _) => ExitStatus::Fail,
    })
}

/// The findings in one of [`FORMATS`].
fn rendered(found: &[Finding], format: Format, style: Style) -> Result<String, RenderError> {
    Ok(match format {
        Format::Json => text::json(&found)?,
        Format::Sarif => sarif(found, style.lang)?,
        Format::Github => github_lint(found, style.lang),
        _ => findings(found, style),
    })
}

/// What is wrong with the plan. A bundle that is not there, or whose plan cannot be read, is
/// an error.
fn problems(settings: &Settings) -> Result<Vec<Problem>, CliError> {
    let files = inputs::plan_files(&settings.plan)?;
    let bundle = Bundle::read(&settings.plan, &|name| files.text(InputRole::Plan, name));
    let checked = bundle.and_then(|bundle| bundle.check(&StepTable));
    match checked {
        Ok(()) => Ok(Vec::new()),
        Err(BundleError::Problems { problems, .. }) => Ok(problems),
        Err(error) => Err(error.into()),
    }
}

/// What the linter finds before a run, whose plan is known to be right. Where a deployment is
/// looked at, there is something to lint only where a candidate was named; its Lua is the
/// deployment's.
pub fn before_run(settings: &Settings, profile: &Profile) -> Vec<Finding> {
    if settings.stack == StackKind::Compose && !settings.named.candidate {
        return Vec::new();
    }
    look(settings, profile, Vec::new())
}

/// Lints on a thread of its own: whatever becomes of it there, nothing else suffers.
fn look(settings: &Settings, profile: &Profile, plan: Vec<Problem>) -> Vec<Finding> {
    let own_lua = settings.stack != StackKind::Compose;
    let files = Files {
        candidate: &settings.files.candidate,
        lua: own_lua.then_some(settings.files.lua.as_path()),
        html: own_lua.then_some(settings.files.html.as_path()),
        lualib: settings.files.lualib.as_deref(),
        profile: &settings.profile,
    };
    thread::scope(|scope| {
        let linter = thread::Builder::new()
            .name("lint".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || lint::lint(&Inputs::read(&files, profile, plan)));
        let found = linter.map(thread::ScopedJoinHandle::join);
        match found {
            Ok(Ok(found)) => found,
            _ => vec![gave_up(settings)],
        }
    })
}

/// The linter's own failure is a note.
fn gave_up(settings: &Settings) -> Finding {
    let text = |en: &str, ja: &str| Text {
        en: en.to_owned(),
        ja: ja.to_owned(),
    };
    Finding {
        rule: "lint-failed".to_owned(),
        level: Level::Note,
        file: settings.files.candidate.clone(),
        line: 1,
        what: text(
            "the linter came to no end with these files",
            "静的チェックを完了できませんでした",
        ),
        why: text(
            "nothing is said about them before the run",
            "起動前の指摘はありません",
        ),
        remedy: text(
            "this is a defect of verify, please report it",
            "verify の不具合です。報告してください",
        ),
    }
}
