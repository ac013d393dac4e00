//! A run's events, folded into its report.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::event::{Outcome, RunEnd, RunEvent},
    model::lint,
    plan::{Item, ItemId, Phase, Rule},
    report::{
        Cause, Component, ItemReport, PhaseSummary, Rollback, RunInfo, RunReport, SCHEMA_VERSION,
        Span, Verdict,
    },
};

use super::{
    diagnose::diagnose,
    findings::findings,
    judge::{judge_run, texts},
    progress::{CutOff, Progress, item_report},
    rollback,
    summary::summary,
};

/// Events that cannot be those of one run. `at` is the event's place, from 1: in
/// `events.ndjson` that is its line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FoldError {
    /// There is no event at all.
    #[error("no event: the run left nothing behind; run `verify` again")]
    Empty,
    /// The run ended before anything was started.
    #[error("no report: run {run} ended before anything was started (exit {exit}): {reason}")]
    NotStarted {
        /// The run.
        run: String,
        /// Its exit code.
        exit: u8,
        /// Why.
        reason: String,
    },
    /// The first event is not the start of a run.
    #[error("event 1 is {event}: the first event of a run must be run_started")]
    NoStart {
        /// What it is instead.
        event: &'static str,
    },
    /// The plan or the selection in the first event contradicts itself.
    #[error("event 1 (run_started): {0}")]
    Plan(String),
    /// Something came after the end.
    #[error("event {at} ({event}) came after run_finished, which must be the last")]
    AfterEnd {
        /// Its place.
        at: usize,
        /// What it is.
        event: &'static str,
    },
    /// An event about an item that the plan does not have, or that was not chosen.
    #[error("event {at} ({event}) is about item {item}, which {problem}")]
    Item {
        /// Its place.
        at: usize,
        /// What it is.
        event: &'static str,
        /// The item.
        item: ItemId,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// An event that cannot come here.
    #[error("event {at} ({event}) is out of order: {problem}")]
    Order {
        /// Its place.
        at: usize,
        /// What it is.
        event: &'static str,
        /// What is wrong with that.
        problem: &'static str,
    },
}

/// The report of the run that told `events`, judged.
///
/// Every item of the plan is in it: one that was not chosen is skipped, one that was chosen
/// and has no end is inconclusive, by the harness's fault. Extended checks come from the
/// plan's phases too, by their number (`X.1`), and only those chosen are reported.
///
/// # Errors
///
/// When the events contradict each other, so that no report could be trusted.
pub fn fold(events: impl IntoIterator<Item = RunEvent>) -> Result<RunReport, FoldError> {
    let mut events = events.into_iter();
    let mut run = match events.next() {
        None => return Err(FoldError::Empty),
        Some(RunEvent::RunStarted {
            run,
            phases,
            selected,
            rules,
        }) => Folding::start(*run, phases, &selected, rules)?,
        Some(RunEvent::NotStarted {
            run, exit, reason, ..
        }) => return Err(FoldError::NotStarted { run, exit, reason }),
        Some(other) => {
            return Err(FoldError::NoStart {
                event: name(&other),
            });
        }
    };
    for (event, at) in events.zip(2..) {
        run.apply(event, at)?;
    }
    Ok(run.finish())
}

/// Whether the stack came up.
enum Stack {
    Unknown,
    Up(f64),
    Failed(String),
}

struct Folding {
    run: RunInfo,
    phases: Vec<Phase>,
    rules: Vec<Rule>,
    /// The chosen items.
    items: BTreeMap<ItemId, Progress>,
    stack: Stack,
    /// What the linter found; `None` where it was not heard of.
    lint: Option<Vec<lint::Finding>>,
    /// How long the run took and how it ended.
    end: Option<(f64, RunEnd)>,
}

impl Folding {
    fn start(
        run: RunInfo,
        phases: Vec<Phase>,
        selected: &[ItemId],
        rules: Vec<Rule>,
    ) -> Result<Self, FoldError> {
        let known = plan_items(&phases)?;
        let mut items = BTreeMap::new();
        for id in selected {
            if !known.contains(id) {
                let problem = format!("item {id} is selected, but the plan does not have it");
                return Err(FoldError::Plan(problem));
            }
            if items.insert(*id, Progress::default()).is_some() {
                return Err(FoldError::Plan(format!("item {id} is selected twice")));
            }
        }
        let left_out = known
            .iter()
            .find(|id| id.phase().is_some() && !items.contains_key(id));
        if let (Some(id), false) = (left_out, run.partial) {
            let problem = format!("item {id} is not selected, yet the run is not partial");
            return Err(FoldError::Plan(problem));
        }
        Ok(Self {
            run: RunInfo {
                partial: left_out.is_some(),
                end: None,
                ..run
            },
            phases,
            rules,
            items,
            stack: Stack::Unknown,
            lint: None,
            end: None,
        })
    }

