//! The report: a pure value, its renderers, and the one module that writes files.

mod load;
mod model;
pub mod render;
#[cfg(test)]
pub(crate) mod samples;
mod store;

pub use load::{LoadError, SIZE_LIMIT, load};
pub use model::*;
pub use store::{EVENTS, LATEST, REPORT_JSON, REPORT_MD, RunDir, StoreError, write_text};
