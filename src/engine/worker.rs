//! The engine's half inside the sandbox: brings the stack up, runs the scenarios, looks again
//! at the end, takes the stack down.

use std::{
    io::{self, BufRead as _, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use cucumber::{Cucumber, Parser, cli, gherkin, parser, runner};
use futures::stream;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{
    bridge::{Bridge, item_of},
    seal::{GatewaySeen, Message, SealKey, Sealer},
};
#[cfg(feature = "fault-injection")]
use crate::stack::fake::{Fake, Injection};
use crate::{
    evidence::Redactor,
    model::{
        event::{NEEDS_BROWSER, Outcome, RunEvent},
        run::Component,
    },
    plan::{self, ItemId},
    run::{Recorder, RunPlan},
    stack::{
        Service, Stack, StackError,
        docker::{compose, containers},
        programs::Programs,
        sandbox::Sandbox,
    },
    steps::{recheck, registry, run::Run, world::World},
};

/// How often a worker shows that it runs.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// How long the parent has to look at the gateway's processes.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);

/// The tag of scenarios that take long, which `--quick` leaves out.
pub const SLOW: &str = "slow";
/// The tag of scenarios that only a real browser can go through.
pub const REAL_BROWSER: &str = "browser";

/// What the parent tells a worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// What is to be run, with paths as they are for the worker.
    pub plan: RunPlan,
    pub place: Place,
    /// When the program was started: events tell their moment from then on.
    pub exec_at: SystemTime,
    /// What its messages are sealed with.
    pub key: SealKey,
    /// Where the inputs are laid: empty, and the run's alone.
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// As processes in private namespaces: the worker is inside them.
    Sandbox(Programs),
    /// The same, with something wrong.
    #[cfg(feature = "fault-injection")]
    Fake(Programs, Injection),
    /// As containers of the run's own.
    Containers(containers::Setup),
    /// On a deployment that runs already.
    Compose(Box<compose::Setup>),
}

impl Place {
    /// The kind of stack, as reports name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "sandbox",
            #[cfg(feature = "fault-injection")]
            Self::Fake(..) => "fake",
            Self::Containers(_) => "containers",
            Self::Compose(_) => "compose",
        }
    }

    /// The programs of the sandbox that it takes place in, where it does.
    pub(super) fn sandboxed(&self) -> Option<&Programs> {
        match self {
            Self::Sandbox(programs) => Some(programs),
            #[cfg(feature = "fault-injection")]
            Self::Fake(programs, _) => Some(programs),
            Self::Containers(_) | Self::Compose(_) => None,
        }
    }

    /// The same with something wrong, where it is a sandbox.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn with(self, injection: Option<Injection>) -> Self {
        match (self, injection) {
            (Self::Sandbox(programs), Some(injection)) => Self::Fake(programs, injection),
            (place, _) => place,
        }
    }

    #[cfg_attr(not(feature = "fault-injection"), allow(unused_variables))]
    async fn up(self, plan: &RunPlan, recorder: &Recorder) -> Result<Arc<dyn Stack>, StackError> {
        let files = plan.files.clone();
        Ok(match self {
            Self::Sandbox(programs) => Arc::new(Sandbox::up(programs, files, &plan.profile).await?),
            #[cfg(feature = "fault-injection")]
            Self::Fake(programs, injection) => {
                let profile = injection.profile(&plan.profile);
                let real = Arc::new(Sandbox::up(programs, files, &profile).await?);
                Arc::new(Fake::with(real, injection, &profile, recorder.clone()).await?)
            }
            Self::Containers(setup) => {
                Arc::new(containers::up(&setup, &plan.run.id, files, &plan.profile).await?)
            }
            Self::Compose(setup) => {
                Arc::new(compose::attach(*setup, &plan.run.id, files, &plan.profile).await?)
            }
        })
    }
}

/// A worker that could not do its work; what it says goes to the parent by standard error.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The parent says nothing that can be read.
    #[error("the job cannot be read: {0}")]
    Job(#[from] io::Error),
    #[error("the inputs cannot be laid: {0}")]
    Inputs(io::Error),
    /// A feature file cannot be parsed.
    #[error("{0}")]
    Feature(String),
    #[error("{0}")]
    Probes(String),
}

/// Reads a [`Job`] from standard input and writes events to standard output.
///
/// # Errors
/// What keeps the worker from telling its result by events.
pub async fn work() -> Result<(), WorkerError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let mut job: Job = serde_json::from_str(&line).map_err(io::Error::from)?;
    let looked = end_with_parent(job.folder.clone());
    lay_inputs(&mut job).map_err(WorkerError::Inputs)?;
    let redactor = Arc::new(Redactor::new());
    let sealer = Sealer::new(&job.key, io::stdout());
    let events = sealer.clone();
    let recorder = Recorder::new(move |event| events.event(event), Arc::clone(&redactor))
        .counting_from(job.exec_at);
    let parent = Parent { sealer, looked };
    let alive = parent.show_life();
    run(job, &recorder, redactor, &parent).await?;
    // Nothing comes after the last message.
    *alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
    parent.sealer.tell(&Message::Done);
    Ok(())
}

