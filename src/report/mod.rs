//! The report: a pure value, its view in a language, its renderers, and the one module that writes
//! files.

mod conditions;
pub mod layout;
mod load;
pub mod render;
#[cfg(test)]
pub(crate) mod samples;
mod store;
pub mod text;
pub mod trace;
pub mod view;

pub use crate::{model::report::*, words};
pub use load::{LoadError, load};
pub use store::{
    EVENTS, LATEST, REPORT_HTML, REPORT_JSON, REPORT_MD, RunDir, StoreError, append_file,
    could_hold, write_file, write_text,
};
pub use view::View;
