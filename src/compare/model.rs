//! What a comparison says. In every row a value stands for each report, and a change for each but
//! the first: what became of it since the report before.

use serde::Serialize;

use super::{Change, Counts, Measured, Pace, State};
use crate::{
    lint::Level,
    plan::{ItemId, Text},
    report::{FileRef, Severity, Verdict},
};

/// The version of the JSON form.
pub const SCHEMA_VERSION: u32 = 1;

/// What is different between reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub schema_version: u32,
    /// In the order that they were given.
    pub reports: Vec<Column>,
    pub warnings: Vec<Warning>,
    pub verdict: VerdictRow,
    /// The items whose state changed.
    pub items: Vec<ItemRow>,
    /// The times that changed beyond noise; nothing where the reports are of different stacks.
    pub times: Times,
    pub measured: Vec<MeasuredRow>,
    /// The findings that are not in every report, or not with the same severity.
    pub findings: Vec<FindingRow>,
    /// The causes that are not in every report.
    pub causes: Vec<CauseRow>,
    /// The linter's findings that are not in every report.
    pub lint: Vec<LintRow>,
    /// Files, programs, plan and so on that are not the same in every report.
    pub facts: Vec<FactRow>,
}

impl Comparison {
    /// Whether something got worse from a report to the next: an item fails that did not, what
    /// passed is not judged any more, or the verdict is a worse one. Times never count.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let items = self.items.iter().flat_map(|row| &row.changes);
        items.flatten().any(|change| change.is_worse()) || self.verdict.worse.contains(&true)
    }
}

/// A report, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    pub id: String,
    pub started_at: String,
    pub stack: String,
    pub candidate: FileRef,
    pub baseline: FileRef,
    pub duration_ms: f64,
    /// `None` for a partial run.
    pub verdict: Option<Verdict>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// Something that speaks against comparing reports.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Warning {
    pub kind: WarningKind,
    /// The reports that it concerns, counted from 0: those that differ from the first one, or
    /// that are wrong by themselves.
    pub reports: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// They are of other plans: another title, or other items.
    Plan,
    /// Other items were chosen.
    Selection,
    /// They ran on other kinds of stack, so their times say nothing about each other.
    Stack,
    Profile,
    /// They have other baselines, so measurements against it are not comparable.
    Baseline,
    /// The run did not come to its end.
    CutOff,
    /// The report contradicts itself.
    Contradiction,
    /// The same run was given twice.
    SameRun,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictRow {
    /// Of each report; `None` for a partial run.
    pub verdicts: Vec<Option<Verdict>>,
    /// Whether it is worse than the one before: fail, inconclusive, conditional, pass.
    pub worse: Vec<bool>,
}

/// An item whose state changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemRow {
    pub id: ItemId,
    /// In the last report that has it.
    pub title: Text,
    pub states: Vec<State>,
    pub changes: Vec<Option<Change>>,
}

/// The times that changed beyond noise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// How much longer everything took: the median of the items' ratios. `None` where too few
    /// items passed in both reports to tell noise from a change.
    pub overall: Vec<Option<f64>>,
    /// The items that stand out of that.
    pub items: Vec<TimeRow>,
}

/// An item that took longer or shorter than all the others would let expect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeRow {
    pub id: ItemId,
    /// How long it took in each report, in milliseconds.
    pub ms: Vec<Option<f64>>,
    pub paces: Vec<Option<Pace>>,
}

/// A measurement of the candidate against the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasuredRow {
    pub id: ItemId,
    pub found: Vec<Option<Measured>>,
    /// What became of the ratio: only where both have the same baseline, their intervals do not
    /// touch, and they are a tenth apart.
    pub paces: Vec<Option<Pace>>,
}

/// A finding that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingRow {
    pub id: ItemId,
    pub title: Text,
    /// In the last report that has it.
    pub summary: String,
    /// `None` where it is not there.
    pub severities: Vec<Option<Severity>>,
}

/// A cause that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CauseRow {
    pub rule: String,
    pub cause: Text,
    /// The failures that it accounts for in each report; none where it is not there.
    pub explains: Vec<Vec<ItemId>>,
}

/// A finding of the linter that came or went. The same one is at another line, or in a file of
/// another name, in a new version of the candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LintRow {
    pub rule: String,
    pub level: Level,
    pub what: Text,
    /// FILE:LINE in each report; none where it is not there.
    pub places: Vec<Vec<String>>,
}

/// Something about the runs that is not the same in every report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactRow {
    pub fact: Fact,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    Candidate,
    Baseline,
    Plan,
    /// How many of the plan's items were chosen.
    Chosen,
    Profile,
    Stack,
    /// The program, with its version, that plays a service.
    Component(String),
}
