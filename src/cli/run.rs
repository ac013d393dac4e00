//! `verify run`: the plan on a gateway.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cucumber::gherkin::StepType;
use tokio::runtime::Runtime;

use super::{
    args::{RollbackPolicy, RunArgs, StackKind, UpstreamKind},
    deployment::{self, Held},
    error::CliError,
    failed,
    inputs::{Inputs, PlanInput},
    lint,
    live::Live,
    log, out,
    place::{self, browser},
    rollback, runtime,
    settings::{Settings, default_deadline},
    show::{show, undo},
};
use crate::{
    engine::{
        self, InputRole, Place, RunPlan,
        event::{RunEnd, RunEvent},
    },
    evidence::Redactor,
    gate::{self, Decision, ExitStatus, Policy},
    ledger::Ledger,
    lint::Finding,
    plan::{Bundle, ItemId, Lang, Vocabulary},
    probe::log::Grammar,
    report::{
        self, FileRef, InputFile, LATEST, Program, Rollback, RunDir, RunInfo, RunReport,
        StoreError, Verdict, render::Undo,
    },
    stack::docker::{compose::Setup, labels},
    steps::{codes, registry, script},
    verdict, yaml,
};

/// Runs the plan so often as asked, and returns the worst exit code.
pub fn run(args: RunArgs, started: Instant) -> Result<ExitStatus, CliError> {
    log(args.output.verbose);
    let mut process = Process::start()?;
    let typed = args.how.deadline;
    let how = &args.how;
    let (upstream, browser) = (
        how.upstream.unwrap_or_default(),
        how.browser.unwrap_or_default(),
    );
    let deadline = typed.unwrap_or(default_deadline(
        how.stack.unwrap_or_default(),
        upstream,
        browser,
    ));
    if args.list || args.dry_run {
        return process.read(started, deadline, move || look(args));
    }
    let typed = args.clone();
    let chosen = process.read(started, deadline, move || choose(typed));
    let report_dir = match &chosen {
        Ok(chosen) => chosen.settings.report_dir.clone(),
        Err(_) => Settings::report_dir(&args),
    };
    // From here on `latest` is no older run, whatever becomes of this one.
    let mut begun = None;
    let done = match (chosen, Begun::new(&report_dir)) {
        (Err(error), made) => {
            begun = made.ok().flatten();
            Err(error)
        }
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(chosen), Ok(made)) => {
            begun = made;
            repeat(&mut process, &chosen, &mut begun, started)
        }
    };
    if let (Some(begun), Err(error)) = (begun, &done) {
        begun.ends(error);
    }
    done
}

/// What is to be run, settled.
struct Chosen {
    settings: Settings,
    plan: PlanInput,
    selected: Vec<ItemId>,
    allow_scripts: bool,
}

fn choose(args: RunArgs) -> Result<Chosen, CliError> {
    let (failed, allow_scripts) = (args.failed, args.how.allow_scripts);
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
        allow_scripts,
    })
}

fn inputs(settings: &Settings) -> Result<Inputs, CliError> {
    let inputs = Inputs::read(settings)?;
    Grammar::new(&inputs.profile.log)
        .map_err(|error| CliError::usage(format!("{}: {error}", settings.profile.display())))?;
    Ok(inputs)
}

/// `--list` and `--dry-run`: nothing is started and nothing is written.
fn look(args: RunArgs) -> Result<ExitStatus, CliError> {
    let list = args.list;
    let Chosen {
        settings,
        plan,
        selected,
        allow_scripts,
    } = choose(args)?;
    let text = if list {
        listing(&plan.bundle, &selected, settings.lang)
    } else {
        permit_scripts(&plan.bundle, allow_scripts)?;
        inputs(&settings)?;
        format!(
            "{} items chosen, every step is bound, every input is there; nothing was started\n",
            selected.len()
        )
    };
    out::print(&text)?;
    Ok(ExitStatus::Pass)
}

/// The folder of a run that has read nothing yet, where `latest` points at it.
struct Begun {
    dir: RunDir,
}

