//! What a run is given and where it writes: its plan, the content of its inputs, its recorder.

mod plan;
mod recorder;
pub mod snapshot;

pub use plan::RunPlan;
pub use recorder::Recorder;
pub use snapshot::{Snapshot, SnapshotError};
