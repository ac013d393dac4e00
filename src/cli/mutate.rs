//! `verify mutate`: broken versions of the candidate, and which items notice.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::{Args, value_parser};
use futures::{StreamExt as _, stream};

use super::{
    error::CliError,
    inputs::{Inputs, PlanInput},
    options::{BrowserKind, FileArgs, OutputArgs, RunArgs, SandboxKind, StackKind, UpstreamKind},
    out, place,
    process::Process,
    record::record,
    run_plan::{Work, run_id, run_plan},
    settings::Settings,
    shipped::{MUTANTS, shipped},
};
use crate::{
    engine::{
        GatewayFiles, Place, Signals,
        event::RunEnd,
        worker::{REAL_BROWSER, SLOW},
    },
    gate::ExitStatus,
    mutation::{self, Catalogue, Copy, Judged, Matrix, Mutant, Score},
    plan::ItemId,
    report::{
        RunDir, RunReport,
        render::{self, Format},
        write_text,
    },
    verdict::Outcome,
    yaml,
};

/// The forms that a matrix has.
const FORMATS: [Format; 3] = [Format::Table, Format::Json, Format::Markdown];
/// The item that compares response times: a mutant that concerns it has the machine to itself.
const TIMED: ItemId = ItemId::Plan {
    phase: 7,
    number: 2,
};

#[derive(Debug, Args)]
pub struct MutateArgs {
    /// The catalogue: a YAML file, or a folder of them [default: fixtures/mutants].
    #[arg(long, value_name = "PATH")]
    pub mutants: Option<PathBuf>,
    /// Only these mutants, by their ids.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub id: Vec<String>,
    /// How many runs go on at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Another plan to run on every mutant as well: how many does it miss?
    #[arg(long, value_name = "DIR")]
    pub compare: Option<PathBuf>,
    /// Let the plan bundles run their own scripts (the step `the script "…" is run`).
    #[arg(long)]
    pub allow_scripts: bool,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the plan on every chosen mutant and shows which items noticed.
pub fn mutate(args: MutateArgs, started: Instant) -> Result<ExitStatus, CliError> {
    out::log(args.output.verbose);
    let catalogue = args.mutants.map_or_else(|| shipped(MUTANTS), Ok)?;
    let settings = Settings::settle(RunArgs {
        files: args.files,
        output: args.output,
        ..RunArgs::default()
    })?;
    settings.formats.only("mutate", &FORMATS)?;
    let process = Process::start()?;
    let plan = |dir: &Path| Plan::load(dir, args.allow_scripts);
    let in_sandbox = Settings {
        stack: StackKind::Sandbox,
        upstream: UpstreamKind::Double,
        sandbox: SandboxKind::default(),
        ..settings.clone()
    };
    let mut matrix = Mutation {
        inputs: Inputs::read(&settings)?,
        plan: plan(&settings.plan)?,
        other: args.compare.as_deref().map(plan).transpose()?,
        place: process.runtime.block_on(place::find(&in_sandbox))?,
        dir: settings.report_dir.join(folder()),
        signals: process.signals,
        settings,
        jobs: usize::from(args.jobs),
    };
    let known: BTreeSet<ItemId> = matrix.plan.items.iter().copied().collect();
    let mutants = chosen(Catalogue::load(&catalogue, &known)?, &args.id)?;
    let mutants = that_can_be_seen(mutants, !args.id.is_empty())?;
    matrix
        .plan
        .leave_out_unless(mutants.iter().any(|mutant| mutant.browser));
    process.runtime.block_on(matrix.go(&mutants, started))
}

/// The folder that a matrix is written into, beside those of runs.
fn folder() -> String {
    let now = jiff::ZonedDateTime::now();
    format!("mutation-{}", now.strftime("%Y%m%dT%H%M%S%3f"))
}

fn chosen(catalogue: Catalogue, ids: &[String]) -> Result<Vec<Mutant>, CliError> {
    let known: Vec<&str> = catalogue
        .mutants
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    for id in ids {
        if !known.contains(&id.as_str()) {
            let error = CliError::usage(format!("--id {id}: the catalogue has no such mutant"));
            return Err(match yaml::suggest(id, known.iter().copied()) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error,
            });
        }
    }
    let wanted = |mutant: &Mutant| ids.is_empty() || ids.contains(&mutant.id);
    Ok(catalogue.mutants.into_iter().filter(wanted).collect())
}

