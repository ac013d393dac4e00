//! What the reports of a folder say together: every run in the order of time, items that waver,
//! and how times move.
//!
//! [`read`] takes one report after another and keeps a summary of each; [`history`] is a pure
//! function of those.

mod flaky;
mod read;
mod render;
#[cfg(test)]
mod tests;
mod trend;

use serde::Serialize;

use crate::{
    compare::{Measured, State},
    engine::event::RunEnd,
    plan::{ItemId, Text},
    report::Verdict,
};

pub use flaky::{Conditions, Flaky, flaky};
pub use read::{Folder, Unread, read};
pub use render::{json, table};
pub use trend::{Trend, Trends, trends};

/// The version of the JSON form.
pub const SCHEMA_VERSION: u32 = 1;

/// What is kept of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run's folder, by its name.
    pub folder: String,
    /// The run's id.
    pub id: String,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Its verdict; `None` for a partial run.
    pub verdict: Option<Verdict>,
    /// Whether the report contradicts itself: then its verdict is not to be trusted.
    pub contradicts_itself: bool,
    /// How it ended; `None` where it was killed.
    pub end: Option<RunEnd>,
    /// What was run, on what.
    pub conditions: Conditions,
    /// How many items and extended checks passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were chosen and did not run.
    pub skipped: usize,
    /// How many could not tell.
    pub inconclusive: usize,
    /// The items that were chosen.
    pub items: Vec<ItemSummary>,
}

/// What is kept of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemSummary {
    /// Its number.
    pub id: ItemId,
    /// What it came to.
    pub state: State,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The measurement that it made, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

impl RunSummary {
    /// What is kept of an item of it.
    #[must_use]
    pub fn item(&self, id: ItemId) -> Option<&ItemSummary> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Whether the run was gone through to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.end == Some(RunEnd::Completed)
    }
}

/// What the reports of a folder say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Every run, the oldest first.
    pub runs: Vec<RunSummary>,
    /// Folders that hold no report that can be read.
    pub unread: Vec<Unread>,
    /// How many folders of `verify mutate` were left out.
    pub mutations: usize,
    /// How many older runs were left out, because only the last ones were asked for.
    pub older: usize,
    /// The items asked for, with their titles as far as a report has them; all where none is.
    pub asked: Vec<ItemId>,
    /// The titles of the items.
    pub titles: Vec<(ItemId, Text)>,
    /// Items that came out otherwise though nothing was changed.
    pub flaky: Vec<Flaky>,
    /// How times move.
    pub trends: Option<Trends>,
}

/// Puts together what a folder says: of the `last` runs, of these items.
#[must_use]
pub fn history(folder: Folder, last: Option<usize>, asked: &[ItemId]) -> History {
    let mut runs = folder.runs;
    runs.sort_by(|one, other| order(one).cmp(&order(other)));
    let older = last.map_or(0, |last| runs.len().saturating_sub(last));
    let runs = runs.split_off(older);
    let wanted = |id: ItemId| asked.is_empty() || asked.contains(&id);
    History {
        schema_version: SCHEMA_VERSION,
        flaky: flaky(&runs)
            .into_iter()
            .filter(|one| wanted(one.id))
            .collect(),
        trends: trends(&runs, asked),
        titles: (folder.titles.into_iter())
            .filter(|(id, _)| wanted(*id))
            .collect(),
        runs,
        unread: folder.unread,
        mutations: folder.mutations,
        older,
        asked: asked.to_vec(),
    }
}

/// By time; a time that cannot be read comes first, and runs of one time by their ids.
fn order(run: &RunSummary) -> (Option<jiff::Timestamp>, &str) {
    (run.started_at.parse().ok(), &run.id)
}
