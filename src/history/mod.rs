//! What the reports of a folder say together: every run in the order of time, flaky items, and how
//! times move.
//!
//! [`read`] takes one report after another and keeps a summary of each; [`history`] is a pure
//! function of those.

mod analysis;
mod model;
mod read;
mod render;
#[cfg(test)]
mod tests;

pub use analysis::history;
pub use model::*;
pub use read::read;
pub use render::{json, table};
