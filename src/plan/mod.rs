//! The plan bundle: what is checked, in which order, and how much each check weighs.
//!
//! A bundle is a folder with `plan.yaml` and one feature file a phase. It is data:
//! another plan for another gateway is another folder.

mod bundle;
mod check;
#[cfg(test)]
mod details_tests;
mod diagnosis;
mod gherkin_error;
mod item;
mod pattern;
#[cfg(test)]
mod schema_tests;
mod selection;
mod tags;
#[cfg(test)]
mod tests;

pub use bundle::{Bound, Bundle, BundleError, PLAN_FILE, PlanFile, Problem, parsed};
pub use check::Vocabulary;
pub use diagnosis::{DIAGNOSIS_FILE, Rule, Sign};
pub use item::{Checklist, EXTENDED, Item, ItemId, ItemIdError, Lang, Phase, Priority, Text};
pub use pattern::{ItemPattern, ItemPatternError};
pub use selection::{Choice, SelectionError};
pub use tags::{TagExpr, TagExprError};
