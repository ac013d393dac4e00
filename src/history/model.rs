//! What is kept of reports, and what they come to together. Times are in milliseconds.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    compare::{Counts, Measured, Pace, State},
    engine::event::RunEnd,
    gate::{Policy, decide},
    plan::{ItemId, Text},
    report::{ItemReport, RunInfo, RunReport, Verdict},
};

/// The version of the JSON form.
pub const SCHEMA_VERSION: u32 = 1;

/// The reports of a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// In no order.
    pub runs: Vec<RunSummary>,
    pub unread: Vec<Unread>,
    /// How many folders of `verify mutate` are there.
    pub mutations: usize,
    pub titles: BTreeMap<ItemId, Text>,
}

/// A folder that holds no report that can be read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Unread {
    pub folder: String,
    /// Why, and what to do.
    pub why: String,
}

/// What is kept of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    pub folder: String,
    pub id: String,
    /// RFC 3339.
    pub started_at: String,
    pub duration_ms: f64,
    /// `None` for a partial run.
    pub verdict: Option<Verdict>,
    /// Then its verdict is not to be trusted.
    pub contradicts_itself: bool,
    /// `None` where it was killed.
    pub end: Option<RunEnd>,
    pub conditions: Conditions,
    #[serde(flatten)]
    pub counts: Counts,
    /// The items that were chosen.
    pub items: Vec<ItemSummary>,
}

/// What is kept of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemSummary {
    pub id: ItemId,
    pub state: State,
    pub duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// What was run, on what: as far as a report tells. It has the hashes of the two configurations,
/// and none of Lua modules and pages: who changes those alone changes nothing here.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Conditions {
    /// The candidate's SHA-256.
    pub candidate: String,
    /// The baseline's SHA-256.
    pub baseline: String,
    pub plan: String,
    pub profile: String,
    pub stack: String,
    /// The programs that took part, with their versions.
    pub programs: Vec<String>,
}

/// What the reports of a folder say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    pub schema_version: u32,
    /// The oldest first.
    pub runs: Vec<RunSummary>,
    pub unread: Vec<Unread>,
    /// How many folders of `verify mutate` were left out.
    pub mutations: usize,
    /// How many older runs were left out, because only the last ones were asked for.
    pub older: usize,
    /// The items asked for; all where none is.
    pub asked: Vec<ItemId>,
    pub titles: Vec<(ItemId, Text)>,
    pub flaky: Vec<Flaky>,
    pub trends: Option<Trends>,
}

/// An item that came out otherwise under the same conditions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flaky {
    pub id: ItemId,
    pub conditions: Conditions,
    pub passed: usize,
    pub failed: usize,
    pub inconclusive: usize,
    /// What it came to in each of these runs, the oldest first.
    pub states: Vec<State>,
    /// The last run in which it did not pass.
    pub last: String,
}

/// How times move, over the runs that can be compared: gone through to their end, with the same
/// plan and the same items as the latest of them, on the same kind of stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trends {
    pub runs: usize,
    /// How many others cannot be compared.
    pub left_out: usize,
    /// The duration of the run.
    pub run: Trend,
    /// Of each item that was asked for; where none was, of those whose times changed beyond noise.
    pub items: Vec<(ItemId, Trend)>,
    /// The ratio of the candidate's response time to the baseline's, by the item that measured.
    pub ratios: Vec<(ItemId, Trend)>,
}

/// A figure over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// Of every run that has it, the oldest first.
    pub values: Vec<f64>,
    pub median: f64,
    /// The median of the first half of the runs; `None` where there are too few.
    pub first_half: Option<f64>,
    /// The run in the middle belongs to it.
    pub second_half: Option<f64>,
    /// Whether it changed beyond noise between the halves, as far as that can be told.
    pub pace: Option<Pace>,
}

impl Folder {
    /// Keeps a summary of the report in the folder of this name.
    pub fn add(&mut self, folder: String, report: &RunReport) {
        self.runs.push(RunSummary::of(folder, report));
        for item in report.all_items() {
            let title = self.titles.entry(item.id);
            title.or_insert_with(|| item.title.clone());
        }
    }
}

impl RunSummary {
    fn of(folder: String, report: &RunReport) -> Self {
        let run = &report.run;
        let items = report
            .all_items()
            .filter(|item| State::of(item) != State::NotChosen);
        Self {
            folder,
            id: run.id.clone(),
            started_at: run.started_at.clone(),
            duration_ms: run.duration_ms,
            verdict: report.verdict,
            contradicts_itself: decide(report, Policy::default()).is_err(),
            end: run.end.clone(),
            conditions: Conditions::of(run),
            counts: Counts::of(report),
            items: items.map(ItemSummary::of).collect(),
        }
    }

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

impl ItemSummary {
    fn of(item: &ItemReport) -> Self {
        Self {
            id: item.id,
            state: State::of(item),
            duration_ms: item.duration_ms,
            measured: Measured::of(item),
        }
    }
}

impl Conditions {
    fn of(run: &RunInfo) -> Self {
        let mut programs: Vec<String> = (run.components.iter())
            .map(|one| format!("{} {} {}", one.service, one.program, one.version))
            .collect();
        programs.sort();
        Self {
            candidate: run.candidate.sha256.clone(),
            baseline: run.baseline.sha256.clone(),
            plan: run.plan.en.clone(),
            profile: run.profile.clone(),
            stack: run.stack.clone(),
            programs,
        }
    }
}
