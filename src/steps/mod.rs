//! Step definitions, thin: probe, then assert. A file a phase.

pub mod codes;
mod deploy;
mod extended;
mod general;
pub mod late;
mod operations;
mod page;
mod phase1;
mod phase2;
mod phase3;
mod phase4;
mod phase5;
mod phase6;
mod phase7;
pub mod registry;
pub mod run;
pub mod script;
mod senses;
mod session;
mod table;
mod token_form;
mod traces;
mod tracking;
mod trail;
pub mod watch;
pub mod world;

pub use table::StepTable;

/// The tables of step definitions, a file each.
static TABLES: &[&[registry::StepDef]] = &[
    general::STEPS,
    traces::STEPS,
    phase1::STEPS,
    phase2::STEPS,
    phase3::STEPS,
    phase4::STEPS,
    token_form::STEPS,
    page::STEPS,
    phase5::STEPS,
    phase6::STEPS,
    phase7::STEPS,
    extended::identity::STEPS,
    extended::internal_port::STEPS,
    extended::forged::STEPS,
    extended::banned::STEPS,
    extended::addresses::STEPS,
    extended::tracker::STEPS,
    extended::outage::STEPS,
    extended::streaming::STEPS,
    extended::deep_link::STEPS,
    extended::tabs::STEPS,
    extended::back_button::STEPS,
    extended::redirects::STEPS,
    extended::admins::STEPS,
    extended::log_lines::STEPS,
    extended::sizes::STEPS,
    extended::crowd::STEPS,
    extended::reload::STEPS,
    extended::secrets::STEPS,
    extended::noise::STEPS,
];