/// Lays the inputs, whose content is not needed any more then.
fn lay_inputs(job: &mut Job) -> io::Result<()> {
    std::fs::create_dir_all(&job.folder)?;
    (job.plan.files, job.plan.bundle) = job.plan.snapshot.lay(&job.folder)?;
    job.plan.snapshot = Arc::default();
    Ok(())
}

/// Everything between the job and the last message.
async fn run(
    job: Job,
    recorder: &Recorder,
    redactor: Arc<Redactor>,
    parent: &Parent,
) -> Result<(), WorkerError> {
    let started = Instant::now();
    // Features are parsed and step patterns compiled while the services come up.
    let plan = job.plan.clone();
    let parsing = tokio::task::spawn_blocking(move || {
        registry::compile();
        features(&plan)
    });
    let stack = job.place.up(&job.plan, recorder).await;
    let features = parsing
        .await
        .map_err(|error| WorkerError::Feature(error.to_string()))??;
    let stack = match stack {
        Ok(stack) => stack,
        Err(error) => {
            let reason = recorder.redact(&error.to_string());
            recorder.tell(&RunEvent::StackFailed { reason });
            return Ok(());
        }
    };
    recorder.tell(&RunEvent::StackUp {
        duration_ms: started.elapsed().as_secs_f64() * 1e3,
        at_ms: Some(recorder.now_ms()),
    });
    let recorder = recorder.clone();
    go_through(stack, job.plan, features, recorder, redactor, parent).await
}

/// Ends this process when its standard input is closed: the parent holds the other end for as
/// long as it lives and wants the run to go on. Notified when the parent writes a line: it has
/// looked at what it was told to.
fn end_with_parent(inputs: PathBuf) -> Arc<Notify> {
    let looked = Arc::new(Notify::new());
    let told = Arc::clone(&looked);
    std::thread::spawn(move || {
        let mut line = [0_u8; 1];
        while let Ok(1) = io::stdin().lock().read(&mut line) {
            told.notify_one();
        }
        // The parent does so itself where it can.
        let _ = std::fs::remove_dir_all(inputs);
        std::process::exit(1);
    });
    looked
}

/// The process that started this one.
struct Parent {
    sealer: Sealer,
    /// Notified when it has looked at the gateway's processes.
    looked: Arc<Notify>,
}

impl Parent {
    /// Shows that this process runs, from a thread that waits for nothing else.
    fn show_life(&self) -> Arc<Mutex<bool>> {
        let sealer = self.sealer.clone();
        let alive = Arc::new(Mutex::new(true));
        let told = Arc::clone(&alive);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(ALIVE_EVERY);
                let alive = told.lock().unwrap_or_else(PoisonError::into_inner);
                if !*alive {
                    break;
                }
                sealer.tell(&Message::Alive);
            }
        });
        alive
    }

    /// Has it look at the gateway's processes from outside, before they are ended.
    async fn look(&self, stack: &dyn Stack) {
        if let Some(what) = stack.posed() {
            self.sealer.tell(&Message::Integrity(what));
        }
        // A service that cannot be looked into is not said to run: the parent says what it sees.
        let Ok(state) = stack.state(Service::Gateway).await else {
            return;
        };
        self.sealer.tell(&Message::Gateway(GatewaySeen {
            main: state.running.then_some(state.main),
            workers: state.workers,
        }));
        // A parent that does not answer is gone, or ends the run.
        let _ = tokio::time::timeout(LOOK_DEADLINE, self.looked.notified()).await;
    }
}

/// Everything between up and down, on any kind of stack.
async fn go_through(
    stack: Arc<dyn Stack>,
    plan: RunPlan,
    features: Vec<gherkin::Feature>,
    recorder: Recorder,
    redactor: Arc<Redactor>,
    parent: &Parent,
) -> Result<(), WorkerError> {
    learn(&redactor, &*stack);
    let components = {
        let (stack, recorder) = (Arc::clone(&stack), recorder.clone());
        tokio::spawn(async move {
            match stack.components().await {
                Ok(found) => found
                    .into_iter()
                    .for_each(|one| recorder.tell(&RunEvent::Component(one))),
                Err(error) => tracing::warn!(%error, "a component does not tell its version"),
            }
        })
    };
    let run = Run::new(Arc::clone(&stack), plan, recorder, redactor)
        .map(Arc::new)
        .map_err(|error| WorkerError::Probes(format!("{error:?}")))?;
    // Before the first item: its start takes the processors from the services round the gateway.
    start_browser(&run).await;
    for (item, reason) in left_out(&run.plan, &features) {
        let reason = reason.to_owned();
        let outcome = Outcome::Skipped {
            reason,
            consequence: false,
        };
        run.finish_item(item, outcome, 0.0);
    }
    let watches = run.watch_services();
    let bridge = scenarios(&run, features).await;
    stack.begins(None).await;
    recheck::look_again(&run, bridge.deferred()).await;
    watches.iter().for_each(tokio::task::JoinHandle::abort);
    // Its events are all that it does; a panic in it is a missing version in the report.
    let _ = components.await;
    run.end_chromium().await;
    parent.look(&*stack).await;
    stack.down().await;
    Ok(())
}

