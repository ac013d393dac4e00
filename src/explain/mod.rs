//! What an item of a plan is about: what the plan asks, what is checked, how the check shows that
//! it can see, and which broken gateways it catches. Read from the plan bundle and the catalogue
//! of mutants alone; nothing is run.

mod explanation;
mod render;
#[cfg(test)]
mod tests;

pub use explanation::{Causes, Explanation, Mutants, Scenario, explain, nearest};
pub use render::text;