    fn apply(&mut self, event: RunEvent, at: usize) -> Result<(), FoldError> {
        let event_name = name(&event);
        if self.end.is_some() {
            return Err(FoldError::AfterEnd {
                at,
                event: event_name,
            });
        }
        let here = Here {
            at,
            event: event_name,
        };
        match event {
            RunEvent::RunStarted { .. } | RunEvent::NotStarted { .. } => {
                return Err(here.order("the run had started already"));
            }
            RunEvent::Linted { findings } => {
                if self.lint.replace(findings).is_some() {
                    return Err(here.order("the linter had been heard already"));
                }
            }
            RunEvent::Component(component) => self.component(component),
            RunEvent::StackUp { duration_ms, at_ms } => {
                self.stack(Stack::Up(duration_ms), here)?;
                self.run.stack_up = at_ms.map(|to_ms| Span {
                    from_ms: (to_ms - duration_ms).max(0.0),
                    to_ms,
                });
            }
            RunEvent::StackFailed { reason } => self.stack(Stack::Failed(reason), here)?,
            RunEvent::ItemStarted { item, at_ms } => {
                let progress = self.open(item, here)?;
                progress.started_ms = at_ms;
                if std::mem::replace(&mut progress.started, true) {
                    return Err(here.item(item, "had started already"));
                }
            }
            RunEvent::StepStarted { item, text } => {
                self.running(item, here)?.open_step = Some(text);
            }
            RunEvent::StepFinished { item, step } => {
                let progress = self.running(item, here)?;
                progress.open_step = None;
                progress.steps.push(step);
            }
            RunEvent::EvidenceSeen { item, evidence } => {
                self.running(item, here)?.evidence.push(evidence);
            }
            RunEvent::ItemFinished {
                item,
                outcome,
                duration_ms,
            } => {
                // What never ran may be skipped or given up without having started.
                let progress = match outcome {
                    Outcome::Passed | Outcome::Failed(_) => self.running(item, here)?,
                    Outcome::Skipped { .. } | Outcome::Inconclusive(_) => self.open(item, here)?,
                };
                progress.open_step = None;
                progress.finished = Some((outcome, duration_ms));
            }
            RunEvent::RunFinished { duration_ms, end } => self.end = Some((duration_ms, end)),
        }
        Ok(())
    }

    fn component(&mut self, component: Component) {
        if !self.run.components.contains(&component) {
            self.run.components.push(component);
        }
    }

    fn stack(&mut self, state: Stack, here: Here) -> Result<(), FoldError> {
        if !matches!(self.stack, Stack::Unknown) {
            return Err(here.order("the stack had come up or failed already"));
        }
        if self
            .items
            .values()
            .any(|item| item.started || item.finished.is_some())
        {
            return Err(here.order("an item came before it"));
        }
        self.stack = state;
        Ok(())
    }

    /// A chosen item that is not over yet.
    fn open(&mut self, item: ItemId, here: Here) -> Result<&mut Progress, FoldError> {
        let known = || plan_items(&self.phases).is_ok_and(|items| items.contains(&item));
        match self.items.get_mut(&item) {
            None if known() => Err(here.item(item, "was not selected")),
            None => Err(here.item(item, "the plan does not have")),
            Some(progress) if progress.finished.is_some() => {
                Err(here.item(item, "was finished already"))
            }
            Some(progress) => Ok(progress),
        }
    }

    /// A chosen item that has started and is not over, on a stack that did not fail.
    fn running(&mut self, item: ItemId, here: Here) -> Result<&mut Progress, FoldError> {
        if matches!(self.stack, Stack::Failed(_)) {
            return Err(here.order("the stack did not come up"));
        }
        let progress = self.open(item, here)?;
        if !progress.started {
            return Err(here.item(item, "has not started"));
        }
        Ok(progress)
    }

