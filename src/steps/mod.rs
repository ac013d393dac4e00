//! Step definitions, thin: probe, then assert. A file a phase.

mod deploy;
pub mod late;
mod operations;
mod phase1;
pub mod registry;
pub mod run;
mod session;
pub mod world;

/// The tables of step definitions, a file each.
static TABLES: &[&[registry::StepDef]] = &[phase1::STEPS];
