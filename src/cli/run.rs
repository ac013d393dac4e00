//! `verify run`: the plan on a gateway.

use std::{path::Path, time::Instant};

use gherkin::StepType;

use super::{
    args::{Format, RunArgs},
    error::CliError,
    inputs::Inputs,
    live::Live,
    log, out, place, runtime, saved,
    settings::Settings,
};
use crate::{
    engine::{self, Place, RunPlan, event::RunEvent},
    gate::{self, Decision, ExitStatus, Policy},
    plan::{Bundle, ItemId, Lang, Vocabulary},
    probe::log::Grammar,
    report::{RunDir, RunInfo, RunReport, render},
    steps::registry::{self, Keyword},
    verdict, yaml,
};

/// Runs the plan so often as asked, and returns the worst exit code.
pub fn run(args: RunArgs, started: Instant) -> Result<ExitStatus, CliError> {
    log(args.output.verbose);
    let (list, dry_run) = (args.list, args.dry_run);
    let settings = Settings::settle(args)?;
    let bundle = Bundle::load(&settings.plan)?;
    bundle.check(&StepTable)?;
    let selected = bundle.select(&settings.choice)?;
    if list {
        out::print(&listing(&bundle, &selected, settings.lang))?;
        return Ok(ExitStatus::Pass);
    }
    let inputs = Inputs::read(&settings)?;
    Grammar::new(&inputs.profile.log)
        .map_err(|error| CliError::usage(format!("{}: {error}", settings.profile.display())))?;
    if dry_run {
        let text = format!(
            "{} items chosen, every step is bound, every input is there; nothing was started\n",
            selected.len()
        );
        out::print(&text)?;
        return Ok(ExitStatus::Pass);
    }
    let place = runtime()?.block_on(place::find(settings.stack))?;
    let mut worst = ExitStatus::Pass;
    for number in 1..=settings.repeat {
        let began = if number == 1 { started } else { Instant::now() };
        let status = once(&settings, &place, &bundle, &selected, &inputs, began)?;
        if settings.repeat > 1 {
            out::complain(format_args!(
                "run {number} of {}: exit {}",
                settings.repeat,
                status.code()
            ));
        }
        worst = worse(worst, status);
        if status == ExitStatus::Interrupted {
            break;
        }
    }
    Ok(worst)
}

