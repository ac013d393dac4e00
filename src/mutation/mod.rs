//! How well a plan finds broken gateways: a catalogue of mutants of the candidate, what each
//! item said about them, and what is wrong with that.
//!
//! Nothing here runs anything: [`Catalogue`] and [`struct@Copy`] come before the runs, [`Matrix`]
//! after.

mod catalogue;
mod copy;
mod judge;
mod matrix;
#[cfg(test)]
mod tests;

pub use catalogue::{Catalogue, CatalogueError, Edit, Mutant};
pub use copy::{Copy, EditError};
pub use judge::{Cell, Judged, judge, noticed};
pub use matrix::{Coverage, MATRIX, Matrix, SCHEMA_VERSION, Score};