impl Begun {
    /// Where there is a `latest`, it points at the folder of this run from now on. Where there is
    /// none, none can be mistaken for this run: the folder is made when the run starts.
    fn new(report_dir: &Path) -> Result<Option<Self>, StoreError> {
        if report_dir.join(LATEST).symlink_metadata().is_err() {
            return Ok(None);
        }
        let dir = RunDir::create(report_dir, &run_id())?;
        Ok(Some(Self { dir }))
    }

    /// Notes why nothing was started.
    fn ends(mut self, error: &CliError) {
        let event = RunEvent::NotStarted {
            run: self.dir.run_id().to_owned(),
            at: stamp(&jiff::ZonedDateTime::now()),
            exit: error.status.code(),
            reason: Redactor::new().redact(error.message()),
        };
        if let Err(error) = self.dir.append(&event) {
            out::complain(error);
        }
    }
}

fn repeat(
    process: &mut Process,
    chosen: &Chosen,
    begun: &mut Option<Begun>,
    started: Instant,
) -> Result<ExitStatus, CliError> {
    let Chosen {
        settings,
        plan,
        selected,
        allow_scripts,
    } = chosen;
    permit_scripts(&plan.bundle, *allow_scripts)?;
    let of_files = settings.clone();
    let mut inputs = process.read(started, settings.deadline, move || inputs(&of_files))?;
    if settings.repeat > 1 && settings.deployment.allowed.deploy {
        return Err(CliError::usage("--repeat: a candidate is deployed once"));
    }
    // Before anything is started: where it is missing, that is said at once.
    browser(settings.browser)?;
    if settings.upstream == UpstreamKind::Litellm {
        inputs.profile.without_database();
    }
    let (place, held) = process.run(async {
        match settings.stack {
            StackKind::Compose => {
                let (place, held) = deployment::prepare(settings, &mut inputs).await?;
                Ok((place, Some(held)))
            }
            kind => {
                let place = place::find(kind, settings.upstream, settings.sandbox).await?;
                #[cfg(feature = "fault-injection")]
                let place = place.with(settings.injection);
                Ok((place, None))
            }
        }
    })?;
    let (of_files, profile) = (settings.clone(), inputs.profile.clone());
    let found = process.read(started, settings.deadline, move || {
        Ok(lint::before_run(&of_files, &profile))
    })?;
    let mut worst = ExitStatus::Pass;
    for number in 1..=settings.repeat {
        let work = Work {
            settings,
            plan,
            inputs: &inputs,
            lint: &found,
            started: if number == 1 { started } else { Instant::now() },
        };
        let dir = match begun.take() {
            Some(begun) => begun.dir,
            None => RunDir::create(&settings.report_dir, &run_id())?,
        };
        let status = once(process, &work, &place, held.as_ref(), selected, dir)?;
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

/// This process: what it waits with, and the signals that it listens to from its start on.
pub struct Process {
    /// The runtime.
    pub runtime: Runtime,
    /// Those that end what it does.
    pub signals: engine::Signals,
}

impl Process {
    /// Listens from here on: to be made before anything is written or started.
    ///
    /// # Errors
    /// What the system says.
    pub fn start() -> Result<Self, CliError> {
        let runtime = runtime()?;
        let listening = {
            let _guard = runtime.enter();
            engine::Signals::new()
        };
        let signals = listening.map_err(|error| {
            CliError::environment(format!("cannot listen for signals: {error}"))
        })?;
        Ok(Self { runtime, signals })
    }

    /// Reads and looks at files, on a thread of its own: a signal or the deadline, in seconds since
    /// `started`, ends the wait, whatever the thread still waits for. It ends with the process.
    ///
    /// # Errors
    /// The work's own, that a signal came, or that the deadline passed.
    pub fn read<T: Send + 'static>(
        &mut self,
        started: Instant,
        deadline: u32,
        work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
    ) -> Result<T, CliError> {
        let (done, result) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("files".to_owned());
        thread
            // Nobody waits any more: nothing is to be done.
            .spawn(move || drop(done.send(work())))
            .map_err(|error| CliError::environment(format!("cannot start a thread: {error}")))?;
        let limit = Duration::from_secs(deadline.into()).saturating_sub(started.elapsed());
        self.run(async {
            match tokio::time::timeout(limit, result).await {
                Ok(Ok(done)) => done,
                Ok(Err(_)) => Err(CliError::environment("the files could not be read")),
                Err(_) => Err(CliError::environment(format!(
                    "the files were not read within the deadline of {deadline} s"
                ))),
            }
        })
    }

    /// Waits for something that a signal may end.
    ///
    /// # Errors
    /// The thing's own, or that a signal came.
    pub fn run<T>(
        &mut self,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let signals = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                name = signals.next() => Err(CliError::interrupted(name)),
            }
        })
    }
}

