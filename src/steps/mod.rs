//! Step definitions, thin: probe, then assert. A file a phase.

pub mod registry;
pub mod world;

/// The tables of step definitions, a file each.
static TABLES: &[&[registry::StepDef]] = &[];
