//! The gateway's surface as data: hosts, paths, bodies, JSON pointers, Redis keys, log
//! patterns, thresholds.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::yaml::{self, YamlError};

/// A gateway's surface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, for the report.
    pub name: String,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// When the file is not one: FILE:LINE:COLUMN, and what was probably meant.
    pub fn load(path: &Path) -> Result<Self, YamlError> {
        yaml::load(path)
    }
}
