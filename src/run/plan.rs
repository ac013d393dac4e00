//! What a run is asked to do. The parent writes it, the worker inside the sandbox reads it.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Snapshot;
use crate::{
    model::{input::GatewayFiles, lint::Finding, run::RunInfo},
    plan::{ItemId, Phase, Rule},
    profile::Profile,
};

/// Everything that a run needs to know, settled and checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunPlan {
    /// What the report's `run` begins as.
    pub run: RunInfo,
    /// The plan's phases with their items.
    pub phases: Vec<Phase>,
    /// The items chosen, in the plan's order.
    pub selected: Vec<ItemId>,
    /// The plan's rules that tell causes from symptoms.
    pub rules: Vec<Rule>,
    /// The plan bundle's folder, absolute.
    pub bundle: PathBuf,
    pub profile: Profile,
    pub files: GatewayFiles,
    /// The content of these files and of the bundle, as it was read before the run.
    pub snapshot: Arc<Snapshot>,
    /// What the linter found, for the report; the worker has no use for it.
    #[serde(skip)]
    pub lint: Vec<Finding>,
    /// Leave the comparison of response times out.
    pub quick: bool,
    /// The real browser, where what a person does is done in one: the path of Chromium.
    #[serde(default)]
    pub browser: Option<PathBuf>,
    /// The deadline of the whole run, in milliseconds.
    pub deadline_ms: u64,
}
