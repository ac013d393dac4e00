//! What a run tells while it goes: appended to `events.ndjson`, one JSON object a line.
//!
//! The report is folded from these events alone, so a run that is killed still has one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    lint::Finding,
    run::{Component, RunInfo},
};
use crate::{
    evidence::Evidence,
    plan::{ItemId, Phase, Rule},
};

pub use super::run::RunEnd;

/// Why what only a real browser can go through was skipped.
pub const NEEDS_BROWSER: &str = "needs --browser chromium";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The first event: what is to be run, and the plan that it belongs to.
    RunStarted {
        /// What the report's `run` begins as; components and the duration come later.
        run: Box<RunInfo>,
        /// The plan, so that a report can be made from the events alone.
        phases: Vec<Phase>,
        /// The items chosen; all of them unless the run is partial.
        selected: Vec<ItemId>,
        /// The plan's rules that tell causes from symptoms.
        #[serde(default)]
        rules: Vec<Rule>,
    },
    /// What the linter found before anything was started; told where there is something.
    Linted {
        /// By file and line.
        findings: Vec<Finding>,
    },
    /// A program that takes part in the run.
    Component(Component),
    /// Every service of the stack answers.
    StackUp {
        /// From the start of the stack, in milliseconds.
        duration_ms: f64,
        /// When that was, in milliseconds since exec.
        #[serde(default)]
        at_ms: Option<f64>,
    },
    /// The stack did not come up: nothing can be said about the candidate.
    StackFailed {
        /// What was tried, what was seen, what to do.
        reason: String,
    },
    ItemStarted {
        item: ItemId,
        /// When that was, in milliseconds since exec.
        #[serde(default)]
        at_ms: Option<f64>,
    },
    StepStarted {
        item: ItemId,
        /// The step as the feature has it, keyword included.
        text: String,
    },
    StepFinished {
        item: ItemId,
        step: StepRecord,
    },
    EvidenceSeen {
        item: ItemId,
        evidence: Evidence,
    },
    ItemFinished {
        item: ItemId,
        outcome: Outcome,
        /// How long it took, in milliseconds.
        duration_ms: f64,
    },
    /// The only event of a run that ended before it began.
    NotStarted {
        run: String,
        /// When it ended, RFC 3339.
        at: String,
        exit: u8,
        reason: String,
    },
    /// The last event; without it the run was killed.
    RunFinished {
        /// From exec to here, in milliseconds.
        duration_ms: f64,
        end: RunEnd,
    },
}

/// A step and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    /// The step as the feature has it, keyword included.
    pub text: String,
    /// FILE:LINE in the plan bundle.
    pub at: String,
    /// What became of it.
    pub status: StepStatus,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// It came out as it must.
    Passed,
    /// It did not.
    Failed,
    /// It was not run, because an earlier one ended the scenario.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that must be seen was seen, and every control came out.
    Passed,
    /// The candidate did not do what it must.
    Failed(Failure),
    /// Something that the item depends on is not there.
    Skipped {
        reason: String,
        /// Whether the candidate fails it, so that this item fails with it; else it is left out by
        /// choice, or cannot be had in this place.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        consequence: bool,
    },
    /// The harness could not tell: a control failed, a log was unreadable, a service died.
    Inconclusive(Failure),
}

/// What a person must read about something that did not come out. Redacted.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Which check it is, in one stable word: `ban.redis`. Empty in reports of versions before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What was done.
    pub did: String,
    /// What was expected.
    pub expected: String,
    /// What was seen: log lines, the response, the value.
    pub seen: String,
    /// Parts of what was seen, by name: what the rules of the diagnosis look at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}
