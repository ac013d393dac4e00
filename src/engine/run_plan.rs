//! What a run is asked to do. The parent writes it, the worker inside the sandbox reads it.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Snapshot;
use crate::{
    lint::Finding,
    plan::{ItemId, Phase, Rule},
    profile::Profile,
    report::RunInfo,
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
    /// The gateway's surface.
    pub profile: Profile,
    /// The gateway's files.
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

/// The gateway's files, absolute paths of things that exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayFiles {
    /// The configuration under test.
    pub candidate: PathBuf,
    /// The configuration that it replaces.
    pub baseline: PathBuf,
    /// The candidate's Lua modules.
    pub lua: PathBuf,
    /// The candidate's pages.
    pub html: PathBuf,
    /// The configuration of oauth2-proxy, a template that the stack fills.
    pub auth_proxy: PathBuf,
    /// A directory of further `resty.*` modules.
    pub lualib: Option<PathBuf>,
    /// The baseline's Lua modules, where they differ.
    pub baseline_lua: Option<PathBuf>,
    /// The baseline's pages, where they differ.
    pub baseline_html: Option<PathBuf>,
}