/// What a run works with, settled.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// What was asked for.
    pub settings: &'a Settings,
    /// The plan.
    pub plan: &'a PlanInput,
    /// The files.
    pub inputs: &'a Inputs,
    /// What the linter found.
    pub lint: &'a [Finding],
    /// When it began.
    pub started: Instant,
}

/// A run that is over.
pub struct Ran {
    /// What it came to.
    pub report: RunReport,
    /// Where it is written down.
    pub dir: RunDir,
    unwritten: Option<StoreError>,
}

/// Goes through the chosen items and judges what was seen.
///
/// # Errors
/// A report folder that cannot be written, events that make no report.
pub fn go(
    process: &mut Process,
    work: &Work<'_>,
    place: &Place,
    selected: &[ItemId],
    mut dir: RunDir,
) -> Result<Ran, CliError> {
    let settings = work.settings;
    let id = dir.run_id().to_owned();
    let mut plan = RunPlan {
        lint: work.lint.to_vec(),
        ..run_plan(settings, place, work.plan, selected, work.inputs, id)?
    };
    // The duration counts from there, too: both together are the end.
    let now = jiff::ZonedDateTime::now();
    plan.run.started_at = stamp(&now.checked_sub(work.started.elapsed()).unwrap_or(now));
    let mut live = Live::new(settings.lang, work.started);
    let mut events = Vec::new();
    let mut unwritten = None;
    let mut on_event = |event: RunEvent| {
        if let Err(error) = dir.append(&event) {
            unwritten.get_or_insert(error);
        }
        live.show(&event);
        events.push(event);
    };
    process.runtime.block_on(engine::run(
        &plan,
        place,
        work.started,
        &mut process.signals,
        &mut on_event,
    ));
    let report = verdict::fold(events).map_err(|error| {
        CliError::environment(format!("the run's events make no report: {error}"))
    })?;
    Ok(Ran {
        report,
        dir,
        unwritten,
    })
}

fn once(
    process: &mut Process,
    work: &Work<'_>,
    place: &Place,
    held: Option<&Held>,
    selected: &[ItemId],
    dir: RunDir,
) -> Result<ExitStatus, CliError> {
    let settings = work.settings;
    let mut ran = go(process, work, place, selected, dir)?;
    // The report first: whatever happens from here on, what was seen is written.
    let mut written = ran.unwritten.take().map_or(Ok(()), Err);
    written = written.and(ran.dir.finish(&ran.report, settings.lang));
    let mut in_order = true;
    if matches!(place, Place::Containers(_)) {
        let gone = process
            .runtime
            .block_on(labels::until_gone(&ran.report.run.id));
        if let Err(error) = gone {
            out::complain(CliError::from(error));
            in_order = false;
        }
    }
    let mut rolled_back = Ok(());
    if let (Some(held), Place::Compose(setup)) = (held, place) {
        let profile = &work.inputs.profile;
        // Before a rollback, whose proof a ban that is left would spoil; what cannot be undone
        // where the candidate ended the gateway can be when the baseline is back.
        let undone = (process.runtime).block_on(deployment::undo(&held.project, profile));
        rolled_back = roll_back(process, work, setup, held, &mut ran);
        if !undone.is_ok_and(|left| left.is_empty()) {
            in_order = (process.runtime).block_on(deployment::put_in_order(&held.project, profile));
        }
        written = written.and(ran.dir.finish(&ran.report, settings.lang));
    }
    let project = undo(held, &ran.report.run.id);
    let undo = project.as_deref().map_or(Undo::Nothing, Undo::Project);
    in_order &= show(settings, &ran.report, ran.dir.path(), undo)?;
    if let Err(error) = written {
        return Err(CliError::environment(format!(
            "the report could not be written: {error}"
        )));
    }
    rolled_back?;
    let decision = decide(settings, &ran.report)?;
    let failed = ran.report.rollback.executed && !rollback::succeeded(&ran.report.rollback);
    Ok(match (decision.exit, in_order) {
        _ if failed => ExitStatus::Fail,
        (ExitStatus::Pass | ExitStatus::Conditional, false) => ExitStatus::Inconclusive,
        (exit, _) => exit,
    })
}

