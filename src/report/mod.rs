//! The report: a pure value, its renderers, and the one module that writes files.

mod load;
pub mod render;
#[cfg(test)]
pub(crate) mod samples;
mod store;
pub mod trace;

pub use crate::model::report::*;
pub use load::{LoadError, load};
pub use store::{
    EVENTS, LATEST, REPORT_HTML, REPORT_JSON, REPORT_MD, RunDir, StoreError, append_file,
    could_hold, write_file, write_text,
};