/// Which of two outcomes counts: an interruption, then a failure, then what could not be told.
fn worse(one: ExitStatus, other: ExitStatus) -> ExitStatus {
    let rank = |status| match status {
        ExitStatus::Pass => 0,
        ExitStatus::Conditional => 1,
        ExitStatus::Inconclusive => 2,
        ExitStatus::Usage => 3,
        ExitStatus::Fail => 4,
        ExitStatus::Interrupted => 5,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn once(
    settings: &Settings,
    place: &Place,
    bundle: &Bundle,
    selected: &[ItemId],
    inputs: &Inputs,
    started: Instant,
) -> Result<ExitStatus, CliError> {
    let plan = run_plan(settings, place, bundle, selected, inputs)?;
    let runtime = runtime()?;
    let listening = {
        let _guard = runtime.enter();
        engine::Signals::new()
    };
    let mut signals = listening
        .map_err(|error| CliError::environment(format!("cannot listen for signals: {error}")))?;
    let mut dir = RunDir::create(&settings.report_dir, &plan.run.id)?;
    let mut live = Live::new(settings.lang);
    let mut events = Vec::new();
    let mut unwritten = None;
    let mut on_event = |event: RunEvent| {
        if let Err(error) = dir.append(&event) {
            unwritten.get_or_insert(error);
        }
        live.show(&event);
        events.push(event);
    };
    runtime.block_on(engine::run(
        &plan,
        place,
        started,
        &mut signals,
        &mut on_event,
    ));
    let report = verdict::fold(events).map_err(|error| {
        CliError::environment(format!("the run's events make no report: {error}"))
    })?;
    let written = unwritten
        .map_or(Ok(()), Err)
        .and_then(|()| dir.finish(&report, settings.lang));
    show(settings, &report, dir.path())?;
    if let Err(error) = written {
        return Err(CliError::environment(format!(
            "the report could not be written: {error}"
        )));
    }
    let decision = decide(settings, &report)?;
    Ok(decision.exit)
}

/// A report of this very run that cannot be judged is a defect of ours: no judgement.
fn decide(settings: &Settings, report: &RunReport) -> Result<Decision, CliError> {
    let policy = Policy {
        allow_conditional: settings.allow_conditional,
    };
    gate::decide(report, policy).map_err(|error| CliError::environment(error.to_string()))
}

fn show(settings: &Settings, report: &RunReport, dir: &Path) -> Result<(), CliError> {
    if settings.format != Format::Table {
        return out::print(&saved::text(report, settings.format, settings.lang)?);
    }
    out::print(&render::table(report, out::style(settings.lang)))?;
    let decision = decide(settings, report)?;
    out::print(&format!(
        "Report: {}\nExit {}: {}\n",
        dir.join(crate::report::REPORT_MD).display(),
        decision.exit.code(),
        decision.exit.meaning(settings.lang)
    ))
}

fn run_plan(
    settings: &Settings,
    place: &Place,
    bundle: &Bundle,
    selected: &[ItemId],
    inputs: &Inputs,
) -> Result<RunPlan, CliError> {
    let now = jiff::ZonedDateTime::now();
    let random = crate::probe::nonce();
    let id = format!(
        "{}-{}",
        now.timestamp().strftime("%Y%m%dT%H%M%S"),
        random.get(..4).unwrap_or_default()
    );
    let bundle_dir = std::path::absolute(&bundle.dir)
        .map_err(|error| CliError::usage(format!("--plan {}: {error}", bundle.dir.display())))?;
    Ok(RunPlan {
        run: RunInfo {
            id,
            started_at: now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string(),
            duration_ms: 0.0,
            partial: selected.len() != bundle.items().count(),
            stack: place.name().to_owned(),
            components: Vec::new(),
            candidate: inputs.candidate.clone(),
            baseline: inputs.baseline.clone(),
            profile: inputs.profile.name.clone(),
            command: command_line(),
            end: None,
            plan: bundle.title.clone(),
        },
        phases: bundle.phases.clone(),
        selected: selected.to_vec(),
        bundle: bundle_dir,
        profile: inputs.profile.clone(),
        files: inputs.files.clone(),
        quick: settings.quick,
        deadline_ms: u64::from(settings.deadline) * 1000,
    })
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

/// The step definitions, as the bundle's check asks for them.
struct StepTable;

fn keyword(kind: StepType) -> Keyword {
    match kind {
        StepType::Given => Keyword::Given,
        StepType::When => Keyword::When,
        StepType::Then => Keyword::Then,
    }
}

impl Vocabulary for StepTable {
    fn count(&self, kind: StepType, text: &str) -> usize {
        registry::matching(keyword(kind), text).len()
    }

    fn nearest(&self, kind: StepType, text: &str) -> Option<String> {
        let known: Vec<String> = registry::all()
            .filter(|def| def.keyword == keyword(kind))
            .map(|def| registry::readable(def.pattern))
            .collect();
        yaml::suggest(text, known.iter().map(String::as_str)).map(str::to_owned)
    }
}

/// What would run: number, title, FILE:LINE.
fn listing(bundle: &Bundle, selected: &[ItemId], lang: Lang) -> String {
    let place = |id: ItemId| {
        let bound = bundle
            .scenarios()
            .find(|bound| bound.items().any(|item| item == id));
        bound.map(|bound| bound.at()).unwrap_or_default()
    };
    selected
        .iter()
        .map(|id| {
            format!(
                "{id}  {}  {}\n",
                place(*id),
                bundle.title_of(*id, lang).unwrap_or_default()
            )
        })
        .collect()
}