fn learn(redactor: &Redactor, stack: &dyn Stack) {
    let secrets = stack.secrets();
    for secret in secrets
        .jwt_secret
        .iter()
        .chain(secrets.passwords.values())
        .chain(&secrets.others)
    {
        redactor.learn(secret.expose_secret());
    }
}

/// Starts the real browser, where one was asked for, and tells which one it is. Where it does not
/// start, the items that need it say why.
async fn start_browser(run: &Run) {
    if let Ok(Some(chromium)) = run.chromium().await {
        let (program, version) = chromium
            .version
            .split_once('/')
            .unwrap_or(("chromium", &chromium.version));
        run.recorder.tell(&RunEvent::Component(Component {
            service: "browser".to_owned(),
            program: program.to_owned(),
            version: version.to_owned(),
            real: true,
            image: None,
            sha256: None,
        }));
    }
}

/// Why a scenario is not gone through in this run, if it is not.
fn why_left_out(plan: &RunPlan, scenario: &gherkin::Scenario) -> Option<&'static str> {
    let has = |wanted| (scenario.tags.iter()).any(|tag| tag.trim_start_matches('@') == wanted);
    if plan.quick && has(SLOW) {
        Some("left out by --quick")
    } else if plan.browser.is_none() && has(REAL_BROWSER) {
        Some(NEEDS_BROWSER)
    } else {
        None
    }
}

fn left_out(plan: &RunPlan, features: &[gherkin::Feature]) -> Vec<(ItemId, &'static str)> {
    features
        .iter()
        .flat_map(|feature| &feature.scenarios)
        .filter_map(|scenario| Some((item_of(scenario)?, why_left_out(plan, scenario)?)))
        .filter(|(item, _)| plan.selected.contains(item))
        .collect()
}

/// Runs the chosen scenarios, one after another, in the plan's order.
async fn scenarios(run: &Arc<Run>, features: Vec<gherkin::Feature>) -> Bridge {
    let (entering, chosen) = (Arc::clone(run), Arc::clone(run));
    Cucumber::<_, _, _, _, _, cli::Empty>::custom(
        Given,
        runner::Basic::default(),
        Bridge::new(Arc::clone(run)),
    )
    .steps(registry::collection())
    .max_concurrent_scenarios(1)
    .before(move |_, _, scenario, world: &mut World| {
        let item = item_of(scenario);
        // Told here and not by the bridge, which hears of it a little later: evidence must
        // not come before its item.
        if let Some(item) = item {
            let at_ms = Some(entering.recorder.now_ms());
            entering
                .recorder
                .tell(&RunEvent::ItemStarted { item, at_ms });
        }
        entering.watch.begins();
        world.enter(Arc::clone(&entering), item);
        let run = Arc::clone(&entering);
        Box::pin(async move {
            run.stack.begins(item).await;
            if let Err(error) = run.services_answer().await {
                std::panic::panic_any(error);
            }
        })
    })
    .with_default_cli()
    .filter_run(features, move |_, _, scenario| {
        item_of(scenario).is_some_and(|item| chosen.plan.selected.contains(&item))
            && why_left_out(&chosen.plan, scenario).is_none()
    })
    .await
}

struct Given;

impl Parser<Vec<gherkin::Feature>> for Given {
    type Cli = cli::Empty;
    type Output = stream::Iter<std::vec::IntoIter<parser::Result<gherkin::Feature>>>;

    fn parse(self, features: Vec<gherkin::Feature>, _: Self::Cli) -> Self::Output {
        stream::iter(features.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

fn features(plan: &RunPlan) -> Result<Vec<gherkin::Feature>, WorkerError> {
    plan.phases
        .iter()
        .filter(|phase| {
            phase
                .items
                .iter()
                .any(|item| plan.selected.contains(&item.id))
        })
        .map(|phase| {
            let path = plan.bundle.join(Path::new(&phase.feature));
            let failed = |what: String| WorkerError::Feature(format!("{}: {what}", path.display()));
            let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            plan::parsed(&text, path.clone()).map_err(|problem| failed(problem.to_string()))
        })
        .collect()
}
