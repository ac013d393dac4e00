//! What a rule says.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Text;

/// How sure it is that something will go wrong, and how badly.
#[derive(
    Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An item of the plan fails, or a check cannot see.
    Error,
    /// It works only where something outside of the files helps.
    Warning,
    /// Worth knowing; the linter's own troubles, too.
    Note,
}

impl Level {
    /// As SARIF calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LintFinding")]
pub struct Finding {
    /// The rule's name, in kebab case.
    pub rule: String,
    /// How bad it is.
    pub level: Level,
    /// The file, as given.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What was found.
    pub what: Text,
    /// Why it matters.
    pub why: Text,
    /// What to do.
    pub remedy: Text,
}

impl Finding {
    /// FILE:LINE.
    #[must_use]
    pub fn at(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}
