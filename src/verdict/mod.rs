//! Judgement, first half: a run's events folded into its report, and the one place that says
//! what a set of results means. Pure: no I/O, no clock.

mod again;
mod diagnose;
mod findings;
mod fold;
mod judge;
mod progress;
mod reason;
mod rollback;
mod summary;

pub use crate::model::outcome::{NOT_SELECTED, Outcome};
pub use again::run_again;
pub use diagnose::diagnose;
pub use findings::{findings, is_finding, lacks_browser, severity};
pub use fold::{FoldError, fold};
pub use judge::{judge, judge_run};
pub use reason::Reason;
pub use rollback::steps as rollback_steps;
pub use summary::summary;

#[cfg(test)]
mod details_tests;
#[cfg(test)]
mod tests;