/// The mutants, less those that only a real browser shows where there is none: that is said, and
/// where they were asked for by name it is an error.
fn that_can_be_seen(mutants: Vec<Mutant>, named: bool) -> Result<Vec<Mutant>, CliError> {
    let needing = mutants.iter().filter(|mutant| mutant.browser).count();
    match place::browser(BrowserKind::Chromium) {
        Ok(_) => Ok(mutants),
        Err(_) if needing == 0 => Ok(mutants),
        Err(error) if named => Err(error),
        Err(error) => {
            out::complain(format_args!(
                "{needing} mutants that only a real browser shows are left out: {error}"
            ));
            Ok(mutants
                .into_iter()
                .filter(|mutant| !mutant.browser)
                .collect())
        }
    }
}

/// A plan with all of its items, those of them that take long, and those that only a real browser
/// can go through.
struct Plan {
    input: PlanInput,
    items: Vec<ItemId>,
    slow: BTreeSet<ItemId>,
    real_browser: BTreeSet<ItemId>,
}

impl Plan {
    fn load(dir: &Path, allow_scripts: bool) -> Result<Self, CliError> {
        let input = PlanInput::checked(dir)?;
        input.permit_scripts(allow_scripts)?;
        let bundle = &input.bundle;
        let tagged = |wanted: &str| {
            bundle
                .scenarios()
                .filter(|scenario| scenario.tags.iter().any(|tag| tag == wanted))
                .flat_map(|scenario| scenario.items().collect::<Vec<_>>())
                .collect()
        };
        Ok(Self {
            items: bundle.items().collect(),
            slow: tagged(SLOW),
            real_browser: tagged(REAL_BROWSER),
            input,
        })
    }

    /// Without a real browser, what needs one is no item.
    fn leave_out_unless(&mut self, real_browser: bool) {
        let left_out = &self.real_browser;
        self.items
            .retain(|item| real_browser || !left_out.contains(item));
    }

    /// The items that are run where these are to notice: what takes long only where it is one
    /// of them, and what needs a real browser only in one.
    fn needed(&self, noticing: &BTreeSet<ItemId>, browser: BrowserKind) -> Vec<ItemId> {
        let real = browser == BrowserKind::Chromium;
        let needed = |item: &ItemId| {
            (!self.slow.contains(item) || noticing.contains(item))
                && (real || !self.real_browser.contains(item))
        };
        self.items.iter().copied().filter(needed).collect()
    }
}

/// What every run of a matrix shares.
struct Mutation {
    settings: Settings,
    inputs: Inputs,
    plan: Plan,
    other: Option<Plan>,
    place: Place,
    dir: PathBuf,
    /// Each run ends by them, and none is begun after one.
    signals: Signals,
    jobs: usize,
}

impl Mutation {
    async fn go(&self, mutants: &[Mutant], started: Instant) -> Result<ExitStatus, CliError> {
        let started_at = jiff::ZonedDateTime::now();
        let (alone, others): (Vec<&Mutant>, Vec<&Mutant>) = mutants
            .iter()
            .partition(|mutant| mutant.browser || mutant.breaks.contains(&TIMED));
        if let Some(status) = self.unmutated_passes(mutants).await? {
            return Ok(status);
        }
        let mut judged = Vec::new();
        let mut unclear = Vec::new();
        // What is timed, and what a real browser is started for, has the machine to itself.
        for (part, jobs) in [(others, self.jobs), (alone, 1)] {
            let mut runs = stream::iter(part)
                .map(|mutant| async move { (mutant, self.one(mutant, false).await) })
                .buffer_unordered(jobs);
            while let Some((mutant, done)) = runs.next().await {
                let Some(done) = done? else {
                    return Ok(ExitStatus::Interrupted);
                };
                if done.unclear {
                    unclear.push(mutant);
                } else {
                    tell(&done);
                    judged.push(done);
                }
            }
        }
        // Inconclusive says: run again. Once, with the machine to itself; what it says then counts.
        for mutant in unclear {
            let Some(done) = self.one(mutant, true).await? else {
                return Ok(ExitStatus::Interrupted);
            };
            tell(&done);
            judged.push(done);
        }
        let place_of = |one: &Judged| mutants.iter().position(|mutant| mutant.id == one.id);
        judged.sort_by_key(place_of);
        let matrix = Matrix {
            schema_version: mutation::SCHEMA_VERSION,
            started_at: started_at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            duration_ms: started.elapsed().as_secs_f64() * 1e3,
            jobs: self.jobs,
            candidate: self.inputs.candidate.clone(),
            compared_with: (self.other.as_ref()).map(|plan| plan.input.bundle.title.en.clone()),
            items: self.plan.items.clone(),
            score: Score::of(&judged),
            mutants: judged,
        };
        self.show(&matrix)
    }

