//! What a comparison says. In every row a value stands for each report, and a change for each but
//! the first: what became of it since the report before.

use serde::Serialize;

use super::{Change, Measured, Pace, State};
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
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The reports, in the order that they were given.
    pub reports: Vec<Column>,
    /// What speaks against comparing them.
    pub warnings: Vec<Warning>,
    /// Their verdicts.
    pub verdict: VerdictRow,
    /// The items whose state changed.
    pub items: Vec<ItemRow>,
    /// The times that changed beyond noise; nothing where the reports are of different stacks.
    pub times: Times,
    /// Measurements of the candidate against the baseline, with their intervals.
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
    /// The run's id.
    pub id: String,
    /// When it started.
    pub started_at: String,
    /// The kind of stack.
    pub stack: String,
    /// The configuration under test.
    pub candidate: FileRef,
    /// The configuration that it replaces.
    pub baseline: FileRef,
    /// How long the run took, in milliseconds.
    pub duration_ms: f64,
    /// Its verdict; `None` for a partial run.
    pub verdict: Option<Verdict>,
    /// How many items and extended checks passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were chosen and did not run.
    pub skipped: usize,
    /// How many could not tell.
    pub inconclusive: usize,
}

/// Something that speaks against comparing reports.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// The reports that it concerns, counted from 0: those that differ from the first one, or
    /// that are wrong by themselves.
    pub reports: Vec<usize>,
}

/// What can speak against comparing reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// They are of other plans: another title, or other items.
    Plan,
    /// Other items were chosen.
    Selection,
    /// They ran on other kinds of stack, so their times say nothing about each other.
    Stack,
    /// They took the gateway to be another one.
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

/// The verdicts.
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
    /// Its number.
    pub id: ItemId,
    /// Its title in the last report that has it.
    pub title: Text,
    /// Its state in each report.
    pub states: Vec<State>,
    /// What became of it.
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
    /// Its number.
    pub id: ItemId,
    /// How long it took in each report, in milliseconds.
    pub ms: Vec<Option<f64>>,
    /// What became of it.
    pub paces: Vec<Option<Pace>>,
}

/// A measurement of the candidate against the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasuredRow {
    /// The item that measured.
    pub id: ItemId,
    /// What was found in each report.
    pub found: Vec<Option<Measured>>,
    /// What became of the ratio: only where both have the same baseline, their intervals do not
    /// touch, and they are a tenth apart.
    pub paces: Vec<Option<Pace>>,
}

/// A finding that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingRow {
    /// The item that noticed.
    pub id: ItemId,
    /// The item's title.
    pub title: Text,
    /// What the problem is, in the last report that has it.
    pub summary: String,
    /// How bad it is in each report; `None` where it is not there.
    pub severities: Vec<Option<Severity>>,
}

/// A cause that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CauseRow {
    /// The rule's id.
    pub rule: String,
    /// What is wrong with the gateway.
    pub cause: Text,
    /// The failures that it accounts for in each report; none where it is not there.
    pub explains: Vec<Vec<ItemId>>,
}

/// A finding of the linter that came or went. The same one is at another line, or in a file of
/// another name, in a new version of the candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LintRow {
    /// The rule's name.
    pub rule: String,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub what: Text,
    /// FILE:LINE in each report; none where it is not there.
    pub places: Vec<Vec<String>>,
}

/// Something about the runs that is not the same in every report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactRow {
    /// What it is.
    pub fact: Fact,
    /// As each report has it.
    pub values: Vec<String>,
}

/// A fact about a run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The candidate's path and hash.
    Candidate,
    /// The baseline's path and hash.
    Baseline,
    /// The plan's title.
    Plan,
    /// How many of the plan's items were chosen.
    Chosen,
    /// The profile.
    Profile,
    /// The kind of stack.
    Stack,
    /// The program, with its version, that plays a service.
    Component(String),
}
