//! What is different between two or more reports: each is compared with the one before it.
//!
//! [`compare`] is a pure function from reports to a [`Comparison`], which can be written as JSON;
//! [`table`] and [`markdown`] show it to people.

mod measured;
mod model;
mod pace;
mod render;
mod rows;
mod state;
#[cfg(test)]
mod tests;
mod words;

pub use measured::Measured;
pub use model::*;
pub use pace::{Pace, median, paces};
pub use render::{json, markdown, table};
pub use rows::compare;
pub use state::{Change, Counts, State, change};
pub use words::state as state_word;
