//! What can be known before anything is started: a plan, a profile, a configuration and its
//! Lua are read, and what cannot work or cannot be seen is said with its place, why, and what
//! to do.
//!
//! A rule that is not sure keeps silent: a linter that cries wolf is switched off. Wherever
//! something is not known (a file that is not there, a variable, a call of a function that
//! nobody defines), the rules that depend on it say nothing.
//!
//! [`Inputs::read`] reads the files; [`lint`] is pure.

mod config;
mod inputs;
mod lua;
pub mod render;
mod rules;

pub use crate::model::lint::{Finding, Level};
pub use inputs::{Files, Inputs};

/// Everything that is found, by file and line.
#[must_use]
pub fn lint(inputs: &Inputs) -> Vec<Finding> {
    let mut found = rules::all(inputs);
    found.sort_by(|one, other| {
        let place = |finding: &Finding| (finding.file.clone(), finding.line);
        (place(one), &one.rule).cmp(&(place(other), &other.rule))
    });
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
