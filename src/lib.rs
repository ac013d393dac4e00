//! `verify` proves whether a new gateway configuration may be deployed.
//!
//! A written verification plan is the program's input: Gherkin features bound to the plan's
//! items. A run starts the gateway with everything round it, goes through the items, and
//! folds what it saw into a report with one of the plan's verdicts.
//!
//! ```text
//! Settings -> RunPlan -> Stack -> steps -> Evidence, RunEvent -> verdict::fold -> RunReport
//!                                                        -> report renderers, gate::decide
//! ```
//!
//! Each layer imports those to its left (`tests/all/layers.rs`):
//!
//! ```text
//! evidence, plan - model - profile - run - doubles, probe - ledger - stack - steps - engine
//!                      \- verdict - gate - lint, mutation, report - compare, history, explain - cli
//! ```

pub mod cli;
pub mod compare;
pub mod digest;
pub mod doubles;
pub mod engine;
pub mod evidence;
pub mod explain;
pub mod gate;
pub mod history;
pub mod http1;
pub mod input;
pub mod ledger;
pub mod lint;
pub mod model;
pub mod mutation;
pub mod plan;
pub mod probe;
pub mod profile;
pub mod report;
pub mod rollback;
pub mod run;
pub mod schema;
pub mod stack;
pub mod steps;
pub mod trust;
pub mod verdict;
pub mod words;
pub mod yaml;
