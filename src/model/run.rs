//! What a run is: its programs, its files, how it ended.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::InputFile;
use crate::plan::Text;

/// What was run, on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunInfo {
    /// The run's id, also the name of its folder.
    pub id: String,
    /// When it started, RFC 3339 with the local offset.
    pub started_at: String,
    /// From exec to the last event, in milliseconds.
    pub duration_ms: f64,
    /// Whether only some of the items were chosen.
    pub partial: bool,
    /// The kind of stack: `sandbox`, `containers`, `compose`, `fake`.
    pub stack: String,
    /// The programs that took part.
    pub components: Vec<Component>,
    /// The configuration under test.
    pub candidate: FileRef,
    /// The configuration that it replaces.
    pub baseline: FileRef,
    /// The profile's name.
    pub profile: String,
    /// The command line, as typed.
    pub command: Vec<String>,
    /// Whether a conditional pass permits a deployment (`--allow-conditional`): the run's exit
    /// code is then 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_conditional: bool,
    /// How the run ended; `None` where it was killed.
    pub end: Option<RunEnd>,
    /// The plan's title.
    pub plan: Text,
    /// When the stack came up; `None` where it did not, or nobody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_up: Option<Span>,
    /// Every file that was judged or judged by; none where an older `verify` wrote the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputFile>,
    /// What judged, its path as given: the plan's folder, with the SHA-256 of its list of files as
    /// `sha256sum` prints it, the profile's file and the settings file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<InputFile>,
    /// The `verify` that ran; `None` where an older one wrote the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Program>,
    /// The host's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A version of `verify`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// The version, as `verify --version` prints it.
    pub version: String,
    /// The commit that it was built from, where the build knew.
    pub commit: Option<String>,
}

/// A stretch of a run's time, in milliseconds since exec.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// When it began.
    pub from_ms: f64,
    /// When it was over.
    pub to_ms: f64,
}

/// A file by its path and content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileRef {
    /// As given.
    pub path: PathBuf,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
}

/// A program that takes part in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// The service that it plays: `gateway`, `auth`, `redis`, `upstream`, `idp`.
    pub service: String,
    /// Its name.
    pub program: String,
    /// Its version as it says itself.
    pub version: String,
    /// Whether it is the real thing, not a double.
    pub real: bool,
    /// The image that it runs from, with its id; `None` where it is a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The SHA-256 of the program's file, where it is a process of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum RunEnd {
    /// Everything chosen was gone through.
    Completed,
    /// A person or a service manager stopped it.
    Interrupted {
        /// The signal's name.
        signal: String,
    },
    /// The harness or its environment failed in the middle.
    Broken {
        /// What was seen.
        reason: String,
    },
    /// Something came between the worker and its parent: nothing that was told of this run counts.
    Integrity {
        /// What was seen.
        reason: String,
    },
}
