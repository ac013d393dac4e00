//! The files that are judged, and those that judge.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::sha256;

/// What an input file is to a run.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum InputRole {
    /// The configuration under test.
    Candidate,
    /// The configuration that it replaces.
    Baseline,
    /// The candidate's Lua modules.
    Lua,
    /// The candidate's pages.
    Html,
    /// Further `resty.*` modules.
    Lualib,
    /// The baseline's Lua modules.
    BaselineLua,
    /// The baseline's pages.
    BaselineHtml,
    /// The configuration of oauth2-proxy.
    AuthProxy,
    /// The plan bundle.
    Plan,
    /// The profile.
    Profile,
    /// The settings file.
    Config,
}

impl InputRole {
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Candidate => "--candidate",
            Self::Baseline => "--baseline",
            Self::Lua => "--lua",
            Self::Html => "--html",
            Self::Lualib => "--lualib",
            Self::BaselineLua => "--baseline-lua",
            Self::BaselineHtml => "--baseline-html",
            Self::AuthProxy => "--auth-proxy",
            Self::Plan => "--plan",
            Self::Profile => "--profile",
            Self::Config => "--config",
        }
    }

    #[must_use]
    pub fn is_folder(self) -> bool {
        !matches!(
            self,
            Self::Candidate | Self::Baseline | Self::AuthProxy | Self::Profile | Self::Config
        )
    }
}

/// An input file by its role and content.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct InputFile {
    /// What it is to the run.
    pub role: InputRole,
    /// Inside the folder of its role, or its name where the role is a file.
    pub path: PathBuf,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
}

/// SHA-256 of a role: of its file, or of its folder's list as `sha256sum` prints it, by path.
#[must_use]
pub fn sha256_of(inputs: &[InputFile], role: InputRole) -> Option<String> {
    let mut files: Vec<&InputFile> = inputs.iter().filter(|input| input.role == role).collect();
    files.sort();
    let first = files.first()?;
    if !role.is_folder() {
        return Some(first.sha256.clone());
    }
    let line = |file: &&InputFile| format!("{}  {}\n", file.sha256, file.path.display());
    let list: String = files.iter().map(line).collect();
    Some(sha256(list.as_bytes()))
}

/// The gateway's files, absolute paths of things that exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayFiles {
    pub candidate: PathBuf,
    pub baseline: PathBuf,
    pub lua: PathBuf,
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