    fn show(&self, matrix: &Matrix) -> Result<ExitStatus, CliError> {
        let json = render::text::json(matrix)
            .map_err(|error| CliError::environment(format!("no JSON: {error}")))?;
        let markdown = render::mutation::markdown(matrix);
        write_text(&self.dir, mutation::MATRIX, &json)?;
        write_text(&self.dir, "mutation.md", &markdown)?;
        let text = |format: Format| match format {
            Format::Json => json.clone(),
            Format::Markdown => markdown.clone(),
            _ => render::mutation::table(matrix),
        };
        let formats = &self.settings.formats;
        let written = formats.write(self.settings.lang, |format, _| Ok(text(format)));
        out::print(&text(formats.stdout))?;
        if formats.stdout == Format::Table {
            let path = self.dir.join("mutation.md");
            out::print(&format!("Matrix: {}\n", path.display()))?;
        }
        let all = matrix.score.caught == matrix.score.mutants;
        Ok(match (all, written) {
            (true, true) => ExitStatus::Pass,
            (true, false) => ExitStatus::Inconclusive,
            (false, _) => ExitStatus::Fail,
        })
    }

    /// The candidate as it is, in each kind of browser that mutants are looked at with. Where that
    /// does not pass, nothing can be said of its mutants: the exit code, then.
    async fn unmutated_passes(&self, mutants: &[Mutant]) -> Result<Option<ExitStatus>, CliError> {
        for (real, name, kind) in [
            (false, "unmutated", BrowserKind::BuiltIn),
            (true, "unmutated-in-chromium", BrowserKind::Chromium),
        ] {
            let these = || mutants.iter().filter(|mutant| mutant.browser == real);
            let noticing = these().flat_map(|mutant| mutant.breaks.clone()).collect();
            if these().next().is_some()
                && let Some(status) = self.unmutated(name, kind, &noticing).await?
            {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }

    /// The candidate as it is, in one kind of browser.
    async fn unmutated(
        &self,
        name: &str,
        browser: BrowserKind,
        noticing: &BTreeSet<ItemId>,
    ) -> Result<Option<ExitStatus>, CliError> {
        let settings = self.settings.clone().in_browser(browser);
        let report = self
            .run(name, &self.plan, &settings, &self.inputs, noticing)
            .await?;
        let mut wrong = report
            .selected()
            .filter(|item| item.outcome() != Outcome::Passed)
            .peekable();
        if wrong.peek().is_none() && report.run.end == Some(RunEnd::Completed) {
            out::complain(format_args!(
                "the {name} gateway passes, {:.0} ms",
                report.run.duration_ms
            ));
            return self.other_passes(name, noticing).await.map(|()| None);
        }
        out::complain(
            "the unmutated gateway does not pass, so nothing can be said of its mutants:",
        );
        let mut failed = false;
        for item in wrong {
            failed |= item.outcome() == Outcome::Failed;
            let why = item.failure.as_ref().map(|failure| failure.seen.as_str());
            let why = why.or(item.reason.as_deref()).unwrap_or_default();
            out::complain(format_args!("  {} {}: {why}", item.id, item.title.en));
        }
        let written = self.dir.join(name);
        out::complain(format_args!("report: {}", written.display()));
        Ok(Some(match &report.run.end {
            Some(RunEnd::Interrupted { .. }) => ExitStatus::Interrupted,
            _ if failed => ExitStatus::Fail,
            _ => ExitStatus::Inconclusive,
        }))
    }

    /// The plan that is compared with must pass the gateway as it is.
    async fn other_passes(&self, name: &str, noticing: &BTreeSet<ItemId>) -> Result<(), CliError> {
        let Some(other) = &self.other else {
            return Ok(());
        };
        let name = format!("{name}-by-other-plan");
        let report = self
            .run(&name, other, &self.settings, &self.inputs, noticing)
            .await?;
        let why = match mutation::noticed(&report) {
            Ok(false) => return Ok(()),
            Ok(true) => "it fails".to_owned(),
            Err(unknown) => unknown,
        };
        Err(CliError::usage(format!(
            "--compare {}: this plan does not pass the unmutated gateway ({why}), so nothing could be compared; see {}",
            other.input.bundle.dir.display(),
            self.dir.join(name).display()
        )))
    }

    /// What the plan says about one mutant, on its first run or on one `again`; nothing where the
    /// run was interrupted.
    async fn one(&self, mutant: &Mutant, again: bool) -> Result<Option<Judged>, CliError> {
        if self.signals.came() {
            return Ok(None);
        }
        let files = &self.inputs.files;
        let copy = match Copy::with(files, &mutant.edits) {
            Ok(copy) => copy,
            Err(error) => return Ok(Some(Judged::broken(mutant, error.to_string()))),
        };
        let browser = match mutant.browser {
            true => BrowserKind::Chromium,
            false => BrowserKind::BuiltIn,
        };
        let or = |own: &Option<PathBuf>, shared: &Path| own.clone().or(Some(shared.to_owned()));
        let settings = Settings {
            files: GatewayFiles {
                candidate: copy.candidate(),
                lua: copy.lua(),
                html: copy.html(),
                auth_proxy: copy.auth_proxy(),
                baseline_lua: or(&files.baseline_lua, &files.lua),
                baseline_html: or(&files.baseline_html, &files.html),
                ..self.settings.files.clone()
            },
            ..self.settings.clone().in_browser(browser)
        };
        let inputs = Inputs::read(&settings)?;
        let noticing: BTreeSet<ItemId> = mutant.breaks.iter().copied().collect();
        let name = match again {
            true => format!("{}-again", mutant.id),
            false => mutant.id.clone(),
        };
        let report = self
            .run(&name, &self.plan, &settings, &inputs, &noticing)
            .await?;
        if matches!(report.run.end, Some(RunEnd::Interrupted { .. })) {
            return Ok(None);
        }
        let mut judged = mutation::judge(mutant, &report);
        judged.again = again;
        judged.noticed_by_other = self
            .other_notices(&name, &settings, &inputs, &noticing)
            .await?;
        Ok((!self.signals.came()).then_some(judged))
    }

    /// Whether the plan that is compared with notices. A run that says nothing of that is made again,
    /// and is an error when it still does not: no such mutant is counted.
    async fn other_notices(
        &self,
        name: &str,
        settings: &Settings,
        inputs: &Inputs,
        noticing: &BTreeSet<ItemId>,
    ) -> Result<Option<bool>, CliError> {
        let Some(other) = &self.other else {
            return Ok(None);
        };
        let mut unknown = String::new();
        for again in ["", "-again"] {
            let name = format!("{name}-by-other-plan{again}");
            let report = self.run(&name, other, settings, inputs, noticing).await?;
            match mutation::noticed(&report) {
                Ok(noticed) => return Ok(Some(noticed)),
                Err(_) if self.signals.came() => return Ok(None),
                Err(why) => unknown = why,
            }
        }
        Err(CliError::environment(format!(
            "--compare {}: it is not known whether this plan notices the mutant {name}: {unknown}; see {}",
            other.input.bundle.dir.display(),
            self.dir.display()
        )))
    }

    /// One run, its report written under `name`, of the items that are `needed`.
    async fn run(
        &self,
        name: &str,
        plan: &Plan,
        settings: &Settings,
        inputs: &Inputs,
        noticing: &BTreeSet<ItemId>,
    ) -> Result<RunReport, CliError> {
        let selected = plan.needed(noticing, settings.browser);
        let (started, mut signals) = (Instant::now(), self.signals.clone());
        let work = Work {
            settings,
            plan: &plan.input,
            inputs,
            lint: &[],
        };
        let run = run_plan(&work, &self.place, &selected, &run_id(), started)?;
        let dir = RunDir::create(&self.dir, name)?;
        let mut done = record(&run, &self.place, started, &mut signals, dir, |_| {}).await?;
        done.finish(settings.lang)?;
        Ok(done.report)
    }
}

/// A line for a mutant that is over.
fn tell(judged: &Judged) {
    let mark = if judged.caught() { "✔" } else { "✘" };
    out::complain(format_args!(
        "{mark} {:<44} {:>6.0} ms{}",
        judged.id,
        judged.duration_ms,
        if judged.again {
            "  run again, as the first run could not tell"
        } else {
            ""
        }
    ));
    for what in &judged.complaints {
        out::complain(format_args!("    {what}"));
    }
}
