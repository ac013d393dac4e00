//! What was seen, redacted before it leaves.

mod figures;
mod forms;
mod model;
mod redact;

pub use figures::{Figures, Histogram};
pub use model::{BODY_LIMIT, Evidence, EvidenceKind, ITEM_LIMIT, Image, Stage, TITLE_LIMIT, Trail};
pub use redact::Redactor;
