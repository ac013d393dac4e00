//! The plan bundle: what is checked, in which order, and how much each check weighs.
//!
//! A bundle is a folder with `plan.yaml` and one feature file a phase. It is data:
//! another plan for another gateway is another folder.

mod item;

pub use item::{Checklist, Item, ItemId, ItemIdError, Lang, Phase, Priority, Text};
