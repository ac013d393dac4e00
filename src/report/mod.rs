//! The report: a pure value, and its renderers.

mod model;

pub use model::*;
