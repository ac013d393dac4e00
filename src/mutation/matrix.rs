//! Every mutant against every item.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cell, Judged};
use crate::{plan::ItemId, report::FileRef};

/// The version of `mutation.json` that this program writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The name of the file that holds a matrix.
pub const MATRIX: &str = "mutation.json";

/// What a catalogue of mutants says about a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    pub schema_version: u32,
    /// RFC 3339.
    pub started_at: String,
    pub duration_ms: f64,
    /// How many runs went on at once.
    pub jobs: usize,
    /// The gateway that the mutants are made of.
    pub candidate: FileRef,
    /// The plan that is compared with, where there is one.
    pub compared_with: Option<String>,
    /// In the plan's order.
    pub items: Vec<ItemId>,
    /// In the catalogue's order.
    pub mutants: Vec<Judged>,
    pub score: Score,
}

/// What a matrix comes to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub mutants: usize,
    /// By the right items and by no other.
    pub caught: usize,
    /// Which no item noticed.
    pub survived: usize,
    /// How many have a cause in the catalogue.
    pub with_cause: usize,
    /// Of how many of those the diagnosis named it first.
    pub diagnosed: usize,
    /// How many the plan that is compared with did not notice.
    pub missed_by_other: usize,
}

/// How many mutants an item is needed for.
pub type Coverage = BTreeMap<ItemId, usize>;

impl Score {
    #[must_use]
    pub fn of(mutants: &[Judged]) -> Self {
        let count = |wanted: &dyn Fn(&Judged) -> bool| {
            mutants.iter().filter(|mutant| wanted(mutant)).count()
        };
        Self {
            mutants: mutants.len(),
            caught: count(&Judged::caught),
            survived: count(&Judged::survived),
            with_cause: count(&|mutant| mutant.cause.is_some()),
            diagnosed: count(&|mutant| {
                mutant.cause.is_some() && mutant.cause.as_ref() == mutant.named.first()
            }),
            missed_by_other: count(&|mutant| mutant.noticed_by_other == Some(false)),
        }
    }
}

impl Matrix {
    /// How many mutants each item had to catch and did.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let of = |item: &ItemId| {
            let caught = |mutant: &&Judged| {
                mutant.breaks.contains(item) && mutant.items.get(item) == Some(&Cell::Failed)
            };
            self.mutants.iter().filter(caught).count()
        };
        self.items.iter().map(|item| (*item, of(item))).collect()
    }
}