    fn finish(mut self) -> RunReport {
        self.run.duration_ms = self.duration_ms();
        self.run.end = self.end.take().map(|(_, end)| end);
        let cut_off = match &self.stack {
            Stack::Failed(reason) => CutOff::Stack(reason),
            _ => CutOff::Run(self.run.end.as_ref()),
        };
        let mut items = Vec::new();
        let mut extended = Vec::new();
        for item in self.phases.iter().flat_map(|phase| &phase.items) {
            let progress = self.items.remove(&item.id);
            match item.id {
                ItemId::Plan { .. } => items.push(item_report(item, progress, &cut_off)),
                ItemId::Extended(_) if progress.is_some() => {
                    extended.push(item_report(item, progress, &cut_off));
                }
                ItemId::Extended(_) => {}
            }
        }
        let causes = diagnose(&self.rules, &items, &extended);
        let phases = summaries(&self.phases, &items);
        let lint = self.lint.unwrap_or_default();
        judged(self.run, phases, items, extended, causes, lint)
    }

    /// How long the run took; where it was killed, as much of it as is known.
    fn duration_ms(&self) -> f64 {
        if let Some((duration_ms, _)) = self.end {
            return duration_ms;
        }
        let stack = match self.stack {
            Stack::Up(duration_ms) => duration_ms,
            Stack::Unknown | Stack::Failed(_) => 0.0,
        };
        self.items
            .values()
            .fold(stack, |all, item| all + item.duration_ms())
    }
}

/// The event being looked at.
#[derive(Clone, Copy)]
struct Here {
    at: usize,
    event: &'static str,
}

impl Here {
    fn order(self, problem: &'static str) -> FoldError {
        let Self { at, event } = self;
        FoldError::Order { at, event, problem }
    }

    fn item(self, item: ItemId, problem: &'static str) -> FoldError {
        FoldError::Item {
            at: self.at,
            event: self.event,
            item,
            problem,
        }
    }
}

/// Every item of the plan by its number, or what is wrong with the plan.
fn plan_items(phases: &[Phase]) -> Result<BTreeSet<ItemId>, FoldError> {
    let mut numbers = BTreeSet::new();
    let mut items = BTreeSet::new();
    for phase in phases {
        if !numbers.insert(phase.no) {
            return Err(FoldError::Plan(format!("phase {} comes twice", phase.no)));
        }
        for Item { id, .. } in &phase.items {
            if id.phase().is_some_and(|no| no != phase.no) {
                let problem = format!("item {id} stands in phase {}", phase.no);
                return Err(FoldError::Plan(problem));
            }
            if !items.insert(*id) {
                return Err(FoldError::Plan(format!(
                    "item {id} comes twice in the plan"
                )));
            }
        }
    }
    Ok(items)
}

/// The plan's summary table. A phase of extended checks alone is not in it.
fn summaries(phases: &[Phase], items: &[ItemReport]) -> Vec<PhaseSummary> {
    let of_plan = |phase: &&Phase| phase.items.iter().any(|item| item.id.phase().is_some());
    phases
        .iter()
        .filter(of_plan)
        .map(|phase| summary(phase.no, phase.title.clone(), items))
        .collect()
}

fn judged(
    run: RunInfo,
    phases: Vec<PhaseSummary>,
    items: Vec<ItemReport>,
    extended: Vec<ItemReport>,
    causes: Vec<Cause>,
    lint: Vec<lint::Finding>,
) -> RunReport {
    let mut report = RunReport {
        schema_version: SCHEMA_VERSION,
        run,
        phases,
        findings: findings(&items, &extended),
        items,
        extended,
        causes,
        lint,
        verdict: None,
        reasons: Vec::new(),
        rollback: Rollback {
            steps: rollback::steps(),
            ..Rollback::default()
        },
    };
    let (verdict, reasons) = judge_run(&report);
    report.reasons = texts(&reasons);
    report.rollback.required = verdict == Some(Verdict::Fail);
    report.verdict = verdict;
    report
}

fn name(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::RunStarted { .. } => "run_started",
        RunEvent::NotStarted { .. } => "not_started",
        RunEvent::Linted { .. } => "linted",
        RunEvent::Component(_) => "component",
        RunEvent::StackUp { .. } => "stack_up",
        RunEvent::StackFailed { .. } => "stack_failed",
        RunEvent::ItemStarted { .. } => "item_started",
        RunEvent::StepStarted { .. } => "step_started",
        RunEvent::StepFinished { .. } => "step_finished",
        RunEvent::EvidenceSeen { .. } => "evidence_seen",
        RunEvent::ItemFinished { .. } => "item_finished",
        RunEvent::RunFinished { .. } => "run_finished",
    }
}