/// Puts the baseline back where this run deployed the candidate and the policy asks for it: on
/// a verdict of fail, and where the run ended before it could judge.
fn roll_back(
    process: &mut Process,
    work: &Work<'_>,
    setup: &Setup,
    held: &Held,
    ran: &mut Ran,
) -> Result<(), CliError> {
    let settings = work.settings;
    let ledger = Ledger::open(&held.project, &ran.report.run.id)?;
    let Some((run, deployed)) = ledger.deployment()? else {
        return Ok(());
    };
    if run != ran.report.run.id {
        return Ok(());
    }
    let failed = ran.report.verdict == Some(Verdict::Fail)
        || (ran.report.verdict.is_none()
            && decide(settings, &ran.report)?.exit == ExitStatus::Fail);
    let broken_off = ran.report.run.end != Some(RunEnd::Completed);
    let wanted = match settings.deployment.rollback {
        RollbackPolicy::Never => false,
        RollbackPolicy::OnFail => failed || broken_off,
        RollbackPolicy::Always => true,
    };
    if !wanted {
        return Ok(());
    }
    let (carried, _) = rollback::carry_out(process, work, setup, held, &deployed)?;
    ran.report.rollback = Rollback {
        required: ran.report.rollback.required,
        ..carried
    };
    Ok(())
}

/// A report of this very run that cannot be judged is a defect of ours: no judgement.
///
/// # Errors
/// A report that contradicts itself.
pub fn decide(settings: &Settings, report: &RunReport) -> Result<Decision, CliError> {
    let policy = Policy {
        allow_conditional: settings.allow_conditional,
        ..Policy::default()
    };
    gate::decide(report, policy).map_err(|error| CliError::environment(error.to_string()))
}

/// The id of a run that begins now.
#[must_use]
pub fn run_id() -> String {
    let random = crate::probe::nonce();
    format!(
        "{}-{}",
        jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S"),
        random.get(..4).unwrap_or_default()
    )
}

