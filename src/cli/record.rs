//! A run and its record: every event is written as it happens, and all of them make the report.

use std::time::Instant;

use super::{
    error::CliError,
    live::Live,
    process::Process,
    run_plan::{Work, run_plan},
};
use crate::{
    engine::{self, Place, RunPlan, Signals, event::RunEvent},
    plan::{ItemId, Lang},
    report::{RunDir, RunReport, StoreError},
    verdict,
};

/// A run that is over.
pub struct Recorded {
    pub report: RunReport,
    pub dir: RunDir,
    unwritten: Option<StoreError>,
}

impl Recorded {
    /// Writes the report. An event that could not be written is an error, too.
    pub fn finish(&mut self, lang: Lang) -> Result<(), StoreError> {
        let finished = self.dir.finish(&self.report, lang);
        self.unwritten.take().map_or(finished, Err)
    }
}

/// Runs the plan, and shows each event when it is written.
pub async fn record(
    plan: &RunPlan,
    place: &Place,
    started: Instant,
    signals: &mut Signals,
    mut dir: RunDir,
    mut show: impl FnMut(&RunEvent),
) -> Result<Recorded, CliError> {
    let mut events = Vec::new();
    let mut unwritten = None;
    let mut on_event = |event: RunEvent| {
        if let Err(error) = dir.append(&event) {
            unwritten.get_or_insert(error);
        }
        show(&event);
        events.push(event);
    };
    engine::run(plan, place, started, signals, &mut on_event).await;
    let report = verdict::fold(events).map_err(|error| {
        let run = &plan.run.id;
        CliError::environment(format!(
            "the events of the run {run} make no report: {error}"
        ))
    })?;
    Ok(Recorded {
        report,
        dir,
        unwritten,
    })
}

/// Records a run that a person looks at.
pub fn record_live(
    process: &mut Process,
    work: &Work<'_>,
    place: &Place,
    selected: &[ItemId],
    dir: RunDir,
    started: Instant,
) -> Result<Recorded, CliError> {
    let plan = run_plan(work, place, selected, dir.run_id(), started)?;
    let mut live = Live::new(work.settings.lang, started, work.settings.quiet);
    let Process { runtime, signals } = process;
    runtime.block_on(record(&plan, place, started, signals, dir, |event| {
        live.show(event);
    }))
}
