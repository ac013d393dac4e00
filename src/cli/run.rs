//! `verify run`: the plan on a gateway.

use std::{path::Path, time::Instant};

use super::{
    error::CliError,
    failed,
    inputs::{Inputs, PlanInput},
    options::RunArgs,
    out,
    pipeline::{self, Chosen},
    process::Process,
    run_plan::{run_id, stamp},
    settings::{Settings, default_deadline},
};
use crate::{
    engine::event::RunEvent,
    evidence::Redactor,
    gate::ExitStatus,
    plan::{Bundle, ItemId, Lang},
    report::{LATEST, RunDir, StoreError},
};

/// Runs the plan so often as asked, and returns the worst exit code.
pub fn run(args: RunArgs, started: Instant) -> Result<ExitStatus, CliError> {
    out::log(args.output.verbose);
    let mut process = Process::start()?;
    let how = &args.how;
    let deadline = how.deadline.unwrap_or(default_deadline(
        how.stack.unwrap_or_default(),
        how.upstream.unwrap_or_default(),
        how.browser.unwrap_or_default(),
    ));
    if args.what.list || args.what.dry_run {
        return process.read(started, deadline, move || look(args));
    }
    let typed = args.clone();
    let chosen = process.read(started, deadline, move || choose(typed));
    let report_dir = match &chosen {
        Ok(chosen) => chosen.settings.report_dir.clone(),
        Err(_) => Settings::report_dir(&args),
    };
    // From here on `latest` is no older run, whatever becomes of this one.
    let (mut dir, taken) = match take_latest(&report_dir) {
        Ok(dir) => (dir, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let done = chosen.and_then(|chosen| {
        taken?;
        pipeline::run(&mut process, &chosen, &mut dir, started)
    });
    if let (Some(dir), Err(error)) = (dir, &done) {
        note_not_started(dir, error);
    }
    done
}

fn choose(args: RunArgs) -> Result<Chosen, CliError> {
    let failed = args.what.failed;
    let settings = Settings::settle(args)?;
    let plan = PlanInput::checked(&settings.plan)?;
    let mut selected = plan.bundle.select(&settings.choice)?;
    if failed {
        selected = failed::only_open(&settings, &plan.bundle, selected)?;
    }
    Ok(Chosen {
        settings,
        plan,
        selected,
    })
}

/// `--list` and `--dry-run`: nothing is started and nothing is written.
fn look(args: RunArgs) -> Result<ExitStatus, CliError> {
    let list = args.what.list;
    let Chosen {
        settings,
        plan,
        selected,
    } = choose(args)?;
    let text = if list {
        listing(&plan.bundle, &selected, settings.lang)
    } else {
        plan.permit_scripts(settings.allow_scripts)?;
        Inputs::checked(&settings)?;
        format!(
            "{} items chosen, every step is bound, every input is there; nothing was started\n",
            selected.len()
        )
    };
    out::print(&text)?;
    Ok(ExitStatus::Pass)
}

/// Where there is a `latest`, it points at the folder of this run from now on. Where there is none,
/// none can be mistaken for this run: the folder is made when the run starts.
fn take_latest(report_dir: &Path) -> Result<Option<RunDir>, StoreError> {
    match report_dir.join(LATEST).symlink_metadata() {
        Ok(_) => RunDir::create(report_dir, &run_id()).map(Some),
        Err(_) => Ok(None),
    }
}

/// Notes in the run's folder why nothing was started.
fn note_not_started(mut dir: RunDir, error: &CliError) {
    let event = RunEvent::NotStarted {
        run: dir.run_id().to_owned(),
        at: stamp(&jiff::ZonedDateTime::now()),
        exit: error.status.code(),
        reason: Redactor::new().redact(error.message()),
    };
    if let Err(error) = dir.append(&event) {
        out::complain(error);
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
