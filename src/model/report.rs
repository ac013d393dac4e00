//! `report.json`, schema version 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    event::{Failure, StepRecord},
    lint,
};
use crate::{
    evidence::Evidence,
    plan::{Checklist, ItemId, Priority, Text},
};

pub use super::{
    input::{InputFile, sha256_of},
    run::{Component, FileRef, Program, RunInfo, Span},
};

/// The version of `report.json` that this program writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole run, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was run, on what.
    pub run: RunInfo,
    /// The plan's summary table.
    pub phases: Vec<PhaseSummary>,
    /// Every item of the plan, in its order, chosen or not.
    pub items: Vec<ItemReport>,
    /// The extended checks.
    #[serde(default)]
    pub extended: Vec<ItemReport>,
    /// Everything that did not pass, numbered.
    pub findings: Vec<Finding>,
    /// What the candidate's failures come from, as far as the plan's rules tell; the likeliest
    /// first.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// What the linter found before anything was started. It has no part in the verdict.
    #[serde(default)]
    pub lint: Vec<lint::Finding>,
    /// The judgement; `None` for a partial run.
    pub verdict: Option<Verdict>,
    /// Why the verdict is what it is, one sentence each.
    pub reasons: Vec<String>,
    /// Whether the baseline must be put back, and whether it was.
    pub rollback: Rollback,
}

/// A row of the plan's summary table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseSummary {
    /// The phase's number.
    pub id: u8,
    /// Its title.
    pub title: Text,
    /// How many items the plan has here.
    pub total: u32,
    /// How many passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
    /// How many were skipped or inconclusive.
    pub skipped: u32,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything that must be seen was seen.
    Passed,
    /// The candidate did not do what it must.
    Failed,
    /// It did not run, by choice or because what it depends on is broken.
    Skipped,
    /// It ran, or should have, and could not tell.
    Inconclusive,
}

/// Whose fault it is that an item did not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The configuration under test.
    Candidate,
    /// The harness, or the environment that it ran in.
    Harness,
}

/// One item with everything that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemReport {
    /// Its number.
    pub id: ItemId,
    /// Its phase; 0 for extended checks.
    pub phase: u8,
    /// Its title.
    pub title: Text,
    /// What the plan's completion checklist calls it.
    pub done: Text,
    /// The plan's priority.
    pub priority: Priority,
    /// Its place in the plan's checklist.
    pub checklist: Checklist,
    /// What became of it.
    pub status: Status,
    /// Whose fault it is, where it failed or could not tell; where it was skipped, the candidate's
    /// if that fails what the item needs.
    pub fault: Option<Fault>,
    /// When it began, in milliseconds since exec; `None` where it did not, or nobody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<f64>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// How long the plan allows a person for it, in minutes.
    pub planned_minutes: u32,
    /// Why it did not pass, in one sentence.
    pub reason: Option<String>,
    /// What was done, expected and seen, where it failed or could not tell.
    pub failure: Option<Failure>,
    /// Why the item matters.
    pub why: Text,
    /// What to do when it fails.
    pub remedy: Text,
    /// Its steps.
    pub steps: Vec<StepRecord>,
    /// What was seen.
    pub evidence: Vec<Evidence>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It forbids the deployment, or nothing could be said about what decides it.
    Critical,
    /// An important item.
    Major,
    /// A recommended or unlisted item.
    Minor,
}

/// A row of the plan's table of problems found (検出された問題).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its number, from 1.
    pub no: u32,
    /// The item that noticed.
    pub item: ItemId,
    /// How bad it is.
    pub severity: Severity,
    /// What the problem is, in one sentence.
    pub summary: String,
    /// What was seen that shows it.
    pub cause: String,
    /// What to do.
    pub remedy: Text,
    /// 対応状況: what has been done about it.
    pub state: FindingState,
}

/// A cause of failures, told by a rule of the plan bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The rule's id.
    pub rule: String,
    /// What is wrong with the gateway.
    pub cause: Text,
    /// What to do about it.
    pub remedy: Text,
    /// Commands that show more.
    pub look: Vec<String>,
    /// The failures that it accounts for.
    pub explains: Vec<ItemId>,
    /// The item that shows it.
    pub shown_by: ItemId,
    /// What was seen there.
    pub seen: String,
}

/// What has been done about a finding (対応状況).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// Nothing yet.
    Open,
    /// The candidate's: the baseline is to be put back.
    Rollback,
    /// The harness's: run again once its cause is gone.
    Rerun,
}

/// The plan's verdict (総合評価), and the one that it does not have: no judgement possible.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// 合格
    Pass,
    /// 条件付き合格
    Conditional,
    /// 不合格: roll back.
    Fail,
    /// The harness could not tell. Never a pass, never a reason to roll back.
    Inconclusive,
}

/// Whether the baseline must be put back, and whether it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rollback {
    /// Whether the verdict asks for it.
    pub required: bool,
    /// Whether it was carried out.
    pub executed: bool,
    /// The plan's steps, each with what was seen.
    pub steps: Vec<RollbackStep>,
}

impl Rollback {
    /// Whether it was carried out and one of its steps was not verified.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.executed && self.steps.iter().any(|step| step.ok != Some(true))
    }
}

/// A step of a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackStep {
    /// What is done.
    pub title: Text,
    /// The plan's command for it, for a person to type.
    pub command: String,
    /// Whether it was carried out and verified; `None` where it was not tried.
    pub ok: Option<bool>,
    /// What was seen.
    pub seen: String,
}
