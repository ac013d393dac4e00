//! The report: a pure value, and its renderers.

mod model;
#[cfg(test)]
pub(crate) mod samples;

pub use model::*;