/// RFC 3339 with the local offset.
fn stamp(at: &jiff::ZonedDateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Every file that is judged or judged by. A deployment has Lua, pages and oauth2-proxy of its own.
fn verified(
    settings: &Settings,
    place: &Place,
    plan: &PlanInput,
    inputs: &Inputs,
) -> Vec<InputFile> {
    let named = |role, file: &FileRef| InputFile {
        role,
        path: file.path.file_name().unwrap_or_default().into(),
        sha256: file.sha256.clone(),
    };
    let config = settings.config.iter();
    let read = inputs.snapshot.inputs().filter(|input| match input.role {
        InputRole::Candidate | InputRole::Baseline => false,
        InputRole::Profile => true,
        _ => !matches!(place, Place::Compose(_)),
    });
    [
        named(InputRole::Candidate, &inputs.candidate),
        named(InputRole::Baseline, &inputs.baseline),
    ]
    .into_iter()
    .chain(read)
    .chain(plan.snapshot.inputs())
    .chain(config.map(|file| named(InputRole::Config, file)))
    .collect()
}

/// What judges, as it was named.
fn sources(settings: &Settings, verified: &[InputFile]) -> Vec<InputFile> {
    [
        (InputRole::Plan, Some(&settings.plan)),
        (InputRole::Profile, Some(&settings.profile)),
        (
            InputRole::Config,
            settings.config.as_ref().map(|file| &file.path),
        ),
    ]
    .into_iter()
    .filter_map(|(role, path)| {
        Some(InputFile {
            role,
            path: path?.clone(),
            sha256: report::sha256_of(verified, role)?,
        })
    })
    .collect()
}

/// What the engine is asked to do.
///
/// # Errors
/// A folder of the plan that has no absolute path.
pub fn run_plan(
    settings: &Settings,
    place: &Place,
    plan: &PlanInput,
    selected: &[ItemId],
    inputs: &Inputs,
    id: String,
) -> Result<RunPlan, CliError> {
    let bundle = &plan.bundle;
    let bundle_dir = std::path::absolute(&bundle.dir)
        .map_err(|error| CliError::usage(format!("--plan {}: {error}", bundle.dir.display())))?;
    let verified = verified(settings, place, plan, inputs);
    Ok(RunPlan {
        run: RunInfo {
            id,
            started_at: stamp(&jiff::ZonedDateTime::now()),
            duration_ms: 0.0,
            partial: bundle
                .items()
                .any(|item| item.phase().is_some() && !selected.contains(&item)),
            stack: place.name().to_owned(),
            components: Vec::new(),
            candidate: inputs.candidate.clone(),
            baseline: inputs.baseline.clone(),
            profile: inputs.profile.name.clone(),
            command: command_line(),
            allow_conditional: settings.allow_conditional,
            end: None,
            plan: bundle.title.clone(),
            stack_up: None,
            sources: sources(settings, &verified),
            inputs: verified,
            verify: Some(Program {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: option_env!("VERIFY_COMMIT")
                    .filter(|commit| !commit.is_empty())
                    .map(str::to_owned),
            }),
            host: hostname(),
        },
        phases: bundle.phases.clone(),
        selected: selected.to_vec(),
        rules: bundle.rules.clone(),
        bundle: bundle_dir,
        profile: inputs.profile.clone(),
        files: inputs.files.clone(),
        snapshot: Arc::new(inputs.snapshot.with(&plan.snapshot)),
        lint: Vec::new(),
        quick: settings.quick,
        browser: browser(settings.browser)?,
        deadline_ms: u64::from(settings.deadline) * 1000,
    })
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
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

/// Refuses a plan that runs scripts of its own, where that is not allowed.
///
/// # Errors
/// The first step that runs one.
pub fn permit_scripts(bundle: &Bundle, allowed: bool) -> Result<(), CliError> {
    let mut steps = bundle.steps();
    let Some((feature, step)) = steps.find(|(_, step)| script::named(&step.value).is_some()) else {
        return Ok(());
    };
    if allowed {
        return Ok(());
    }
    let path = feature.path.clone().unwrap_or_default();
    Err(CliError::usage(format!(
        "{}:{}: `{}` runs a script of the plan: needs --allow-scripts",
        path.display(),
        step.position.line,
        step.value
    ))
    .hint("read the script first"))
}

/// The step definitions, as the bundle's check asks for them.
pub struct StepTable;

impl Vocabulary for StepTable {
    fn count(&self, kind: StepType, text: &str) -> usize {
        registry::matching(kind.into(), text).len()
    }

    fn nearest(&self, kind: StepType, text: &str) -> Option<String> {
        let known: Vec<String> = registry::all()
            .filter(|def| def.keyword == kind.into())
            .map(|def| registry::readable(def.pattern))
            .collect();
        yaml::suggest(text, known.iter().map(String::as_str)).map(str::to_owned)
    }

    fn codes(&self) -> Vec<&'static str> {
        codes::all().into_keys().collect()
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

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// What a file that never answers looks like: nobody ends this thread.
    fn never() -> Result<(), CliError> {
        loop {
            std::thread::park();
        }
    }

    /// One test, as a signal is heard by every listener of the process.
    #[test]
    fn the_deadline_and_a_signal_end_the_reading_of_files() {
        let mut process = Process::start().unwrap();
        assert_eq!(process.read(Instant::now(), 60, || Ok(7)), Ok(7));

        let error = process.read(Instant::now(), 1, never).unwrap_err();
        assert_eq!(error.status, ExitStatus::Inconclusive);
        assert!(error.to_string().contains("the deadline of 1 s"), "{error}");

        kill_process(getpid(), Signal::TERM).unwrap();
        let error = process.read(Instant::now(), 60, never).unwrap_err();
        assert_eq!(error, CliError::interrupted("SIGTERM"));
    }
}
